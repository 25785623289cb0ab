"""generate.py - writes the dashboards and the alert rules that Grafana is provisioned with.

Usage: generate.py            writes dashboards/*.json and provisioning/alerting/maskmeter.json beside this file
       generate.py --check    fails when they are not what it would write
"""
import json
import pathlib
import sys

from panels import (
    BETWEEN, CELL, INFINITY, NEXT, PROMETHEUS, THIN, TIME, VALUE, bargauge, best_checkpoints, column, dashboard,
    datasource_variable, infinity, numbers, override, promql, query_variable, request, row, source, stat, table, text,
    timeseries, trend, variable, where,
)

HERE = pathlib.Path(__file__).resolve().parent

# ----------------------------------------------------------------------------------------------- the scores

TO_RUN = {"title": "Show the run",
          "url": "/d/maskmeter-run?var-run=${__data.fields.run:percentencode}&${__url_time_range}"}
DECIMALS = {"decimals": 3}
UNDEFINED = "Undefined values are gaps."
COMPARED = ["images", "base", "head", "difference", "low", "high", "wins", "losses"]
PERCENTILES = [f"p{p}" for p in (0, 5, 25, 50, 75, 95, 100)]


def series(shape, names, columns=(), form="table", **more):
    return infinity("/v1/grafana/series", {**where("score", *names, shape=shape), **BETWEEN, **more}, columns, form)


def overview():
    runs = ("run", "split")
    return dashboard(
        "overview", "maskmeter: overview", "All runs: which is better, and which is still improving.",
        [datasource_variable(INFINITY), variable("run", "Run", "runs", many=True),
         variable("split", "Split", "splits", run="${run:csv}"),
         variable("score", "Score", "scores", run="${run:csv}")],
        [bargauge("Newest value", "The score of each run's newest evaluation.",
                  infinity("/v1/grafana/latest", {**where("score", *runs, shape="value"), **BETWEEN},
                           [*text("run"), CELL]),
                  (8, 9), links=[TO_RUN], **DECIMALS),
         table("Best evaluation of each run", "The best value so far, in the score's direction, and the step to keep.",
               infinity("/v1/grafana/best", where("score", *runs),
                        [TIME, *text("run", "split"), *numbers("step"), CELL, NEXT]),
               (16, 9), order=["run", "split", "value", "next best", "step", "Time"],
               overrides=[override("run", links=[TO_RUN]), override("step", decimals=0)], **DECIMALS),
         trend("Runs by step", "The score's own value, at the same step of training.  A line reaches over steps that "
               "only other runs have.", series("wide_runs", runs, x="step"), (12, 11), gaps=False, **DECIMALS),
         timeseries("Runs over time", "The score's own value.  A line reaches over times that only other runs have.",
                    series("value", runs, [TIME, *text("run"), VALUE], "timeseries", **THIN), (12, 11), gaps=False,
                    **DECIMALS),
         table("Newest evaluation of each run", "What each run sent last.  The reason says why a value is undefined.",
               infinity("/v1/grafana/latest", {**where("score", *runs, shape="value"), **BETWEEN},
                        [TIME, *text("run", "split", "reason"), *numbers("step"), CELL]),
               (24, 9), order=["run", "split", "step", "value", "reason", "Time"], sort=("Time", True),
               overrides=[override("run", links=[TO_RUN]), override("step", decimals=0),
                          override("reason", noValue="")], **DECIMALS)],
        [best_checkpoints()])


