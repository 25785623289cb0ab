/*
 * confusion.js - the confusion matrix as a heat map that is a table: labels down, predictions across.
 */
import {fill, h, scrolling} from "/page/dom.js";
import {count, percent} from "/page/format.js";
import {className} from "/page/evaluation.js";

export const MOST_CLASSES = 50; /* more make neither a picture nor a table */

const FEW = 8; /* classes whose names fit above their columns */

const SHARES = [
    ["label", "% of the label"],
    ["pred", "% of the prediction"],
    ["voxels", "voxels"],
];

export class Confusion {
    constructor() {
        this.share = "label";
        this.choice = h(
            "select",
            {
                "aria-label": "Numbers of the matrix",
                onchange: event => {
                    this.share = event.target.value;
                    this.draw();
                },
            },
            SHARES.map(([value, text]) => h("option", {value}, text)),
        );
        this.table = h("div");
        this.element = h(
            "section",
            {class: "card", "aria-labelledby": "confusion-title"},
            h("div", {class: "card-head"}, h("h3", {id: "confusion-title"}, "Confusion"), this.choice),
            this.table,
        );
    }

    /* document: with confusion; null: too many classes. */
    show(document) {
        this.document = document;
        this.element.classList.toggle("whole", document !== null && document.classes.length > FEW);
        this.draw();
    }

    draw() {
        const matrix = this.document && this.document.confusion;

        this.choice.hidden = !matrix || matrix.length !== this.document.classes.length || Array.isArray(matrix[0][0]);
        if (!this.document) fill(this.table, h("p", {class: "note"}, `Shown for up to ${MOST_CLASSES} classes.`));
        else if (!matrix) fill(this.table, h("p", {class: "note"}, "These images were stored without the counts."));
        else if (Array.isArray(matrix[0][0]))
            fill(this.table, scrolling("Matrix of the confusion", this.masks(matrix)));
        else
            fill(
                this.table,
                scrolling("Matrix of the confusion", this.heatMap(matrix)),
                h("p", {class: "note"}, "Rows: label. Columns: prediction."),
            );
    }

    heatMap(matrix) {
        const {classes} = this.document;
        const labels = matrix.map(sum),
            preds = classes.map((_, j) => sum(matrix.map(row => row[j])));
        const cell = (voxels, i, j) => {
            const total = this.share === "pred" ? preds[j] : labels[i];
            const share = total > 0 ? voxels / total : 0;
            const text = this.share === "voxels" ? count(voxels) : total > 0 ? percent(share) : "–";

            /* The square root makes small confusions visible. */
            return h(
                "td",
                {
                    class: "number heat" + (i === j ? " right" : "") + (voxels === 0 ? " zero" : ""),
                    "--heat": Math.sqrt(share).toFixed(3),
                    title: `label ${classes[i].name}, predicted ${classes[j].name}: ${count(voxels)} voxels`,
                },
                text,
            );
        };

        return h(
            "table",
            {class: classes.length > FEW ? "confusion many" : "confusion", "--columns": classes.length},
            h("caption", {class: "hidden"}, "Confusion matrix: rows are labels, columns are predictions"),
            h(
                "thead",
                null,
                h(
                    "tr",
                    null,
                    h("th", {scope: "col"}, "Label"),
                    classes.map(row =>
                        h(
                            "th",
                            {scope: "col", class: "number", title: row.name},
                            h("span", {class: "score-name", dir: "auto"}, row.name),
                        ),
                    ),
                ),
            ),
            h(
                "tbody",
                null,
                matrix.map((row, i) =>
                    h(
                        "tr",
                        null,
                        h("th", {scope: "row"}, className(i, classes[i].name)),
                        row.map((voxels, j) => cell(voxels, i, j)),
                    ),
                ),
            ),
        );
    }

    /* Independent masks: four counts per class. */
    masks(matrix) {
        const {classes} = this.document;
        const titles = ["right, outside", "predicted only", "labelled only", "right, inside"];

        return h(
            "table",
            null,
            h("caption", {class: "hidden"}, "Counts of voxels per class"),
            h(
                "thead",
                null,
                h(
                    "tr",
                    null,
                    h("th", {scope: "col"}, "Class"),
                    titles.map(text => h("th", {scope: "col", class: "number"}, text)),
                ),
            ),
            h(
                "tbody",
                null,
                matrix.map((counts, i) =>
                    h(
                        "tr",
                        null,
                        h("th", {scope: "row"}, className(i, classes[i].name)),
                        counts.flat().map(voxels => h("td", {class: "number"}, count(voxels))),
                    ),
                ),
            ),
        );
    }
}

const sum = numbers => numbers.reduce((total, number) => total + number, 0);
