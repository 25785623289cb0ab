/*
 * api.js - asks the server, and remembers what it said: an answer that did not change costs a 304 without a body.
 */

import {keptToken} from "/page/kept.js";

const MOST = 200; /* answers remembered */
const PATIENCE = 30000; /* ms */
const answers = new Map(); /* address -> {etag, data} */

/* What the server refused, with its own words. */
export class Problem extends Error {
    constructor(status, detail) {
        super(detail);
        this.status = status;
    }
}

/* There was no answer. */
export class Silence extends Error {}

export function address(path, parameters) {
    const query = new URLSearchParams();

    for (const [name, value] of Object.entries(parameters || {}))
        if (value !== null && value !== undefined) query.set(name, value);
    return query.size > 0 ? `${path}?${query}` : path;
}

function remember(url, answer) {
    answers.delete(url);
    answers.set(url, answer);
    if (answers.size > MOST) answers.delete(answers.keys().next().value);
}

/* The document at an address; the same object as before when it did not change. */
export async function get(path, parameters) {
    const url = address(path, parameters);
    const known = answers.get(url);
    const headers = known && known.etag ? {"If-None-Match": known.etag} : {};
    const {response, text} = await ask(url, headers, keptToken());

    if (response.status === 304) return known.data;
    if (!response.ok) throw refusal(response, text);
    if (known && known.text === text) return known.data;
    const data = JSON.parse(text),
        etag = response.headers.get("ETag");

    /* Without an ETag the text tells whether it changed. */
    remember(url, {etag, text: etag ? undefined : text, data});
    return data;
}

/* Throws what the server says to this token. */
export async function tryToken(token) {
    const {response, text} = await ask("/v1/runs?limit=1", {}, token);

    if (!response.ok) throw refusal(response, text);
}

async function ask(url, headers, token) {
    if (token !== null) headers.Authorization = `Bearer ${token}`;
    try {
        const response = await fetch(url, {headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE)});

        return {response, text: await response.text()};
    } catch {
        throw new Silence("the server does not answer");
    }
}

function refusal(response, text) {
    return new Problem(response.status, detail(text) || response.statusText || `status ${response.status}`);
}

function detail(text) {
    try {
        return JSON.parse(text).detail;
    } catch {
        return "";
    }
}

export const runPath = run => `/v1/runs/${encodeURIComponent(run)}`;