def run():
    one = ("run", "split")
    return dashboard(
        "run", "maskmeter: run", "One run: each class over steps and time, confusion, and the images that fail.",
        [datasource_variable(INFINITY), variable("run", "Run", "runs"),
         variable("split", "Split", "splits", run="${run}"),
         variable("class", "Class", "classes", many=True, run="${run}"),
         variable("score", "Score", "scores", run="${run}")],
        [stat("Newest value", "The score's own value: its mean over the classes that are defined.",
              series("value", one, [TIME, *text("run"), VALUE], "timeseries", **THIN), (6, 5), calc="lastNotNull",
              graph=True, **DECIMALS),
         stat("Best value", "In the score's own direction, with the step to keep and the next best value.",
              infinity("/v1/grafana/best", where("score", *one),
                       [column("Value", "number", "best"), NEXT, *numbers("step")]),
              (18, 5), mode="value_and_name", overrides=[override("step", decimals=0)], **DECIMALS),
         trend("Classes by step", f"The score of each class.  {UNDEFINED}", series("wide", (*one, "class"), x="step"),
               (12, 11), **DECIMALS),
         timeseries("Classes over time", f"The score of each class.  {UNDEFINED}",
                    series("long", (*one, "class"), [TIME, *text("class"), VALUE], "timeseries", **THIN), (12, 11),
                    **DECIMALS),
         bargauge("Newest value of each class", "Of the newest evaluation in the time range.",
                  infinity("/v1/grafana/latest", {**where("score", *one, "class"), **BETWEEN}, [*text("class"), CELL]),
                  (8, 10), **DECIMALS),
         table("Classes of the newest evaluation",
               "Voxels of the label and of the prediction; the reason says why a value is undefined.",
               infinity("/v1/grafana/latest", {**where("score", *one, "class"), **BETWEEN},
                        [*text("class", "reason"), CELL, column("label_voxels", "number", "label voxels"),
                         column("pred_voxels", "number", "predicted voxels")]),
               (16, 10), order=["class", "value", "label voxels", "predicted voxels", "reason"], sort=("value", False),
               overrides=[override("label voxels", unit="locale", decimals=0),
                          override("predicted voxels", unit="locale", decimals=0), override("reason", noValue="")],
               **DECIMALS),
         table("Confusion", "Voxels of the newest evaluation: a row for each label, a column for each prediction.",
               infinity("/v1/grafana/confusion", {**where(*one), **BETWEEN}), (24, 9),
               overrides=[override("reference", displayName="label", width=180)], unit="locale", decimals=0),
         table("Worst images", "Of the newest evaluation in the time range, worst first.",
               infinity("/v1/grafana/images", {**where("score", *one, "class", limit="50"), **BETWEEN},
                        [*text("image", "class", "reason"), CELL]),
               (12, 12), order=["image", "class", "value", "reason"], overrides=[override("reason", noValue="")],
               **DECIMALS),
         table("Spread over the images", "Percentiles over the images on which the class is defined.",
               infinity("/v1/grafana/percentiles", {**where("score", *one, "class"), **BETWEEN},
                        [*text("class"), *numbers("images", "mean", *PERCENTILES)]),
               (12, 12), order=["class", "images", "mean", *PERCENTILES],
               overrides=[override("images", decimals=0)], **DECIMALS)],
        [best_checkpoints("${run}")])


def compare():
    both = "${base},${head}"
    return dashboard(
        "compare", "maskmeter: compare", "Two runs on the images that both have.",
        [datasource_variable(INFINITY), variable("base", "Base", "runs"), variable("head", "Head", "runs"),
         variable("split", "Split", "splits", run=both),
         variable("class", "Class", "classes", many=True, run=both),
         variable("score", "Score", "scores", run=both)],
        [table("Difference per class", "Head less base on the images that both have, at each run's last step.  The "
               "interval is a 95 % bootstrap interval of the difference; one that holds 0 says little.",
               infinity("/v1/compare", where("base", "head", "split", "score"),
                        [*text("class"), *numbers(*COMPARED)], root="classes"),
               (24, 9), order=["class", *COMPARED],
               overrides=[override(name, decimals=0) for name in ("images", "wins", "losses")], **DECIMALS),
         trend("Both by step", "The score's own value.  A line reaches over steps that only the other run has.",
               series("wide_runs", ("split",), x="step", run=both), (12, 10), gaps=False, **DECIMALS),
         timeseries("Both over time", "The score's own value.  A line reaches over times that only the other run has.",
                    series("value", ("split",), [TIME, *text("run"), VALUE], "timeseries", run=both, **THIN), (12, 10),
                    gaps=False, **DECIMALS),
         trend("Classes of the base", f"By step.  {UNDEFINED}",
               series("wide", ("split", "class"), x="step", run="${base}"), (12, 10), **DECIMALS),
         trend("Classes of the head", f"By step.  {UNDEFINED}",
               series("wide", ("split", "class"), x="step", run="${head}"), (12, 10), **DECIMALS)],
        [best_checkpoints(both)])


# ----------------------------------------------------------------------------------------------- the server

# Thresholds, in Grafana's own colours.
NONE_IS_GOOD = [("green", None), ("red", 1)]
LIMIT = [("green", None), ("orange", 0.75), ("red", 0.9)]

HERE_ONLY = 'job="maskmeter",instance=~"$instance"'
FAULT = ',code=~"5.."'


