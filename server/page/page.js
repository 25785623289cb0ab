/*
 * page.js - the beginning: theme, address, and the loop that keeps the page up to date.
 *
 * The page asks again and again rather than being told by server-sent events: a stream would hold one connection and
 * one descriptor of the server for every viewer, and proxies buffer and cut streams, while a question whose answer did
 * not change costs one small query of the history and a 304 of some hundred bytes.  It asks every second while a run
 * goes on and the page is seen, and seldom otherwise.
 */
import {Problem, Silence} from "/page/api.js";
import {fill, h} from "/page/dom.js";
import {forgetToken, keptToken} from "/page/kept.js";
import {change, read} from "/page/state.js";
import {RunList} from "/page/runs.js";
import {RunView} from "/page/run.js";
import {TokenForm, forget} from "/page/token.js";
import {welcome} from "/page/welcome.js";

const PAUSE = {live: 1000, quiet: 5000, hidden: 30000}; /* ms between two looks */
const LIVE = 300000; /* ms since something new came */
const LIST_EVERY = 3; /* looks at the run for each one at the list of runs */

const main = document.getElementById("main");
const status = document.getElementById("state");
const theme = document.getElementById("theme");
const runs = new RunList(document.getElementById("runs"));
const view = new RunView(main, () => runs.runs());
const tokenForm = new TokenForm(main);

let lastNews = Date.now(),
    timer = 0,
    looks = 0,
    looking = false,
    again = false,
    locked = false;
let landed = location.hash.length > 1; /* a visit without an address begins at the newest run, where there is room */

/* ----------------------------------------------------------------------- looks */

function pause() {
    if (document.hidden) return PAUSE.hidden;
    return Date.now() - lastNews < LIVE ? PAUSE.live : PAUSE.quiet;
}

async function lookOnce() {
    const state = read();

    document.body.dataset.run = state.run === null ? "none" : "one";
    runs.show(state.run);
    if (state.run === null || looks++ % LIST_EVERY === 0) {
        const some = await runs.refresh();
        if (state.run === null && some && !landed && matchMedia("(min-width: 761px)").matches)
            change({run: runs.runs()[0].run}); /* which looks again */
        else if (state.run === null) showHome(some);
        landed = landed || some;
    }
    if (state.run !== null) {
        document.title = `${state.run} – maskmeter`;
        if (await view.show(state)) lastNews = Date.now();
    }
}

/* One look at a time; what asks meanwhile gets one more. */
async function look() {
    clearTimeout(timer);
    if (locked) return;
    if (looking) {
        again = true;
        return;
    }
    looking = true;
    do {
        again = false;
        try {
            await lookOnce();
            say("");
        } catch (problem) {
            if (problem.status === 401 || problem.status === 403) return lock(problem);
            say(problem instanceof Silence ? "The server does not answer; trying again" : problem.message);
            if (!(problem instanceof Silence || problem instanceof Problem)) console.error(problem);
        }
    } while (again);
    looking = false;
    timer = setTimeout(look, pause());
}

/* The server asks for a token, or no longer takes the one that was kept: nothing is asked until it has another. */
function lock(problem) {
    const kept = keptToken() !== null;

    locked = true;
    forgetToken();
    showAccess();
    say("");
    tokenForm.show(kept ? problem.message : "");
}

function say(text) {
    if (status.textContent !== text) status.textContent = text;
}

function showHome(some) {
    const key = some ? "choose" : "welcome";

    document.title = "maskmeter";
    if (
        main.dataset.home !== key ||
        main.firstElementChild === null ||
        !main.firstElementChild.classList.contains("home")
    )
        fill(
            main,
            some
                ? h(
                      "div",
                      {class: "home choose card empty"},
                      h("h2", null, "Choose a run"),
                      h("p", null, "Its curves, its confusion and its worst images come here."),
                  )
                : welcome(),
        );
    main.dataset.home = key;
}

/* What needs a token but cannot send one is not offered. */
function showAccess() {
    const kept = keptToken() !== null;

    document.body.dataset.access = kept ? "token" : "open";
    document.getElementById("forget").hidden = !kept;
}

/* ----------------------------------------------------------------------- theme */

function setTheme(name) {
    document.documentElement.dataset.theme = name;
    view.recolour();
}

theme.value = document.documentElement.dataset.theme;
theme.addEventListener("change", () => {
    try {
        localStorage.setItem("maskmeter-theme", theme.value);
    } catch {
        /* it lasts as long as the page */
    }
    setTheme(theme.value);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => view.recolour());

/* ---------------------------------------------------------------------- events */

document.getElementById("skip").addEventListener("click", event => {
    event.preventDefault();
    main.focus();
});
document.getElementById("forget").addEventListener("click", forget);
addEventListener("hashchange", () => {
    landed = true;
    look();
});
document.addEventListener("visibilitychange", () => {
    if (!document.hidden) look();
});
showAccess();
look();
