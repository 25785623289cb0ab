/*
 * state.js - what is shown, kept in the address after "#", so that a link shows the same to others.
 *
 * run, split, score, x (step or time), step (the evaluation that is shown; none: the last), with (the run to compare
 * with), classes (names; none: the page's choice).
 */

const NAMES = ["run", "split", "score", "x", "step", "with", "classes"];

/* "+" is a blank, as everywhere in forms; names hold no comma. */
export function read() {
    const query = new URLSearchParams(location.hash.slice(1));
    const state = {};

    for (const name of NAMES) state[name] = query.get(name);
    state.classes = state.classes === null ? null : state.classes.split(",").filter(name => name !== "");
    state.x = state.x === "time" ? "time" : "step";
    state.step = /^\d{1,19}$/.test(state.step || "") ? Number(state.step) : null;
    return state;
}

export function link(state) {
    const query = new URLSearchParams();

    for (const name of NAMES) {
        const value = state[name];

        if (value !== null && value !== undefined && !(name === "x" && value === "step")) query.set(name, value);
    }
    return "#" + query;
}

/* changes: what differs from now.  A run is a page of its own for the "back" button, the rest is not. */
export function change(changes) {
    const hash = link({...read(), ...changes});

    if (hash === location.hash) return;
    history.replaceState(null, "", hash);
    dispatchEvent(new HashChangeEvent("hashchange"));
}
