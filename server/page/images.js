/*
 * images.js - the images of an evaluation, the worst first, for the chosen score and a class.
 */
import {fill, h, scrolling, setOptions} from "/page/dom.js";
import {count, number, reason} from "/page/format.js";
import {className} from "/page/evaluation.js";

const ROWS = 10; /* at first */
const MORE = 100; /* with each press of the button */
const MOST = 1000; /* that the server gives */
const ANY = "\t"; /* the choice of any class: names hold no control character */

export class Images {
    constructor() {
        this.choice = h("select", {
            onchange: () => {
                this.rows = ROWS;
                this.refresh();
            },
        });
        this.rows = ROWS;
        this.label = h("label", null, "of", this.choice);
        this.table = h("div");
        this.element = h(
            "section",
            {class: "card", "aria-labelledby": "images-title"},
            h("div", {class: "card-head"}, h("h3", {id: "images-title"}, "Images, worst first"), this.label),
            this.table,
        );
    }

    /* asking: {names of classes, score, ask(class or null, limit), isCurrent()}. */
    async show(asking) {
        const chosen = asking.names.includes(this.choice.value) ? this.choice.value : ANY;

        this.asking = asking;
        setOptions(this.choice, [[ANY, "any class"], ...asking.names.map(name => [name, name])], chosen);
        this.label.hidden = asking.names.length < 2;
        await this.refresh();
    }

    async refresh() {
        const {asking} = this,
            name = this.choice.value === ANY ? null : this.choice.value;

        try {
            const answer = await asking.ask(name, this.rows);
            if (
                asking === this.asking &&
                asking.isCurrent() &&
                name === (this.choice.value === ANY ? null : this.choice.value)
            )
                this.draw(answer);
        } catch (problem) {
            if (problem.status === undefined) throw problem;
            fill(this.table, h("p", {class: "note"}, problem.message));
        }
    }

    draw({rows, meta}) {
        if (rows.length === 0) {
            fill(this.table, h("p", {class: "note"}, `${this.asking.score.name} has no values per image.`));
            return;
        }
        fill(
            this.table,
            scrolling("Table of images", this.makeTable(rows)),
            meta.truncated &&
                this.rows < MOST &&
                h(
                    "button",
                    {
                        type: "button",
                        class: "quiet",
                        "data-key": "more images",
                        onclick: () => {
                            this.rows = Math.min(MOST, this.rows + MORE);
                            this.refresh();
                        },
                    },
                    `Show more of ${count(meta.found)}`,
                ),
        );
    }

    makeTable(rows) {
        const {score, names} = this.asking,
            hasClass = rows.some(row => typeof row.class === "string");
        const shares = rows.every(row => row.Value === null || (row.Value >= 0 && row.Value <= 1));

        return h(
            "table",
            {class: "images"},
            h("caption", {class: "hidden"}, `${score.name} of each image, the worst first`),
            h(
                "thead",
                null,
                h(
                    "tr",
                    null,
                    h("th", {scope: "col"}, "Image"),
                    hasClass && h("th", {scope: "col"}, "Class"),
                    h(
                        "th",
                        {scope: "col", "aria-sort": score.better === "lower" ? "descending" : "ascending"},
                        h("span", {class: "score-name", dir: "auto"}, score.name),
                    ),
                ),
            ),
            h(
                "tbody",
                null,
                rows.map(row =>
                    h(
                        "tr",
                        null,
                        h("th", {scope: "row"}, h("span", {class: "id", dir: "auto", title: row.image}, row.image)),
                        hasClass && h("td", null, className(names.indexOf(row.class), row.class)),
                        h(
                            "td",
                            {class: "bar-cell"},
                            row.Value === null
                                ? h("span", {class: "why"}, reason(row.reason || "undefined"))
                                : [
                                      h("span", {class: "number"}, number(row.Value)),
                                      shares && h("i", {class: "bar", "--share": row.Value, "aria-hidden": "true"}),
                                  ],
                        ),
                    ),
                ),
            ),
        );
    }
}
