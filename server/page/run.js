/*
 * run.js - one run: what it is, its curves, one of its evaluations, and another run beside it.
 */
import {fill, h, setOptions} from "/page/dom.js";
import {ago, count, moment, number, plural, reason} from "/page/format.js";
import {change} from "/page/state.js";
import {classStyle} from "/page/colours.js";
import {get} from "/page/api.js";
import {asked, evaluation, reasons, worstImages} from "/page/data.js";
import {chart, loadModel, MEAN, meanStyle, scoredClasses, scoreOf} from "/page/model.js";
import {tags} from "/page/runs.js";
import {Compare} from "/page/compare.js";
import {Confusion, MOST_CLASSES} from "/page/confusion.js";
import {Curves} from "/page/curves.js";
import {Evaluation} from "/page/evaluation.js";
import {Images} from "/page/images.js";
import {Legend} from "/page/legend.js";
import {Values} from "/page/values.js";

const SHOWN_AT_FIRST = 8; /* classes; of more, the worst */
const MOST_STEPS = 500; /* in the list of steps */
const WHY_AFTER = 150; /* ms that the cursor rests at a gap before its reason is asked for */
const NO_RUN = "\t"; /* the choice of no run: names hold no control character */

export class RunView {
    /* others(): rows of the runs that may be compared with. */
    constructor(container, others) {
        this.container = container;
        this.others = others;
        this.turn = 0;
        this.reset();
        this.makeParts();
        this.body = this.makeBody();
    }

    /* Forgets what belongs to one run. */
    reset() {
        this.model = null;
        this.whole = false; /* all of the model is drawn */
        this.gaps = new Map(); /* step -> Map of class name to reason */
        this.first = {key: "", names: []};
    }

    makeParts() {
        this.head = h("div", {class: "run-head"});
        this.error = h("p", {class: "warning", role: "alert", hidden: true});
        this.curves = new Curves({
            onMove: () => this.drawLegend(),
            onPick: at => this.pick(this.chart.points[at]),
            why: (line, at) => this.why(line.name, at),
        });
        this.legend = new Legend({
            onToggle: names => change({classes: this.names.filter(name => names.includes(name))}),
            onEmphasise: name =>
                this.curves.emphasise(name === null ? null : this.lines.findIndex(line => line.name === name)),
        });
        this.values = new Values();
        this.evaluation = new Evaluation();
        this.confusion = new Confusion();
        this.images = new Images();
        this.compare = new Compare();
    }

    makeBody() {
        const button = (text, label, by) =>
            h("button", {type: "button", class: "quiet", "aria-label": label, onclick: () => this.go(by)}, text);

        this.title = h("h3", null);
        this.note = h("p", {class: "note", role: "status"});
        this.when = h("p", {class: "facts"});
        this.step = h("select", {
            "aria-label": "Step of the evaluation",
            onchange: event => change({step: event.target.value || null}),
        });
        this.earlier = button("‹", "Earlier step", -1);
        this.later = button("›", "Later step", 1);
        return h(
            "div",
            {class: "run-body"},
            this.makeToolbar(),
            h(
                "section",
                {class: "card", "aria-label": "Curves"},
                h("div", {class: "card-head"}, this.title, this.makeAxis()),
                h("div", {class: "curves-and-legend"}, this.curves.element, this.legend.element),
                this.note,
                this.values.element,
            ),
            this.compare.element,
            (this.evaluationParts = h(
                "div",
                {class: "run-body"},
                h(
                    "div",
                    {class: "evaluation-head"},
                    h("h2", null, "Evaluation"),
                    h("span", {class: "buttons"}, this.earlier, this.step, this.later),
                    this.when,
                ),
                this.evaluation.element,
                h("div", {class: "two"}, this.confusion.element, this.images.element),
            )),
        );
    }

    makeToolbar() {
        const select = changes => h("select", {onchange: event => change(changes(event.target.value))});

        this.split = select(split => ({split, step: null}));
        this.score = select(score => ({score}));
        this.with = select(run => ({with: run === NO_RUN ? null : run}));
        return h(
            "div",
            {class: "toolbar", role: "group", "aria-label": "What is shown"},
            h("label", null, "Split", this.split),
            h("label", null, "Score", this.score),
            h("label", null, "Compare with", this.with),
        );
    }

    makeAxis() {
        this.axis = ["step", "time"].map(name =>
            h("input", {type: "radio", name: "x", value: name, onchange: () => change({x: name})}),
        );
        return h(
            "fieldset",
            {class: "segments"},
            h("legend", {class: "hidden"}, "Horizontal axis"),
            this.axis.map(input => h("label", null, input, h("span", null, input.value))),
        );
    }

    /* ------------------------------------------------------------------ loading */