def rate(metric, labels="", window="$__rate_interval"):
    return f"rate({metric}{{{HERE_ONLY}{labels}}}[{window}])"


def quantile(q, histogram, by=""):
    return f"histogram_quantile({q}, sum by (le{by}) ({rate(histogram + '_bucket')}))"


def gauge(metric):
    return f"{metric}{{{HERE_ONLY}}}"


def server():
    instances = {"refId": "variable", "query": "label_values(maskmeter_build_info, instance)", "qryType": 1}
    answers = "maskmeter_http_requests_total"
    return dashboard(
        "server", "maskmeter: server", "The server itself: traffic, errors, delays, and what it is running out of.",
        [datasource_variable(PROMETHEUS),
         query_variable("instance", "Server", PROMETHEUS, instances, everything=".*")],
        [stat("Up", "Servers that answer Prometheus.", promql((f"sum({gauge('up')})", "")), (4, 4), calc="lastNotNull",
              decimals=0, steps=[("red", None), ("green", 1)]),
         stat("Running since", "Start of the process.",
              promql((f"1000 * min({gauge('process_start_time_seconds')})", "")), (5, 4), calc="lastNotNull",
              unit="dateTimeFromNow"),
         stat("Errors", "Share of answers that were the server's fault (5xx).",
              promql((f"(sum({rate(answers, FAULT)}) or vector(0)) / sum({rate(answers)})", "")),
              (5, 4), calc="lastNotNull", unit="percentunit", steps=[("green", None), ("orange", 0.01), ("red", 0.05)]),
         stat("Evaluations waiting", "Waiting for the compute thread, or running on it.",
              promql((f"sum({gauge('maskmeter_eval_queue_depth')})", "")), (5, 4), calc="lastNotNull",
              decimals=0, graph=True),
         stat("Version", "What is running, and the CPU level of its kernels.",
              promql((gauge("maskmeter_build_info"), "{{version}}, {{cpu}}"), instant=True), (5, 4), calc="lastNotNull",
              mode="name"),
         row("Traffic"),
         timeseries("Answers by code", "Answers a second.",
                    promql((f"sum by (code) ({rate(answers)})", "{{code}}")), (8, 9), unit="reqps", fill=20,
                    stacked=True),
         timeseries("Answers by route", "Answers a second.",
                    promql((f"sum by (method, route) ({rate(answers)})", "{{method}} {{route}}")), (8, 9),
                    unit="reqps"),
         timeseries("Delay of answers", "From the request line to the last byte sent; half and 99 % of them took less.",
                    promql((quantile(0.5, "maskmeter_http_request_duration_seconds"), "half"),
                           (quantile(0.99, "maskmeter_http_request_duration_seconds"), "99 %")), (8, 9), unit="s"),
         row("Evaluations"),
         timeseries("Voxels scored", "By the element type of the prediction.",
                    promql((f"sum by (dtype) ({rate('maskmeter_eval_voxels_total')}) > 0", "{{dtype}}")), (8, 9),
                    unit="short", fill=20),
         timeseries("Delay by stage", "95 % of the evaluations took less.",
                    promql((quantile(0.95, "maskmeter_eval_duration_seconds", ", stage"), "{{stage}}")), (8, 9),
                    unit="s"),
         timeseries("Refused or failed", "Evaluations a minute, by reason.",
                    promql((f"60 * sum by (reason) ({rate('maskmeter_eval_rejected_total')}) > 0", "{{reason}}")),
                    (8, 9), unit="cpm"),
         row("Store"),
         timeseries("Delay of writes", "From handing a write over until it was durable.",
                    promql((quantile(0.5, "maskmeter_store_write_duration_seconds"), "half"),
                           (quantile(0.99, "maskmeter_store_write_duration_seconds"), "99 %")), (12, 8), unit="s"),
         timeseries("Writes waiting, and refused", "Refused ones are errors of the disk or the database.",
                    promql((f"sum({gauge('maskmeter_store_waiting_writes')})", "waiting"),
                           (f"sum(increase({gauge('maskmeter_store_errors_total')}[$__rate_interval]))", "refused")),
                    (12, 8), decimals=0),
         row("What it runs out of"),
         timeseries("Memory budget", "Of --memory: held by requests, and kept for the next bodies.",
                    promql((f"sum({gauge('maskmeter_memory_used_bytes')})", "used"),
                           (f"sum({gauge('maskmeter_memory_idle_bytes')})", "idle"),
                           (f"sum({gauge('maskmeter_memory_limit_bytes')})", "limit"),
                           (f"sum({gauge('process_resident_memory_bytes')})", "resident")), (8, 8), unit="bytes",
                    low=0),
         timeseries("Processors", "Busy, and threads that compute.",
                    promql((f"sum({rate('process_cpu_seconds_total')})", "busy"),
                           (f"sum({gauge('maskmeter_threads')})", "threads")), (8, 8), low=0),
         timeseries("Connections and descriptors", "Requests being received or answered, connections, descriptors.",
                    promql((f"sum({gauge('maskmeter_http_inflight_requests')})", "requests"),
                           (f"sum({gauge('maskmeter_http_connections')})", "connections"),
                           (f"sum({gauge('process_open_fds')})", "descriptors")), (8, 8), decimals=0, low=0),
         stat("Descriptors in use", "Share of the limit.",
              promql((f"max({gauge('process_open_fds')} / {gauge('process_max_fds')})", "")), (12, 4),
              calc="lastNotNull", unit="percentunit", steps=LIMIT),
         stat("Writes refused", "In the time range shown.",
              promql((f"sum(increase({gauge('maskmeter_store_errors_total')}[$__range]))", ""), instant=True), (12, 4),
              calc="lastNotNull", decimals=0, steps=NONE_IS_GOOD)],
        since="now-3h")


