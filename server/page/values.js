/*
 * values.js - the curves as a table, for those who read rather than look.
 */
import {fill, h, scrolling} from "/page/dom.js";
import {count, moment, number} from "/page/format.js";

const ROWS = 500; /* newest first */

export class Values {
    constructor() {
        this.body = h("div");
        this.element = h(
            "details",
            {class: "values", ontoggle: () => this.draw()},
            h("summary", null, "Curves as a table"),
            this.body,
        );
    }

    /* chart: of model.js; lines: those that are shown. */
    show(chart, lines) {
        this.chart = chart;
        this.lines = lines;
        this.draw();
    }

    draw() {
        if (!this.element.open || !this.chart) return;
        const rows = this.chart.points
            .map((point, at) => ({point, at}))
            .filter(row => row.point !== undefined)
            .reverse();

        fill(
            this.body,
            scrolling(
                "Curves as a table",
                h(
                    "table",
                    null,
                    h("caption", {class: "hidden"}, "Values of the curves, newest first"),
                    h(
                        "thead",
                        null,
                        h(
                            "tr",
                            null,
                            h("th", {scope: "col"}, "Step"),
                            h("th", {scope: "col"}, "Time"),
                            this.lines.map(line => h("th", {scope: "col", class: "number", dir: "auto"}, line.name)),
                        ),
                    ),
                    h(
                        "tbody",
                        null,
                        rows.slice(0, ROWS).map(({point, at}) =>
                            h(
                                "tr",
                                null,
                                h("th", {scope: "row"}, count(point.step)),
                                h("td", null, moment(point.row.time)),
                                this.lines.map(line =>
                                    h(
                                        "td",
                                        {class: "number" + (line.values[at] === null ? " undefined" : "")},
                                        typeof line.values[at] === "number" ? number(line.values[at]) : "–",
                                    ),
                                ),
                            ),
                        ),
                    ),
                ),
            ),
            rows.length > ROWS && h("p", {class: "note"}, `The newest ${count(ROWS)} of ${count(rows.length)}.`),
        );
    }
}
