/*
 * runs.js - the list of runs: newest first, searched by name and tag, page after page.
 */
import {get} from "/page/api.js";
import {arrowKeys, fill, h} from "/page/dom.js";
import {ago, count, plural} from "/page/format.js";
import {link} from "/page/state.js";

const PAGE = 100;
const LIVE = 60000; /* ms: a run that got something within it is going on */

export class RunList {
    constructor(container) {
        this.pages = []; /* answers of GET /v1/runs */
        this.current = null;
        this.search = h("input", {
            type: "search",
            placeholder: "Search runs and tags",
            "aria-label": "Search runs and tags",
            autocomplete: "off",
            spellcheck: "false",
            oninput: () => this.find(),
        });
        this.list = h("ul", {class: "run-list"});
        this.note = h("p", {class: "note", role: "status"});
        this.more = h(
            "button",
            {type: "button", class: "quiet wide", onclick: () => this.loadMore()},
            "Show older runs",
        );
        arrowKeys(this.list, "a");
        this.search.addEventListener("keydown", event => {
            if (event.key === "ArrowDown" && this.list.querySelector("a")) {
                event.preventDefault();
                this.list.querySelector("a").focus();
            }
        });
        fill(container, h("h2", {class: "hidden"}, "Runs"), this.search, this.list, this.note, this.more);
    }

    runs() {
        const seen = new Set();

        /* A run that moved to the front while older pages were loaded is in two of them. */
        return this.pages.flatMap(page => page.runs).filter(row => !seen.has(row.run) && seen.add(row.run));
    }

    /* The first page; older ones that were shown stay.  True: there is something to show. */
    async refresh() {
        const first = await get("/v1/runs", {limit: PAGE});

        if (first !== this.pages[0]) {
            this.pages = first.next === null ? [first] : [first, ...this.pages.slice(1)];
            this.draw();
        }
        return this.pages[0].runs.length > 0;
    }

    async loadMore() {
        const last = this.pages[this.pages.length - 1];

        this.pages.push(await get("/v1/runs", {limit: PAGE, cursor: last.next}));
        this.draw();
    }

    /* Searching looks at all runs, so the older pages are loaded first. */
    async find() {
        this.draw();
        if (this.searching) return;
        this.searching = true;
        try {
            while (this.search.value !== "" && this.pages.length > 0 && this.next() !== null) await this.loadMore();
        } catch (problem) {
            this.note.textContent = problem.message;
        }
        this.searching = false;
    }

    next() {
        return this.pages[this.pages.length - 1].next;
    }

    show(current) {
        if (current !== this.current) {
            this.current = current;
            this.draw();
        }
    }

    draw() {
        if (this.pages.length === 0) return;
        const words = this.search.value
            .toLowerCase()
            .split(/\s+/)
            .filter(word => word !== "");
        const all = this.runs();
        const found = all.filter(row => {
            const text = [row.run, ...tagTexts(row)].join(" ").toLowerCase();
            return words.every(word => text.includes(word));
        });

        fill(
            this.list,
            found.map(row => this.item(row)),
        );
        this.more.hidden = this.next() === null;
        this.note.textContent = words.length > 0 ? `${count(found.length)} of ${plural(all.length, "run")}` : "";
    }

    item(row) {
        const live = Date.now() - Date.parse(row.updated) < LIVE;

        return h(
            "li",
            null,
            h(
                "a",
                {
                    href: link({run: row.run}),
                    "data-key": `run ${row.run}`,
                    "aria-current": row.run === this.current ? "page" : null,
                },
                h("span", {class: "name", dir: "auto"}, row.run),
                h(
                    "span",
                    {class: "facts"},
                    live && h("span", {class: "live"}, "live"),
                    `step ${count(row.last_step)} · ${ago(row.updated)}`,
                ),
                tagTexts(row).length > 0 && h("span", {class: "tags"}, tags(row)),
            ),
        );
    }
}

function tagTexts(row) {
    return Object.entries(row.tags || {}).map(([key, value]) => (value === "" ? key : `${key}: ${value}`));
}

export function tags(row) {
    return tagTexts(row).map(text => h("span", {class: "tag", dir: "auto"}, text));
}
