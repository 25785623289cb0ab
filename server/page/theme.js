/* theme.js - the chosen theme, set before anything is drawn. */
try {
    document.documentElement.dataset.theme = localStorage.getItem("maskmeter-theme") || "auto";
} catch {
    document.documentElement.dataset.theme = "auto"; /* a browser that stores nothing */
}
