/*
 * curves.js - draws curves with uPlot: one of each class and the mean, gaps where a score is undefined.
 *
 * What is under the cursor is told by the legend (legend.js) and, as text, by the chart itself, which the arrow keys
 * move along its steps like a slider.
 */
import {h} from "/page/dom.js";
import {resolve} from "/page/colours.js";
import {count, moment, number} from "/page/format.js";

const HEIGHT = {narrow: 240, wide: 340};
const FONT = "12px system-ui, sans-serif";

export class Curves {
    /* onMove(index or null): the cursor is at that point.  onPick(index): it was chosen.  why(line, index): the reason
     * of a gap, as far as it is known. */
    constructor({onMove, onPick, why}) {
        this.onMove = onMove;
        this.onPick = onPick;
        this.why = why;
        this.canvas = h("div", {
            class: "curves",
            tabindex: 0,
            role: "slider",
            "aria-label": "Point of the curves",
            "data-key": "curves",
            onkeydown: event => this.key(event),
            onblur: () => this.leave(),
        });
        this.reset = h(
            "button",
            {type: "button", class: "quiet reset", hidden: true, onclick: () => this.unzoom()},
            "Show all",
        );
        this.element = h("div", {class: "curves-box"}, this.canvas, this.reset);
        new ResizeObserver(() => this.resize()).observe(this.canvas);
        this.at = null;
    }

    /* model: {x: [], isTime, lines: [{name, variable, dash, width, values: [], faded}], mark: x or null} */
    show(model) {
        const shape = JSON.stringify([model.isTime, model.lines.map(line => [line.name, line.variable, line.dash])]);
        const data = [model.isTime ? model.x.map(x => x / 1000) : model.x, ...model.lines.map(line => line.values)];

        this.model = model;
        if (this.plot && shape === this.shape) {
            const zoomed = !this.reset.hidden;

            this.plot.setData(data, !zoomed);
            if (zoomed) this.plot.redraw();
        } else {
            this.shape = shape;
            this.build(data);
        }
        this.describe();
    }

    /* Again, in the colours of another theme. */
    recolour() {
        if (this.plot) this.build(this.plot.data);
    }

    build(data) {
        const text = resolve("--muted"),
            lines = resolve("--line");
        const axis = {
            stroke: text,
            font: FONT,
            grid: {stroke: lines, width: 1},
            ticks: {stroke: lines, width: 1, size: 4},
        };

        if (this.plot) this.plot.destroy();
        this.canvas.replaceChildren();
        this.colours = this.model.lines.map(line => resolve(line.variable));
        this.markColour = resolve("--muted");
        this.reset.hidden = true;
        this.plot = new uPlot(
            {
                ...this.size(),
                legend: {show: false},
                focus: {alpha: 0.25},
                cursor: {
                    drag: {x: true, y: false, setScale: true},
                    y: false,
                    points: {size: 8},
                    bind: {dblclick: () => () => this.unzoom()},
                },
                scales: {x: {time: this.model.isTime}, y: {range: (plot, low, high) => range(low, high)}},
                axes: [
                    this.model.isTime
                        ? {...axis, space: 70, size: 46, values: (_, at, i, space, by) => clocks(at, by)}
                        : {...axis, space: 70, size: 34, incrs: whole, values: (_, at) => at.map(count)},
                    {...axis, size: 58, space: 40},
                ],
                series: [
                    {},
                    ...this.model.lines.map((line, i) => ({
                        label: line.name,
                        stroke: this.colours[i],
                        dash: line.dash,
                        width: line.width,
                        spanGaps: false,
                        points: {size: 5, fill: this.colours[i], ...(line.quiet ? {show: false} : {})},
                    })),
                ],
                hooks: {
                    setCursor: [plot => this.moved(plot.cursor.idx)],
                    setScale: [(plot, key) => key === "x" && this.zoomed()],
                    draw: [plot => this.drawMarks(plot)],
                },
            },
            data,
            this.canvas,
        );
        this.pointer();
    }

    /* A click, which is not the end of a drag, chooses the point. */
    pointer() {
        const over = this.plot.over;
        let from = 0;

        over.addEventListener("pointerdown", event => {
            from = event.clientX;
        });
        over.addEventListener("pointerup", event => {
            if (
                Math.abs(event.clientX - from) < 4 &&
                this.plot.cursor.idx !== null &&
                this.plot.cursor.idx !== undefined
            )
                this.onPick(this.plot.cursor.idx);
        });
    }

    size() {
        const width = Math.max(200, this.canvas.clientWidth);

        return {width, height: width < 520 ? HEIGHT.narrow : HEIGHT.wide};
    }

    resize() {
        if (this.plot && this.canvas.clientWidth > 0 && this.size().width !== this.plot.width)
            this.plot.setSize(this.size());
    }

    zoomed() {
        const x = this.plot && this.plot.data[0];

        if (x && x.length > 1)
            this.reset.hidden = this.plot.scales.x.min <= x[0] && this.plot.scales.x.max >= x[x.length - 1];
    }

    unzoom() {
        this.plot.setData(this.plot.data, true);
        this.reset.hidden = true;
    }

