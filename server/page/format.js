/*
 * format.js - numbers, times and reasons for people.
 */

const REASONS = {
    absent_in_both: "absent from label and prediction",
    absent_in_label: "absent from the label",
    absent_in_prediction: "absent from the prediction",
    empty_prediction: "nothing was predicted",
    empty_label: "nothing was labelled",
    zero_denominator: "its denominator is 0",
    single_class: "only one class was seen",
    no_voxels: "no voxel was scored",
    too_small: "the image is too small",
    not_in_sums: "the stored sums cannot give it",
};

export const reason = word => REASONS[word] || word.replaceAll("_", " ");

const whole = new Intl.NumberFormat("en");
const large = new Intl.NumberFormat("en", {maximumSignificantDigits: 6});

export const count = number => whole.format(number);

/* Four decimals line up in a column; very small and very large numbers are told by their digits. */
export function number(value) {
    const size = Math.abs(value);

    if (size >= 1000) return large.format(value);
    return size > 0 && size < 0.001 ? value.toExponential(2) : value.toFixed(4);
}

export const signed = value => (value < 0 ? "−" : "+") + number(Math.abs(value));

export function percent(share) {
    const value = 100 * share;

    return value === 0 ? "0" : value < 0.1 ? "<0.1" : value >= 99.95 && share < 1 ? "99.9" : value.toFixed(1);
}

/* A score's value may be a list, as some peers return it. */
export function value(of) {
    if (typeof of === "number") return number(of);
    return of === null || of === undefined ? "–" : JSON.stringify(of);
}

export function plural(amount, one, many) {
    return `${count(amount)} ${amount === 1 ? one : many || one + "s"}`;
}

export function ago(time, now = Date.now()) {
    const seconds = Math.max(0, (now - Date.parse(time)) / 1000);

    if (seconds < 10) return "just now";
    if (seconds < 60) return `${Math.floor(seconds / 10) * 10} s ago`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
    if (seconds < 30 * 86400) return plural(Math.floor(seconds / 86400), "day") + " ago";
    return time.slice(0, 10);
}

const clock = new Intl.DateTimeFormat("en-GB", {dateStyle: "medium", timeStyle: "medium"});

export const moment = time => clock.format(new Date(time));
