/*
 * kept.js - what the page keeps of its user: a token for this tab, in the browser's storage of the session.
 */

const NAME = "maskmeter-token";

/* null: none, or a browser that stores nothing. */
export function keptToken() {
    try {
        return sessionStorage.getItem(NAME);
    } catch {
        return null;
    }
}

/* False: the browser refused. */
export function keepToken(token) {
    try {
        sessionStorage.setItem(NAME, token);
        return true;
    } catch {
        return false;
    }
}

export function forgetToken() {
    try {
        sessionStorage.removeItem(NAME);
    } catch {
        /* then nothing is kept */
    }
}
