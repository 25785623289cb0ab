/*
 * evaluation.js - one evaluation in numbers: every score of every class, and what was counted.
 */
import {fill, h, scrolling} from "/page/dom.js";
import {count, number, plural, reason, value} from "/page/format.js";
import {classStyle} from "/page/colours.js";
import {swatch} from "/page/legend.js";
import {MEAN} from "/page/model.js";

const MOST_CLASSES = 200; /* rows of the table until more are asked for */

const ARROWS = {higher: " ↑", lower: " ↓", neither: ""};

export const className = (index, name) => [
    swatch(classStyle(index, name)),
    h("span", {class: "name", dir: "auto"}, name),
];

export class Evaluation {
    constructor() {
        this.facts = h("p", {class: "facts"});
        this.table = h("div");
        this.notes = h("div", {class: "notes"});
        this.element = h(
            "section",
            {class: "card", "aria-labelledby": "scores-title"},
            h("h3", {id: "scores-title"}, "Scores"),
            this.facts,
            this.table,
            this.notes,
        );
        this.all = false;
    }

    show(document) {
        this.document = document;
        fill(
            this.facts,
            [
                plural(document.images, "image"),
                plural(document.voxels, "voxel"),
                document.ignored > 0 && `${count(document.ignored)} not scored`,
                parts(document.evaluation),
            ]
                .filter(Boolean)
                .join(" · "),
        );
        fill(this.table, scrolling("Scores of each class", this.draw()));
        fill(this.notes, this.more(), warnings(document), undefinedNotes(document));
    }

    draw() {
        const {classes, scores} = this.document;
        const rows = this.all ? classes : classes.slice(0, MOST_CLASSES);

        return h(
            "table",
            null,
            h("caption", {class: "hidden"}, "Scores of each class"),
            h(
                "thead",
                null,
                h(
                    "tr",
                    null,
                    h("th", {scope: "col"}, "Class"),
                    scores.map(score =>
                        h(
                            "th",
                            {scope: "col", class: "number", title: score.expression},
                            h("span", {class: "score-name", dir: "auto"}, score.name),
                            ARROWS[score.better] || "",
                        ),
                    ),
                    h("th", {scope: "col", class: "number apart"}, "label voxels"),
                    h("th", {scope: "col", class: "number"}, "predicted"),
                ),
            ),
            h(
                "tbody",
                null,
                h(
                    "tr",
                    {class: "mean"},
                    h("th", {scope: "row"}, MEAN),
                    scores.map(score => valueCell(score.value, score.reason)),
                    h("td", {class: "apart"}),
                    h("td"),
                ),
                rows.map(row =>
                    h(
                        "tr",
                        null,
                        h("th", {scope: "row"}, className(row.index, row.name)),
                        scores.map(score => classCell(score, row.index)),
                        h("td", {class: "number apart"}, count(row.label_voxels)),
                        h("td", {class: "number"}, count(row.pred_voxels)),
                    ),
                ),
            ),
        );
    }

    more() {
        const hidden = this.document.classes.length - MOST_CLASSES;

        return (
            !this.all &&
            hidden > 0 &&
            h(
                "button",
                {
                    type: "button",
                    class: "quiet",
                    onclick: () => {
                        this.all = true;
                        this.show(this.document);
                    },
                },
                `Show ${count(hidden)} more classes`,
            )
        );
    }
}

function parts(evaluation) {
    const {parts_received: received, parts_expected: expected} = evaluation;

    if (expected === null) return received > 1 && `${count(received)} parts`;
    return `${count(received)} of ${count(expected)} parts` + (evaluation.complete ? "" : ", still coming");
}

function valueCell(of, word) {
    if (of === null || of === undefined) return h("td", {class: "number undefined", title: word && reason(word)}, "–");
    return h(
        "td",
        {class: "number", title: typeof of === "number" ? of : null},
        typeof of === "number" ? number(of) : h("span", {class: "list"}, value(of)),
    );
}

function classCell(score, index) {
    const entry = (score.undefined || []).find(row => row.class === index);

    return valueCell(
        score.per_class ? score.per_class[index] : null,
        entry ? entry.reason : score.per_class && "not_chosen",
    );
}

function warnings(document) {
    return document.warnings.map(warning =>
        h(
            "p",
            {class: "warning"},
            `${warning.tensor}: ${warning.text} (${count(warning.count)} times, first at ${count(warning.index)})`,
        ),
    );
}

/* The reasons of all "–", each once: "absent from label and prediction: tumour (dice, iou)". */
function undefinedNotes(document) {
    const groups = new Map();

    for (const score of document.scores) {
        for (const entry of score.undefined || []) {
            const of = groups.get(entry.reason) || groups.set(entry.reason, new Map()).get(entry.reason);
            const name = document.classes[entry.class].name;

            of.set(name, [...(of.get(name) || []), score.name]);
        }
    }
    return (
        groups.size > 0 &&
        h(
            "dl",
            {class: "undefined-notes"},
            [...groups].map(([word, classes]) => [
                h("dt", null, `– ${reason(word)}`),
                [...classes]
                    .slice(0, 20)
                    .map(([name, scores]) => h("dd", {dir: "auto"}, `${name}: ${scores.join(", ")}`)),
                classes.size > 20 && h("dd", null, `and ${count(classes.size - 20)} more classes`),
            ]),
        )
    );
}