    /* Shows this state.  True: something is new since the last time.  No answer at all is the caller's affair. */
    async show(state) {
        const turn = ++this.turn,
            current = () => turn === this.turn;

        if (this.model === null || this.model.state.run !== state.run) this.reset();
        try {
            const model = await loadModel(state, this.whole ? this.model : null);
            if (!current()) return false;
            this.error.hidden = true;
            if (model === this.model) {
                this.drawHead();
                return false;
            }
            this.model = model;
            this.whole = false;
            this.gaps.clear();
            this.draw();
            await Promise.all([this.loadDetails(model, current), this.loadComparison(model, current)]);
            this.whole = current();
            return true;
        } catch (problem) {
            if (problem.status === undefined) throw problem;
            if (current()) this.fail(state, problem);
            return false;
        }
    }

    fail(state, problem) {
        const text = problem.status === 404 ? "This run is not here, or not any more." : problem.message;

        if (problem.status !== 404 && this.model !== null) {
            this.error.textContent = text;
            this.error.hidden = false;
            return;
        }
        this.reset();
        if (this.refusal && this.refusal.parentElement === this.container && this.refused === `${state.run}\n${text}`)
            return; /* it is said already */
        this.refused = `${state.run}\n${text}`;
        this.refusal = h(
            "div",
            {class: "card empty"},
            h("h2", {class: "run-name", dir: "auto"}, state.run),
            h("p", {role: "status"}, text),
            h("p", null, h("a", {href: "#"}, "All runs")),
        );
        fill(this.container, this.refusal);
    }

    async loadDetails(model, current) {
        const {document} = model,
            score = scoreOf(model),
            any = score || (document && document.scores[0]);
        const ask = more => evaluation(model.state.run, model.split, model.step, more);

        if (!any) return;
        const [confusion] = await Promise.all([
            document.classes.length <= MOST_CLASSES ? ask({include: "confusion", scores: asked(any)}) : null,
            this.images.show({
                names: this.names,
                score: score || any,
                isCurrent: current,
                ask: (name, limit) => worstImages(model.state.run, model.split, model.step, model.score, name, limit),
            }),
        ]);
        if (current()) this.confusion.show(confusion);
    }

    async loadComparison(model, current) {
        const {other, state, split, score} = model;

        if (other === null) return this.compare.hide();
        try {
            if (other.problem) throw other.problem;
            const answer = await get("/v1/compare", {base: state.with, head: state.run, split, score});
            if (current())
                this.compare.show(
                    answer,
                    new Map(this.names.map((name, index) => [name, index])),
                    (scoreOf(model) || {}).better,
                );
        } catch (problem) {
            if (problem.status === undefined) throw problem;
            if (current()) this.compare.fail(problem);
        }
    }

    /* ------------------------------------------------------------------ drawing */

    draw() {
        if (this.body.parentElement !== this.container) fill(this.container, this.head, this.error, this.body);
        this.names = scoredClasses(this.model);
        this.drawHead();
        this.drawToolbar();
        this.drawCurves();
        this.evaluationParts.hidden = this.model.document === null;
        if (this.model.document !== null) {
            this.drawSteps();
            this.evaluation.show(this.model.document);
        }
    }

    drawHead() {
        const {row} = this.model;
        const steps =
            row.first_step === row.last_step
                ? `step ${count(row.last_step)}`
                : `steps ${count(row.first_step)} to ${count(row.last_step)}`;

        if (this.headRow !== row)
            fill(
                this.head,
                h("a", {href: "#", class: "back", "data-key": "back"}, "‹ Runs"),
                h("h2", {class: "run-name", dir: "auto"}, row.run),
                h(
                    "p",
                    {class: "facts"},
                    [plural(row.evaluations, "evaluation"), steps, row.splits.join(", ")].join(" · "),
                    " · updated ",
                    (this.updated = h("time", {datetime: row.updated, title: moment(row.updated)})),
                ),
                h("p", {class: "tags"}, tags(row)),
            );
        this.headRow = row;
        this.updated.textContent = ago(row.updated);
    }

    drawToolbar() {
        const {row, split, scores, score, state} = this.model;
        const runs = this.others()
            .map(each => each.run)
            .filter(name => name !== state.run);

        if (state.with !== null && !runs.includes(state.with)) runs.unshift(state.with);
        setOptions(
            this.split,
            row.splits.map(name => [name, name]),
            split,
        );
        setOptions(
            this.score,
            scores.map(name => [name, name]),
            score,
        );
        setOptions(
            this.with,
            [[NO_RUN, "no other run"], ...runs.map(name => [name, name])],
            state.with === null ? NO_RUN : state.with,
        );
        for (const input of this.axis) input.checked = input.value === state.x;
    }

    /* The classes that the state names, or the first choice, which stays while the curves grow. */
    shown() {
        const {state, split, score} = this.model;
        const key = [state.run, split, score, ...this.names].join("\n");

        if (state.classes !== null) return state.classes;
        if (this.first.key !== key) this.first = {key, names: this.worst()};
        return this.first.names;
    }

    worst() {
        const score = scoreOf(this.model),
            sign = score && score.better === "lower" ? -1 : 1;
        const value = name => {
            const index = this.names.indexOf(name),
                of = score && score.per_class ? score.per_class[index] : null;
            return typeof of === "number" ? sign * of : Infinity;
        };

        return this.names.length <= SHOWN_AT_FIRST
            ? this.names
            : this.names.toSorted((a, b) => value(a) - value(b)).slice(0, SHOWN_AT_FIRST);
    }