    /* Brings one line forward; null: none. */
    emphasise(index) {
        if (this.plot) this.plot.setSeries(index === null ? null : index + 1, {focus: true});
    }

    /* The step that is shown below, and a cross on the axis for each class that is undefined. */
    drawMarks(plot) {
        const {ctx, bbox} = plot,
            ratio = devicePixelRatio,
            {x, mark, isTime} = this.model;
        const left = value => Math.round(plot.valToPos(isTime ? value / 1000 : value, "x", true));
        const inside = at => at >= bbox.left - 1 && at <= bbox.left + bbox.width + 1;

        ctx.save();
        if (mark !== null && inside(left(mark)))
            stroke(
                ctx,
                this.markColour,
                ratio,
                [3 * ratio, 3 * ratio],
                [[left(mark), bbox.top, left(mark), bbox.top + bbox.height]],
            );
        x.forEach((value, at) => {
            if (inside(left(value))) this.drawGaps(ctx, at, left(value), bbox.top + bbox.height, ratio);
        });
        ctx.restore();
    }

    drawGaps(ctx, at, left, foot, ratio) {
        const r = 2.5 * ratio;
        let y = foot - 5 * ratio;

        this.model.lines.forEach((line, i) => {
            if (line.values[at] !== null || line.quiet) return;
            stroke(
                ctx,
                this.colours[i],
                1.5 * ratio,
                [],
                [
                    [left - r, y - r, left + r, y + r],
                    [left - r, y + r, left + r, y - r],
                ],
            );
            y -= 8 * ratio;
        });
    }

    moved(index) {
        const at = index === undefined ? null : index;

        if (at !== this.at) {
            this.at = at;
            this.onMove(at);
            this.describe();
        }
    }

    leave() {
        if (this.plot) this.plot.setCursor({left: -10, top: -10});
    }

    key(event) {
        const last = this.model.x.length - 1,
            from = this.at === null ? last : this.at;
        const to = {
            ArrowLeft: this.at === null ? last : from - 1,
            ArrowDown: from - 1,
            ArrowRight: from + 1,
            ArrowUp: from + 1,
            PageDown: from - 10,
            PageUp: from + 10,
            Home: 0,
            End: last,
        }[event.key];

        if (event.key === "Escape") return this.leave();
        if ((event.key === "Enter" || event.key === " ") && this.at !== null) {
            event.preventDefault();
            return this.onPick(this.at);
        }
        if (to === undefined || last < 0) return;
        event.preventDefault();
        const index = Math.max(0, Math.min(last, to));
        this.plot.setCursor({left: this.plot.valToPos(this.plot.data[0][index], "x"), top: 10});
        this.moved(index);
    }

    /* What a screen reader says. */
    describe() {
        const {x, lines, isTime} = this.model,
            last = x.length - 1;
        const at = this.at === null || this.at > last ? last : this.at;
        const parts = lines.map(line => {
            const value = line.values[at];
            return `${line.name} ${typeof value === "number" ? number(value) : this.why(line, at)}`;
        });

        this.canvas.setAttribute("aria-valuemin", 0);
        this.canvas.setAttribute("aria-valuemax", Math.max(0, last));
        this.canvas.setAttribute("aria-valuenow", Math.max(0, at));
        this.canvas.setAttribute(
            "aria-valuetext",
            last < 0 ? "no points" : `${isTime ? moment(x[at]) : "step " + count(x[at])}: ${parts.join(", ")}`,
        );
    }
}

function stroke(ctx, colour, width, dash, segments) {
    ctx.strokeStyle = colour;
    ctx.lineWidth = width;
    ctx.setLineDash(dash);
    ctx.beginPath();
    for (const [x0, y0, x1, y1] of segments) {
        ctx.moveTo(x0, y0);
        ctx.lineTo(x1, y1);
    }
    ctx.stroke();
}

/* Axes of times: the time of day, and the day below where it begins. */
function clocks(at, by) {
    let before = "";

    return at.map(seconds => {
        const date = new Date(1000 * seconds),
            day = days.format(date);
        const text = by >= 86400 ? day : (by < 60 ? precise : times).format(date) + (day === before ? "" : `\n${day}`);

        before = day;
        return text;
    });
}

const days = new Intl.DateTimeFormat("en-GB", {day: "numeric", month: "short"});
const times = new Intl.DateTimeFormat("en-GB", {hour: "2-digit", minute: "2-digit"});
const precise = new Intl.DateTimeFormat("en-GB", {timeStyle: "medium"});

/* Axes of steps have whole numbers only. */
const whole = [];
for (let unit = 1; unit < 1e16; unit *= 10) whole.push(unit, 2 * unit, 5 * unit);

/* Room above and below; shares do not leave 0 and 1. */
function range(low, high) {
    if (low === null || low === undefined) return [0, 1];
    const room = 0.06 * (high - low) || 0.05 * Math.abs(high) || 0.05;

    return [
        low >= 0 ? Math.max(0, low - room) : low - room,
        low >= 0 && high <= 1 ? Math.min(1, high + room) : high + room,
    ];
}
