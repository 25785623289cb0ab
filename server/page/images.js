/*
 * images.js - the images of an evaluation, the worst first, for a class and a score.
 */
import {fill, h, scrolling, setOptions} from "/page/dom.js";
import {count, number} from "/page/format.js";
import {className} from "/page/evaluation.js";

const ROWS = 20;        /* more with each press of the button */
const MOST_COLUMNS = 8; /* classes beside the chosen one */
const MEAN = "mean";

export class Images {
    constructor() {
        this.choice = h("select", {onchange: () => {
            this.column = this.choice.value;
            this.rows = ROWS;
            this.draw();
        }});
        this.column = MEAN;
        this.rows = ROWS;
        this.title = h("h3", {id: "images-title"}, "Images, worst first");
        this.table = h("div");
        this.element = h("section", {class: "card", "aria-labelledby": "images-title"},
            h("div", {class: "card-head"}, this.title, h("label", null, "by ", this.choice)), this.table);
    }

    /* document: with include=images, of one score; null: it has no values per image. */
    show(document) {
        const score = document && document.scores[0];

        this.document = document && score && score.per_image ? document : null;
        this.score = score;
        this.choice.parentElement.hidden = !this.document || score.per_image.length === 0 || score.per_image[0].length < 2;
        if (this.document && !this.choice.parentElement.hidden) {
            const options = [[MEAN, "the mean of its classes"], ...document.classes.map(row => [String(row.index), row.name])];

            if (!options.some(([value]) => value === this.column))
                this.column = MEAN;
            setOptions(this.choice, options, this.column);
        }
        this.draw();
    }

    draw() {
        if (!this.document) {
            fill(this.table, h("p", {class: "note"}, this.score ? `${this.score.name} has no values per image.` : "Nothing to show."));
            return;
        }
        const sorted = this.sorted(), hidden = sorted.length - this.rows;
        fill(this.table, scrolling("Images, worst first", this.draft(sorted.slice(0, this.rows))),
            hidden > 0 && h("button", {type: "button", class: "quiet", "data-key": "more images", onclick: () => {
                this.rows += 5 * ROWS;
                this.draw();
            }}, `Show more of ${count(hidden)} others`));
    }

    /* [{id, value, row}], undefined ones last: they are neither good nor bad. */
    sorted() {
        const {image_ids: ids} = this.document, sign = this.score.better === "lower" ? -1 : 1;
        const joint = this.choice.parentElement.hidden;
        const images = this.score.per_image.map((row, i) => ({
            id: ids[i], row, value: joint ? row[0] : this.column === MEAN ? mean(row) : row[Number(this.column)],
        }));

        return images.sort((a, b) => (a.value === null) - (b.value === null) || sign * (a.value - b.value) || (a.id < b.id ? -1 : 1));
    }

    draft(images) {
        const {classes} = this.document, joint = this.choice.parentElement.hidden;
        const chosen = this.column === MEAN || joint ? null : classes[Number(this.column)];
        const others = joint ? [] : classes.filter(row => row !== chosen).slice(0, MOST_COLUMNS);
        const shares = images.every(image => image.value === null || (image.value >= 0 && image.value <= 1));

        return h("table", {class: "images"},
            h("caption", {class: "hidden"}, `${this.score.name} of each image, the worst first`),
            h("thead", null, h("tr", null, h("th", {scope: "col"}, "Image"),
                h("th", {scope: "col", "aria-sort": this.score.better === "lower" ? "descending" : "ascending"},
                    chosen ? className(chosen.index, chosen.name) : this.score.name),
                others.map(row => h("th", {scope: "col", class: "number"}, className(row.index, row.name))))),
            h("tbody", null, images.map(image => h("tr", null,
                h("th", {scope: "row", class: "id", dir: "auto"}, image.id),
                h("td", {class: "bar-cell"}, h("span", {class: "number"}, image.value === null ? "–" : number(image.value)),
                    shares && image.value !== null && h("i", {class: "bar", "--share": image.value, "aria-hidden": "true"})),
                others.map(row => h("td", {class: "number" + (image.row[row.index] === null ? " undefined" : "")},
                    image.row[row.index] === null ? "–" : number(image.row[row.index])))))));
    }
}

function mean(row) {
    const defined = row.filter(value => value !== null);

    return defined.length > 0 ? defined.reduce((total, value) => total + value, 0) / defined.length : null;
}
