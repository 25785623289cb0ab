/*
 * token.js - the access token, where the server asks for one: kept for this tab until it is closed or the token
 * forgotten, never written to disk by the page, never part of an address.
 */
import {Problem, tryToken} from "/page/api.js";
import {fill, h} from "/page/dom.js";
import {forgetToken, keepToken} from "/page/kept.js";

/* Takes the place of everything that a token would show. */
export class TokenForm {
    constructor(container) {
        this.container = container;
        this.field = h("input", {
            type: "password",
            id: "token",
            name: "token",
            autocomplete: "off",
            autocapitalize: "none",
            spellcheck: "false",
            required: true,
            "aria-describedby": "token-note token-problem",
        });
        this.button = h("button", {type: "submit", class: "quiet"}, "Use token");
        this.problem = h("p", {id: "token-problem", class: "warning", role: "alert"});
        this.form = h(
            "form",
            {class: "home card empty token", autocomplete: "off", onsubmit: event => this.submit(event)},
            h("h2", {id: "token-title"}, "This server asks for a token"),
            h("label", {for: "token"}, "Access token"),
            this.field,
            this.problem,
            this.button,
            h(
                "p",
                {class: "note", id: "token-note"},
                "One with the scope read, made by ",
                h("code", null, "maskmeter token create"),
                ". It is kept for this tab only, until you close it or choose “Forget token”.",
            ),
        );
        this.form.setAttribute("aria-labelledby", "token-title");
    }

    /* why: what the server said to the token that was kept; "": there was none. */
    show(why) {
        document.title = "maskmeter";
        document.body.dataset.access = "locked";
        this.say(why);
        fill(this.container, this.form);
        this.field.focus();
    }

    say(text) {
        this.problem.textContent = text;
        this.field.setAttribute("aria-invalid", text === "" ? "false" : "true");
    }

    /* A token that the server takes is kept, and the page begins anew with it. */
    async submit(event) {
        const token = this.field.value.trim();

        event.preventDefault();
        if (this.button.disabled) return;
        this.button.disabled = true;
        this.say("");
        try {
            if (!/^[\x21-\x7e]+$/.test(token)) throw new Problem(0, "A token has neither blanks nor other than ASCII characters.");
            await tryToken(token);
            if (!keepToken(token)) throw new Problem(0, "This browser keeps nothing for this page, not even for a tab.");
            location.reload();
        } catch (problem) {
            this.say(problem.message);
            this.field.select();
        }
        this.button.disabled = false;
    }
}

/* Nothing that it showed stays: neither in the page nor in its address. */
export function forget() {
    forgetToken();
    history.replaceState(null, "", location.pathname);
    location.reload();
}