# ------------------------------------------------------------------------------------------------- alerts

# What the rules watch.  A rule cannot have variables; write another one for another score.
SCORE, SPLIT, HOURS = "dice", "val", 6


def rule(chart, uid, title, condition, severity, summary):
    """One alert per run and class: its best value and its last one within the last hours, put into the condition."""
    rows = request("/v1/grafana/series",
                   {"score": SCORE, "split": SPLIT, "run": "*", "class": "*", "shape": "long", **BETWEEN},
                   [TIME, *text("run", "class"), VALUE], "timeseries")
    window = {"from": HOURS * 3600, "to": 0}

    def expression(ref, **model):
        return {"refId": ref, "relativeTimeRange": window, "datasourceUid": "__expr__",
                "model": {"refId": ref, "datasource": source("__expr__", "__expr__"), **model}}

    def reduced(ref, reducer):
        return expression(ref, type="reduce", expression="A", reducer=reducer, settings={"mode": "dropNN"})

    return {
        "uid": uid,
        "title": title,
        "condition": "fires",
        "data": [
            {"refId": "A", "relativeTimeRange": window, "datasourceUid": "maskmeter", "model": rows},
            reduced("best", "max"),
            reduced("last", "last"),
            expression("fires", type="math", expression=condition),
        ],
        "for": "0s",
        "noDataState": "OK",
        "execErrState": "Error",
        "labels": {"severity": severity},
        "annotations": {"summary": summary},
        "isPaused": False,
        **chart,
    }


def alerts():
    place = "{{ $labels.class }} of {{ $labels.run }}"
    best, last = ('{{ printf "%.3f" $values.' + ref + '.Value }}' for ref in ("best", "last"))
    now = f"{last}, its best in {HOURS} hours was {best}"
    panel = next(panel for panel in run()[1]["panels"] if panel["title"] == "Classes over time")
    chart = {"dashboardUid": "maskmeter-run", "panelId": panel["id"]}
    rules = [
        rule(chart, "maskmeter-class-drops", "A class drops", "$best - $last > 0.1", "warning",
             f"{place}: {SCORE} fell to {now}."),
        rule(chart, "maskmeter-class-lost", "A class is lost", "$best > 0.3 && $last < 0.01", "critical",
             f"{place} is hardly found any more: {SCORE} is {now}."),
    ]
    group = {"orgId": 1, "name": "classes", "folder": "maskmeter", "interval": "1m", "rules": rules}
    return "provisioning/alerting/maskmeter.json", {"apiVersion": 1, "groups": [group]}


# --------------------------------------------------------------------------------------------------- main


def main(arguments):
    stale = []
    for name, document in (overview(), run(), compare(), server(), alerts()):
        path = HERE / name
        fresh = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        if arguments == ["--check"]:
            if not path.exists() or path.read_text() != fresh:
                stale.append(name)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(fresh)
    if stale:
        sys.exit(f"{', '.join(stale)}: not what {pathlib.Path(__file__).name} writes; run it")


if __name__ == "__main__":
    main(sys.argv[1:])
