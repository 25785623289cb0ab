/*
 * legend.js - the classes beside the curves: colour, name, value under the cursor; each is a switch.
 */
import {fill, h} from "/page/dom.js";

const FILTER_FROM = 16; /* classes */

export function swatch(style) {
    const dash =
        style.dash.length === 0 ? "" : style.dash.length > 2 ? " mixed" : style.dash[0] < 5 ? " dotted" : " dashed";

    return h("i", {class: "swatch" + dash, "--colour": `var(${style.variable})`, "aria-hidden": "true"});
}

export class Legend {
    /* onToggle(names that are shown), onEmphasise(name or null). */
    constructor({onToggle, onEmphasise}) {
        this.onToggle = onToggle;
        this.onEmphasise = onEmphasise;
        this.title = h("h3", {class: "point", "aria-live": "off"});
        this.filter = h("input", {
            type: "search",
            class: "filter",
            placeholder: "Find a class",
            "aria-label": "Find a class",
            oninput: () => this.draw(),
        });
        this.list = h("ul", {class: "legend-list"});
        this.all = h("button", {type: "button", class: "quiet", onclick: () => this.toggleAll(true)}, "All");
        this.none = h("button", {type: "button", class: "quiet", onclick: () => this.toggleAll(false)}, "None");
        this.element = h(
            "section",
            {class: "legend", "aria-label": "Classes"},
            h("div", {class: "legend-head"}, this.title, h("span", {class: "buttons"}, this.all, this.none)),
            this.filter,
            this.list,
        );
    }

    /* entries: [{name, style, shown, fixed, text, other, undefined}]: text is the value, or the reason of a gap. */
    show(title, entries) {
        this.entries = entries;
        this.title.textContent = title;
        this.draw();
    }

    draw() {
        const word = this.filter.value.toLowerCase();

        this.filter.hidden = this.entries.length < FILTER_FROM;
        this.all.hidden = this.none.hidden = this.entries.filter(entry => !entry.fixed).length < 2;
        fill(
            this.list,
            this.entries.filter(entry => entry.name.toLowerCase().includes(word)).map(entry => this.item(entry)),
        );
    }

    item(entry) {
        const inner = [
            swatch(entry.style),
            h("span", {class: "name", dir: "auto"}, entry.name),
            h("span", {class: entry.undefined ? "why" : "number"}, entry.text),
            entry.other !== undefined && h("span", {class: "number other"}, entry.other),
        ];
        const emphasise = name => () => this.onEmphasise(name);

        if (entry.fixed) return h("li", {class: "fixed"}, inner);
        return h(
            "li",
            null,
            h(
                "button",
                {
                    type: "button",
                    "aria-pressed": entry.shown ? "true" : "false",
                    "data-key": `class ${entry.name}`,
                    onclick: () => this.toggle(entry.name),
                    onpointerenter: emphasise(entry.shown ? entry.name : null),
                    onpointerleave: emphasise(null),
                    onfocus: emphasise(entry.shown ? entry.name : null),
                    onblur: emphasise(null),
                },
                inner,
            ),
        );
    }

    shown() {
        return this.entries.filter(entry => !entry.fixed && entry.shown).map(entry => entry.name);
    }

    toggle(name) {
        const shown = this.shown();

        this.onToggle(shown.includes(name) ? shown.filter(other => other !== name) : [...shown, name]);
    }

    toggleAll(on) {
        this.onToggle(on ? this.entries.filter(entry => !entry.fixed).map(entry => entry.name) : []);
    }
}
