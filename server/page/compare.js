/*
 * compare.js - two runs on the images that both have: the difference of each class with its 95 % interval.
 */
import {fill, h, scrolling} from "/page/dom.js";
import {count, number, plural, signed} from "/page/format.js";
import {className} from "/page/evaluation.js";

export class Compare {
    constructor() {
        this.title = h("h3", {id: "compare-title"}, "Comparison");
        this.body = h("div");
        this.element = h(
            "section",
            {class: "card", "aria-labelledby": "compare-title", hidden: true},
            this.title,
            this.body,
        );
    }

    hide() {
        this.element.hidden = true;
    }

    /* The server could not compare: its own words. */
    fail(problem) {
        this.element.hidden = false;
        fill(
            this.body,
            h(
                "p",
                {class: "note", role: "status"},
                problem.status === 404 ? `These runs cannot be compared: ${problem.message}.` : problem.message,
            ),
        );
    }

    /* indexes: Map of class name to index; better: of the score. */
    show(answer, indexes, better) {
        const most = Math.max(
            1e-12,
            ...answer.classes
                .flatMap(row => [row.low, row.high, row.difference])
                .filter(value => typeof value === "number")
                .map(Math.abs),
        );

        this.element.hidden = false;
        fill(
            this.body,
            h(
                "p",
                {class: "facts"},
                h("span", {dir: "auto"}, answer.score),
                ` on the ${plural(answer.images, "image")} that both have at their last steps. `,
                "The difference is ",
                h("b", {dir: "auto"}, answer.head),
                " minus ",
                h("b", {dir: "auto"}, answer.base),
                ".",
            ),
            scrolling("Comparison by class", this.table(answer, indexes, better, most)),
        );
    }

    table(answer, indexes, better, most) {
        return h(
            "table",
            {class: "compare"},
            h("caption", {class: "hidden"}, "Comparison by class"),
            h(
                "thead",
                null,
                h(
                    "tr",
                    null,
                    ["Class", answer.base, answer.head].map((text, i) =>
                        h(
                            "th",
                            {scope: "col", class: i > 0 ? "number" : "", title: text},
                            h("span", {class: "score-name", dir: "auto"}, text),
                        ),
                    ),
                    h("th", {scope: "col", class: "number"}, "difference"),
                    h("th", {scope: "col"}, "95 % interval"),
                    h("th", {scope: "col", class: "number"}, "wins"),
                    h("th", {scope: "col", class: "number"}, "losses"),
                ),
            ),
            h(
                "tbody",
                null,
                answer.classes.map(row =>
                    h(
                        "tr",
                        null,
                        h("th", {scope: "row"}, className(indexes.get(row.class) || 0, row.class)),
                        [row.base, row.head].map(value => h("td", {class: "number"}, told(value))),
                        h(
                            "td",
                            {class: "number " + verdict(row, better)},
                            typeof row.difference === "number" ? signed(row.difference) : "–",
                        ),
                        h("td", {class: "interval-cell"}, interval(row, most, verdict(row, better))),
                        h("td", {class: "number"}, count(row.wins || 0)),
                        h("td", {class: "number"}, count(row.losses || 0)),
                    ),
                ),
            ),
        );
    }
}

const told = value => (typeof value === "number" ? number(value) : "–");

/* Only an interval that leaves out 0 says anything. */
function verdict(row, better) {
    if (typeof row.low !== "number" || typeof row.high !== "number" || (row.low <= 0 && row.high >= 0)) return "";
    return row.low > 0 === (better !== "lower") ? "gain" : "loss";
}

function interval(row, most, word) {
    if (typeof row.low !== "number" || typeof row.high !== "number") return "–";
    const at = value => `${(50 + (50 * value) / most).toFixed(2)}%`;

    return [
        h("span", {class: "hidden"}, `${signed(row.low)} to ${signed(row.high)}`),
        h(
            "span",
            {
                class: `whisker ${word}`,
                "aria-hidden": "true",
                title: `${signed(row.low)} to ${signed(row.high)}`,
                "--low": at(row.low),
                "--high": at(row.high),
                "--middle": at(row.difference),
            },
            h("i"),
            h("b"),
        ),
    ];
}