    drawCurves() {
        const {series, score} = this.model,
            better = (scoreOf(this.model) || {}).better;
        const shown = this.shown(),
            all = chart(this.model);
        const visible = line => line.index === null || shown.includes(line.name);

        this.chart = all;
        this.lines = all.lines.filter(visible);
        this.otherLines = all.others.filter(visible);
        fill(
            this.title,
            score === undefined ? "No scores" : h("span", {dir: "auto"}, score),
            better === "higher" || better === "lower" ? h("span", {class: "better"}, `${better} is better`) : null,
        );
        this.drawNote(series.problem);
        this.curves.show({
            ...all,
            lines: [
                ...this.lines,
                ...this.otherLines.map(line => ({
                    ...line,
                    name: `${line.name} of ${this.model.other.run}`,
                    quiet: true,
                })),
            ],
        });
        this.values.show(all, this.lines);
        this.drawLegend();
    }

    drawNote(problem) {
        const gaps = this.lines.some(line => line.values.includes(null));
        const text = [
            problem && `The curves of classes cannot be had: ${problem.message}.`,
            this.otherLines.length > 0 && `Dashed: ${this.model.other.run}.`,
            gaps && "× undefined: point at it for the reason.",
        ]
            .filter(Boolean)
            .join(" ");

        if (this.note.textContent !== text) this.note.textContent = text;
    }

    /* The point that the cursor is at, or the evaluation that is shown below. */
    pointAt() {
        const {x, points} = this.chart;

        if (this.curves.at !== null && this.curves.at < x.length) return this.curves.at;
        return points.findIndex(point => point !== undefined && point.step === this.model.step);
    }

    drawLegend() {
        if (this.model === null || !this.chart) return;
        const at = this.pointAt(),
            point = this.chart.points[at],
            shown = this.shown();
        const entries = this.names.map((name, index) =>
            this.entry(name, classStyle(index, name), at, shown.includes(name)),
        );
        const mean = this.chart.lines.find(line => line.name === MEAN);

        if (mean) entries.unshift({...this.entry(MEAN, meanStyle, at, true), fixed: true});
        this.legend.show(
            at < 0 ? "" : this.chart.isTime ? moment(this.chart.x[at]) : `step ${count(this.chart.x[at])}`,
            entries,
        );
        if (point !== undefined && entries.some(entry => entry.undefined)) this.askWhy(point.step);
    }

    entry(name, style, at, shown) {
        const line = this.chart.lines.find(each => each.name === name);
        const other = this.chart.others.find(each => each.name === name);
        const of = line === undefined ? null : line.values[at];
        const entry = {
            name,
            style,
            shown,
            undefined: of === null,
            text: typeof of === "number" ? number(of) : of === null ? this.why(name, at) : "",
        };

        if (this.model.other !== null) entry.other = other === undefined ? "" : latest(other.values, at);
        return entry;
    }

    /* ------------------------------------------------------------------ gaps */

    why(name, at) {
        const point = this.chart.points[at],
            known = point && this.gaps.get(point.step);

        return known === undefined ? "undefined" : reason(known.get(name) || "not_chosen");
    }

    /* The reason of a gap is in its evaluation; it is asked for when somebody looks. */
    askWhy(step) {
        const {model} = this;

        if (this.gaps.has(step)) return;
        clearTimeout(this.asking);
        this.asking = setTimeout(async () => {
            const words = await reasons(model.state.run, model.split, step, model.score).catch(() => null);
            if (model !== this.model || words === null) return;
            this.gaps.set(step, words);
            this.drawLegend();
            this.curves.describe();
        }, WHY_AFTER);
    }

    /* ------------------------------------------------------------------ steps */

    drawSteps() {
        const {rows, step, isLast, state, document} = this.model;
        const row = rows.find(each => each.step === step),
            at = rows.indexOf(row);
        const around = rows
            .slice(Math.max(0, Math.min(at - MOST_STEPS / 2, rows.length - MOST_STEPS)), undefined)
            .slice(0, MOST_STEPS);

        setOptions(
            this.step,
            [["", "the last step"], ...around.map(each => [String(each.step), `step ${count(each.step)}`]).reverse()],
            state.step === null ? "" : String(step),
        );
        this.earlier.disabled = at <= 0;
        this.later.disabled = isLast;
        fill(this.when, `step ${count(document.evaluation.step)}, `, h("time", {datetime: row.time}, moment(row.time)));
    }

    go(by) {
        const {rows, step} = this.model;

        this.pick(rows[rows.findIndex(row => row.step === step) + by]);
    }

    /* The last step is not named, so that the next one takes its place. */
    pick(point) {
        const {rows} = this.model;

        if (point !== undefined) change({step: point.step === rows[rows.length - 1].step ? null : point.step});
    }

    recolour() {
        this.curves.recolour();
    }
}

const latest = (values, at) => {
    for (let i = at < 0 ? values.length - 1 : at; i >= 0; i--)
        if (typeof values[i] === "number") return number(values[i]);
    return "–";
};
