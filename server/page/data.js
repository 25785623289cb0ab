/*
 * data.js - what the page asks the server for: a run, its evaluations, its curves, one evaluation.
 */
import {get, runPath} from "/page/api.js";

const ROWS = 1000; /* of one answer: the most that the server gives */
const PAGES = 20;

export const runRow = run => get(runPath(run));

const key = row => `${row.step} ${row.split}`;

/* All evaluations of a run, by step; known: what an earlier call gave.  Of a long run, only the newest are asked for
 * again. */
export async function evaluations(run, known) {
    const more = known.length >= ROWS;
    const rows = new Map(more ? known.map(row => [key(row), row]) : []);
    let cursor = null;

    for (let page = 0; page < PAGES; page++) {
        const answer = await get(`${runPath(run)}/evaluations`, {limit: ROWS, cursor});

        for (const row of answer.evaluations) rows.set(key(row), row);
        cursor = answer.next;
        if (cursor === null || more) break;
    }
    return [...rows.values()].sort((a, b) => a.step - b.step);
}

/* Where dashboards may send macros and lists, braces around a name that looks like one make it a name. */
const literal = name => (name !== null && /^[${]/.test(name) ? `{${name}}` : name);

/* The curves of a score: {steps: ascending, classes: Map of name to values in the order of steps}.  The long shape has
 * classes as values, so that none is mistaken for a column. */
export async function curves(run, split, score) {
    const answer = await get("/v1/grafana/series", {run: literal(run), split, score, x: "step"});
    const steps = [...new Set(answer.rows.map(row => row.step))];
    const at = new Map(steps.map((step, i) => [step, i]));
    const classes = new Map();

    for (const row of answer.rows) {
        if (!classes.has(row.class)) classes.set(row.class, new Array(steps.length));
        classes.get(row.class)[at.get(row.step)] = row.Value;
    }
    return {steps, classes};
}

/* more: include=…, scores=… */
export const evaluation = (run, split, step, more) => get("/v1/evaluations", {run, split, step, ...more});

/* A score of a document, as the parameter scores= asks for it. */
export const asked = score =>
    score.name === score.expression ? score.expression : `${score.name}:${score.expression}`;

/* The worst images of an evaluation for a score, and for a class unless it is null: [{image, class, Value, reason}]. */
export const worstImages = (run, split, step, score, name, limit) =>
    get("/v1/grafana/images", {run: literal(run), split, step, score, class: literal(name), limit});

/* Why a score is undefined at a step: Map of class name to the server's word for the reason. */
export async function reasons(run, split, step, score) {
    const document = await evaluation(run, split, step);
    const of = document.scores.find(row => row.name === score);
    const words = new Map();

    for (const entry of (of && of.undefined) || []) words.set(document.classes[entry.class].name, entry.reason);
    return words;
}
