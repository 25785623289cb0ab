/*
 * colours.js - a class has one colour wherever it is shown: that of its index.
 *
 * Eight colours stay apart in normal and in colour-blind sight (protan, deutan, tritan), with a contrast of 3 or more
 * on the page, light and dark; page.css has them.  From the ninth class on they come again with another dash.  What
 * is called background is grey; it mostly has index 0, so index 1 begins.
 */

const COLOURS = 8;
const DASHES = [[], [9, 5], [2, 4], [12, 4, 2, 4]];

export function classStyle(index, name) {
    const background = name.toLowerCase() === "background";

    return {
        variable: background ? "--class-background" : `--class-${(index + COLOURS - 1) % COLOURS}`,
        dash: DASHES[Math.floor(index / COLOURS) % DASHES.length],
    };
}

/* What a colour variable is now, in the theme that is shown: canvases know no variables. */
export function resolve(variable) {
    const probe = document.createElement("i");

    probe.style.color = `var(${variable})`;
    document.body.append(probe);
    const colour = getComputedStyle(probe).color;
    probe.remove();
    return colour;
}
