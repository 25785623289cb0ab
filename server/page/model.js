/*
 * model.js - everything that the view of a run draws, gathered for one state (state.js).
 */
import {curves, evaluation, evaluations, runRow} from "/page/data.js";
import {classStyle} from "/page/colours.js";
import {link} from "/page/state.js";

const NOTHING = {steps: [], classes: new Map()};
const MEAN_STYLE = {variable: "--text", dash: []};
const OTHER_DASH = [5, 5];

export const MEAN = "all classes";

/* The curves of a score; where the server refuses them, the mean is drawn without. */
async function classCurves(run, split, score) {
    try {
        return score === undefined ? NOTHING : await curves(run, split, score);
    } catch (problem) {
        if (problem.status === undefined) throw problem; /* no answer at all */
        return {...NOTHING, problem};
    }
}

const choose = (wanted, list, otherwise) => (list.includes(wanted) ? wanted : otherwise);

/* In the order of the newest evaluation; others follow. */
function scoreNames(rows) {
    const names = new Set();

    for (const row of rows.toReversed()) for (const name of Object.keys(row.scores)) names.add(name);
    return [...names];
}

function newestSplit(rows, splits) {
    const newest = rows.reduce((best, row) => (best === null || row.time > best.time ? row : best), null);

    return splits.includes("val") ? "val" : newest === null ? splits[0] : newest.split;
}

/* before: the model that was shown, or null.  It is the answer when nothing changed: a run's row tells when its last
 * part came, so that one small question is enough while nothing comes. */
export async function loadModel(state, before) {
    const again = before !== null && before.state.run === state.run ? before : null;
    const [row, otherRow] = await Promise.all([
        runRow(state.run),
        state.with === null ? null : runRow(state.with).catch(refusal),
    ]);

    if (again !== null && again.row === row && same(again.other, otherRow) && link(again.state) === link(state))
        return again;
    const all =
        again !== null && again.row === row ? again.all : await evaluations(state.run, again === null ? [] : again.all);
    const split = choose(state.split, row.splits, newestSplit(all, row.splits));
    const rows = all.filter(each => each.split === split);
    const scores = scoreNames(rows);
    const score = choose(state.score, scores, choose("dice", scores, scores[0]));
    const last = rows.length > 0 ? rows[rows.length - 1].step : null;
    const step = rows.some(each => each.step === state.step) ? state.step : last;
    const [series, document, other] = await Promise.all([
        classCurves(state.run, split, score),
        step === null ? null : evaluation(state.run, split, step),
        otherRow === null ? null : loadOther(state.with, otherRow, split, score),
    ]);

    return {state, row, all, split, rows, scores, score, step, isLast: step === last, series, document, other};
}

/* What the server refused is shown; no answer at all is not. */
function refusal(problem) {
    if (problem.status === undefined) throw problem;
    return {problem};
}

const same = (other, row) => (other === null ? row === null : row !== null && !row.problem && other.row === row);

/* The run to compare with; {problem} when it is not there. */
async function loadOther(run, row, split, score) {
    if (row.problem) return {run, rows: [], series: NOTHING, problem: row.problem};
    const rows = (await evaluations(run, [])).filter(each => each.split === split);
    return {run, row, rows, series: await classCurves(run, split, score)};
}

/* Names of all classes, in the order of their index; those that only earlier evaluations had follow. */
export function classNames(model) {
    const names = new Set(model.document === null ? [] : model.document.classes.map(row => row.name));

    for (const name of model.series.classes.keys()) names.add(name);
    return [...names];
}

export function scoreOf(model) {
    return model.document === null ? undefined : model.document.scores.find(row => row.name === model.score);
}

/* Classes of which the chosen score says something, in order. */
export function scoredClasses(model) {
    const score = scoreOf(model);

    return score !== undefined && score.per_class === undefined && model.series.classes.size === 0
        ? []
        : classNames(model);
}

/* Where one run has points: Map of x to {step, row, at (in its series) or undefined}. */
function pointsOf(rows, series, isTime) {
    const at = new Map(series.steps.map((step, i) => [step, i]));
    const points = new Map();

    for (const row of at.size > 0 ? rows.filter(each => at.has(each.step)) : rows) {
        let x = isTime ? Date.parse(row.time) : row.step;

        while (points.has(x)) x++; /* of the same millisecond, one after the other */
        points.set(x, {step: row.step, row, at: at.get(row.step)});
    }
    return points;
}

/* A value where there is one, null where it is undefined, undefined where the run has no point. */
function classValues(x, points, values) {
    return x.map(each => {
        const point = points.get(each);

        return point === undefined || point.at === undefined ? undefined : values[point.at];
    });
}

function meanValues(x, points, score) {
    return x.map(each => {
        const point = points.get(each);

        if (point === undefined) return undefined;
        return typeof point.row.scores[score] === "number" ? point.row.scores[score] : null;
    });
}

const told = values => values.some(value => typeof value === "number");

/* What is defined nowhere is no line. */
function linesOf(x, points, series, score, names, other) {
    const lines = names
        .map((name, index) => ({name, index, ...classStyle(index, name), width: 1.75}))
        .filter(line => series.classes.has(line.name))
        .map(line => ({...line, other, values: classValues(x, points, series.classes.get(line.name))}))
        .filter(line => told(line.values));
    const mean = meanValues(x, points, score);

    if (told(mean) || lines.length === 0)
        lines.push({name: MEAN, index: null, ...MEAN_STYLE, width: 2.5, other, values: mean});
    return other ? lines.map(line => ({...line, dash: OTHER_DASH, width: line.width - 0.5})) : lines;
}

/* {x, isTime, points (of the run itself, one per x or undefined), lines, others (of the other run)}. */
export function chart(model) {
    const isTime = model.state.x === "time";
    const mine = pointsOf(model.rows, model.series, isTime);
    const theirs = model.other === null ? new Map() : pointsOf(model.other.rows, model.other.series, isTime);
    const x = [...new Set([...mine.keys(), ...theirs.keys()])].sort((a, b) => a - b);
    const names = classNames(model);

    const points = x.map(each => mine.get(each)),
        mark = points.findIndex(point => point !== undefined && point.step === model.step);

    return {
        x,
        isTime,
        points,
        mark: mark < 0 ? null : x[mark],
        lines: linesOf(x, mine, model.series, model.score, names, false),
        others: model.other === null ? [] : linesOf(x, theirs, model.other.series, model.score, names, true),
    };
}

export const meanStyle = MEAN_STYLE;
