"""generate.py - writes the dashboards and the alert rules that Grafana is provisioned with.

Usage: generate.py            writes dashboards/*.json and provisioning/alerting/maskmeter.json beside this file
       generate.py --check    fails when they are not what it would write

Scores come from maskmeter itself through the Infinity data source, the server's own health from Prometheus.  Nobody types a
column: each query carries those that it needs.  A query has columns only where the type of one would be guessed wrong,
which is time (never guessed) and numbers that may all be null (guessed to be text).
"""
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
INFINITY = "yesoreyeram-infinity-datasource"
PROMETHEUS = "prometheus"
WIDTH = 24  # of a dashboard, in grid units

# Thresholds, in Grafana's own colours: of counts that should be 0, of differences, of shares of a limit.
NONE_IS_GOOD = [("green", None), ("red", 1)]
SIGN = [("red", None), ("text", 0), ("green", 1e-9)]
LIMIT = [("green", None), ("orange", 0.75), ("red", 0.9)]

# ------------------------------------------------------------------------------------------------ queries


def source(kind, uid="${datasource}"):
    return {"type": kind, "uid": uid}


def column(name, kind):
    return {"selector": name, "text": name, "type": kind}


TIME, VALUE = column("Time", "timestamp_epoch"), column("Value", "number")


def text(*names):
    return [column(name, "string") for name in names]


def numbers(*names):
    return [column(name, "number") for name in names]


def request(url, params, columns=(), form="table", root="rows", ref="A"):
    """What Infinity needs to know to make one GET and one frame."""
    return {
        "refId": ref,
        "type": "json",
        "source": "url",
        "parser": "backend",
        "format": form,
        "url": url,
        "url_options": {
            "method": "GET",
            "data": "",
            "headers": [],
            "params": [{"key": key, "value": value} for key, value in params.items()],
        },
        "root_selector": root,
        "columns": list(columns),
        "computed_columns": [],
        "filters": [],
        "filterExpression": "",
        "summarizeExpression": "",
        "summarizeBy": "",
        "summarizeAlias": "",
        "global_query_id": "",
        "pagination_mode": "none",
    }


def infinity(*args, **kwargs):
    """The one request of a panel: those of one panel would run one after another."""
    return [{"datasource": source(INFINITY), **request(*args, **kwargs)}]


def where(*names, **fixed):
    """Parameters that take variables of the dashboard, and fixed ones."""
    lists = {"run": "${run:csv}", "class": "${class:csv}"}
    out = {name: lists.get(name, "${%s}" % name) for name in names}
    return {**out, **fixed}


BETWEEN = {"from": "${__timeFrom}", "to": "${__timeTo}"}
THIN = {"interval_ms": "${__interval_ms}"}  # one point per pixel is enough


def promql(*queries, instant=False):
    """queries: (expression, legend)."""
    return [
        {
            "refId": chr(ord("A") + i),
            "datasource": source(PROMETHEUS),
            "editorMode": "code",
            "expr": expression,
            "legendFormat": legend,
            "instant": instant,
            "range": not instant,
        }
        for i, (expression, legend) in enumerate(queries)
    ]


# ------------------------------------------------------------------------------------------------- panels


def thresholds(steps):
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for color, value in steps]}


def panel(kind, title, description, targets, size, unit="short", decimals=None, custom=None, options=None, steps=None,
          low=None, high=None, name=None, overrides=(), links=()):
    """What all panels have.  size: (width, height)."""
    defaults = {"unit": unit, "decimals": decimals, "min": low, "max": high, "displayName": name,
                "noValue": "undefined" if kind in ("stat", "bargauge", "table") else None,
                "custom": custom, "links": list(links) or None,
                "color": {"mode": "thresholds"} if steps else None,
                "thresholds": thresholds(steps) if steps else None}
    return {
        "type": kind,
        "title": title,
        "description": description,
        "gridPos": {"w": size[0], "h": size[1]},
        "datasource": dict(targets[0]["datasource"]),
        "fieldConfig": {"defaults": {key: value for key, value in defaults.items() if value is not None},
                        "overrides": list(overrides)},
        "options": options or {},
        "targets": targets,
    }


def legend(*calcs):
    return {"displayMode": "table" if calcs else "list", "placement": "right" if calcs else "bottom", "showLegend": True,
            "calcs": list(calcs)}


def lines(gaps, **more):
    """gaps: an undefined value interrupts its line.  Without, a line reaches over the times of other lines' points."""
    return {"drawStyle": "line", "lineWidth": 2, "showPoints": "auto", "pointSize": 5, "spanNulls": not gaps,
            "axisBorderShow": False, **more}


TOOLTIP = {"mode": "multi", "sort": "desc"}


def timeseries(title, description, targets, size, gaps=True, calcs=("lastNotNull", "max"), fill=0, stacked=False, **more):
    custom = lines(gaps, fillOpacity=fill)
    if stacked:
        custom["stacking"] = {"mode": "normal", "group": "A"}
    return panel("timeseries", title, description, targets, size, custom=custom,
                 options={"legend": legend(*calcs), "tooltip": TOOLTIP}, **more)


def trend(title, description, targets, size, gaps=True, **more):
    """Lines over the step of training, which is a number and no time."""
    return panel("trend", title, description, targets, size, custom=lines(gaps),
                 options={"xField": "step", "legend": legend("lastNotNull", "max"), "tooltip": TOOLTIP},
                 overrides=[override("step", unit="none", decimals=0)], **more)


def reduce_options(calc=None, fields=""):
    """The last value of a series, or every row of a table."""
    if calc is None:
        return {"values": True, "calcs": [], "fields": fields}
    return {"values": False, "calcs": [calc], "fields": fields}


def stat(title, description, targets, size, calc=None, fields="", graph=False, mode="value", **more):
    return panel("stat", title, description, targets, size,
                 options={"reduceOptions": reduce_options(calc, fields), "graphMode": "area" if graph else "none",
                          "colorMode": "value", "justifyMode": "auto", "orientation": "auto", "wideLayout": True,
                          "textMode": mode, "showPercentChange": False,
                          "percentChangeColorMode": "standard"}, **more)


def bargauge(title, description, targets, size, **more):
    """One bar per row of a table."""
    return panel("bargauge", title, description, targets, size,
                 options={"reduceOptions": reduce_options(fields="/^Value$/"), "displayMode": "gradient",
                          "orientation": "horizontal", "valueMode": "color", "namePlacement": "auto", "sizing": "auto",
                          "showUnfilled": True, "minVizWidth": 8, "minVizHeight": 16, "maxVizHeight": 300,
                          "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []}},
                 **more)


def override(name, links=None, width=None, cell=None, **properties):
    """Of the column of that name."""
    found = [{"id": key, "value": value} for key, value in properties.items()]
    if links:
        found.append({"id": "links", "value": links})
    if width:
        found.append({"id": "custom.width", "value": width})
    if cell:
        found.append({"id": "custom.cellOptions", "value": {"type": cell}})
    return {"matcher": {"id": "byName", "options": name}, "properties": found}


def table(title, description, targets, size, order=None, hide=(), sort=None, overrides=(), **more):
    """order: the columns from left to right; Infinity sorts them by name."""
    found = panel("table", title, description, targets, size, custom={"align": "auto", "filterable": False},
                  options={"showHeader": True, "cellHeight": "sm",
                           "sortBy": [{"displayName": sort[0], "desc": sort[1]}] if sort else []},
                  overrides=overrides, **more)
    if order:
        found["transformations"] = [{"id": "organize", "options": {
            "indexByName": {name: i for i, name in enumerate(order)}, "excludeByName": {name: True for name in hide},
            "renameByName": {}, "includeByName": {}}}]
    return found


def row(title):
    return {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"w": WIDTH, "h": 1}}


# --------------------------------------------------------------------------------------------- dashboards


def laid_out(panels):
    """Places panels left to right, top to bottom, and numbers them."""
    x, y, height = 0, 0, 0
    for number, found in enumerate(panels, 1):
        grid = found["gridPos"]
        if x + grid["w"] > WIDTH:
            x, y, height = 0, y + height, 0
        grid.update(x=x, y=y)
        x, height = x + grid["w"], max(height, grid["h"])
        found["id"] = number
    return panels


def datasource_variable(kind):
    return {"name": "datasource", "type": "datasource", "label": "Data source", "query": kind, "refresh": 1, "hide": 0,
            "multi": False, "includeAll": False, "regex": "", "current": {}, "options": []}


def query_variable(name, label, kind, query, definition, many=False):
    found = {"name": name, "type": "query", "label": label, "datasource": source(kind), "definition": definition,
             "query": query, "refresh": 2, "sort": 0, "hide": 0, "multi": many, "includeAll": many, "regex": "",
             "current": {"text": ["All"], "value": ["$__all"]} if many else {}, "options": []}
    if many:
        found["allValue"] = "*"  # no filter, and a short URL
    return found


def variable(name, label, of, many=False, **params):
    """of: runs, splits, classes or scores."""
    query = {"refId": "variable", "queryType": "infinity",
             "infinityQuery": request(f"/v1/grafana/variables/{of}", params, ref="variable")}
    return query_variable(name, label, INFINITY, query, of, many)


def best_checkpoints(run="${run:csv}"):
    target = request("/v1/grafana/annotations", {**where("split", "score", run=run), **BETWEEN},
                     [column("time", "timestamp_epoch"), column("timeEnd", "timestamp_epoch"),
                      *text("title", "text", "tags")], form="dataframe", ref="Anno")
    return {"name": "Best checkpoints", "enable": True, "hide": False, "iconColor": "green",
            "datasource": source(INFINITY), "target": target}


def dashboard(name, title, description, variables, panels, annotations=(), refresh="30s", since="now-24h"):
    uid = f"maskmeter-{name}"
    return f"dashboards/{uid}.json", {
        "uid": uid,
        "id": None,
        "title": title,
        "description": description,
        "tags": ["maskmeter"],
        "schemaVersion": 42,
        "editable": False,
        "graphTooltip": 1,
        "refresh": refresh,
        "time": {"from": since, "to": "now"},
        "timepicker": {"refresh_intervals": ["5s", "10s", "30s", "1m", "5m", "15m", "30m", "1h"]},
        "timezone": "browser",
        "fiscalYearStartMonth": 0,
        "links": [{"type": "dashboards", "title": "maskmeter", "tags": ["maskmeter"], "asDropdown": True,
                   "includeVars": False, "keepTime": True, "targetBlank": False, "icon": "external link", "tooltip": "",
                   "url": ""}],
        "templating": {"list": variables},
        "annotations": {"list": list(annotations)},
        "panels": laid_out(panels),
    }


# ---- the four of them

TO_RUN = {"title": "Show the run", "url": "/d/maskmeter-run?var-run=${__data.fields.run}&${__url_time_range}"}
DECIMALS = {"decimals": 3}
UNDEFINED = "Undefined values are gaps."
PERCENTILES = [f"p{p}" for p in (0, 5, 25, 50, 75, 95, 100)]


def series(shape, names, columns=(), form="table", **more):
    return infinity("/v1/grafana/series", {**where("score", *names, shape=shape), **BETWEEN, **more}, columns, form)


def overview():
    runs = ("run", "split")
    return dashboard(
        "overview", "maskmeter: overview", "All runs: which is better, and which is still improving.",
        [datasource_variable(INFINITY), variable("run", "Run", "runs", many=True),
         variable("split", "Split", "splits", run="${run:csv}"), variable("score", "Score", "scores", run="${run:csv}")],
        [bargauge("Newest value", "The score of each run's newest evaluation.",
                  infinity("/v1/grafana/latest", {**where("score", *runs, shape="value"), **BETWEEN},
                           [TIME, *text("run", "split", "reason"), *numbers("step", "Value")]),
                  (8, 9), name="${__data.fields.run}", links=[TO_RUN], **DECIMALS),
         table("Best evaluation of each run", "The best value so far, in the score's own direction, and the step to keep.",
               infinity("/v1/grafana/best", where("score", *runs),
                        [TIME, *text("run", "split", "score", "better"), *numbers("step", "Value", "next")]),
               (16, 9), order=["run", "split", "score", "Value", "next", "step", "Time", "better"], hide=["better"],
               overrides=[override("run", links=[TO_RUN]), override("step", unit="none", decimals=0),
                          override("next", displayName="next best"), override("Time", unit="dateTimeAsIso")], **DECIMALS),
         trend("Runs by step", "The score's own value, at the same step of training.  A line reaches over steps that "
               "only other runs have.", series("wide_runs", runs, x="step"), (12, 11), gaps=False, **DECIMALS),
         timeseries("Runs over time", "The score's own value.  A line reaches over times that only other runs have.",
                    series("value", runs, [TIME, *text("run"), VALUE], "timeseries", **THIN), (12, 11), gaps=False,
                    name="${__field.labels.run}", **DECIMALS),
         table("Newest evaluation of each run", "What each run has sent last.  The reason says why a value is undefined.",
               infinity("/v1/grafana/latest", {**where("score", *runs, shape="value"), **BETWEEN},
                        [TIME, *text("run", "split", "reason"), *numbers("step", "Value")]),
               (24, 9), order=["run", "split", "step", "Value", "reason", "Time"], sort=("Time", True),
               overrides=[override("run", links=[TO_RUN]), override("step", unit="none", decimals=0),
                          override("reason", noValue=""), override("Time", unit="dateTimeAsIso")], **DECIMALS)],
        [best_checkpoints()])


def run():
    one = ("run", "split")
    return dashboard(
        "run", "maskmeter: run", "One run: each class over steps and time, confusion, and the images that fail.",
        [datasource_variable(INFINITY), variable("run", "Run", "runs"),
         variable("split", "Split", "splits", run="${run}"), variable("class", "Class", "classes", many=True, run="${run}"),
         variable("score", "Score", "scores", run="${run}")],
        [stat("Newest value", "The score's own value: its mean over the classes that are defined.",
              series("value", one, [TIME, *text("run"), VALUE], "timeseries", **THIN), (6, 5), calc="lastNotNull",
              graph=True, **DECIMALS),
         stat("Best value", "In the score's own direction, with the step to keep and the next best value.",
              infinity("/v1/grafana/best", where("score", *one), numbers("step", "Value", "next")), (18, 5),
              fields="/^(Value|step|next)$/", mode="value_and_name",
              overrides=[override("Value", displayName="best"), override("next", displayName="next best"),
                         override("step", unit="none", decimals=0)], **DECIMALS),
         trend("Classes by step", f"The score of each class.  {UNDEFINED}", series("wide", (*one, "class"), x="step"),
               (12, 11), **DECIMALS),
         timeseries("Classes over time", f"The score of each class.  {UNDEFINED}",
                    series("long", (*one, "class"), [TIME, *text("class"), VALUE], "timeseries", **THIN), (12, 11),
                    name="${__field.labels.class}", **DECIMALS),
         bargauge("Newest value of each class", "Of the newest evaluation in the time range.",
                  infinity("/v1/grafana/latest", {**where("score", *one, "class"), **BETWEEN},
                           [*text("class", "reason"), *numbers("Value", "label_voxels", "pred_voxels")]),
                  (8, 10), name="${__data.fields.class}", **DECIMALS),
         table("Classes of the newest evaluation", "Voxels of the label and of the prediction; the reason says why a value "
               "is undefined.",
               infinity("/v1/grafana/latest", {**where("score", *one, "class"), **BETWEEN},
                        [*text("class", "reason"), *numbers("Value", "label_voxels", "pred_voxels")]),
               (16, 10), order=["class", "Value", "label_voxels", "pred_voxels", "reason"], sort=("Value", False),
               overrides=[override("label_voxels", displayName="label voxels", decimals=0),
                          override("pred_voxels", displayName="predicted voxels", decimals=0),
                          override("reason", noValue="")], **DECIMALS),
         table("Confusion", "Voxels of the newest evaluation: a row for each label, a column for each prediction.",
               infinity("/v1/grafana/confusion", {**where(*one), **BETWEEN}), (24, 9),
               overrides=[override("reference", displayName="label", width=180)], decimals=0),
         table("Worst images", "Of the newest evaluation in the time range, worst first.",
               infinity("/v1/grafana/images", {**where("score", *one, "class", limit="50"), **BETWEEN},
                        [*text("image", "class", "reason"), *numbers("Value")]),
               (12, 12), order=["image", "class", "Value", "reason"], overrides=[override("reason", noValue="")],
               **DECIMALS),
         table("Spread over the images", "Percentiles over the images on which the class is defined.",
               infinity("/v1/grafana/percentiles", {**where("score", *one, "class"), **BETWEEN},
                        [*text("class"), *numbers("images", "mean", *PERCENTILES)]),
               (12, 12), order=["class", "images", "mean", *PERCENTILES],
               overrides=[override("images", unit="none", decimals=0)], **DECIMALS)],
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
                        [*text("class"), *numbers("base", "head", "difference", "low", "high", "wins", "losses")],
                        root="classes"),
               (24, 9), order=["class", "base", "head", "difference", "low", "high", "wins", "losses"],
               overrides=[override("difference", cell="color-text", thresholds=thresholds(SIGN), color={"mode": "thresholds"}),
                          override("wins", unit="none", decimals=0), override("losses", unit="none", decimals=0)],
               **DECIMALS),
         trend("Both by step", "The score's own value.  A line reaches over steps that only the other run has.",
               series("wide_runs", ("split",), x="step", run=both), (12, 10), gaps=False, **DECIMALS),
         timeseries("Both over time", "The score's own value.  A line reaches over times that only the other run has.",
                    series("value", ("split",), [TIME, *text("run"), VALUE], "timeseries", run=both, **THIN), (12, 10),
                    gaps=False, name="${__field.labels.run}", **DECIMALS),
         trend("Classes of the base", f"By step.  {UNDEFINED}",
               series("wide", ("split", "class"), x="step", run="${base}"), (12, 10), **DECIMALS),
         trend("Classes of the head", f"By step.  {UNDEFINED}",
               series("wide", ("split", "class"), x="step", run="${head}"), (12, 10), **DECIMALS)],
        [best_checkpoints(both)])


# ---- the server itself

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
         query_variable("instance", "Server", PROMETHEUS, instances, instances["query"], many=True) | {"allValue": ".*"}],
        [stat("Up", "Servers that answer Prometheus.", promql((f"sum({gauge('up')})", "")), (4, 4), calc="lastNotNull",
              unit="none", decimals=0, steps=[("red", None), ("green", 1)]),
         stat("Running since", "Start of the process.",
              promql((f"1000 * min({gauge('process_start_time_seconds')})", "")), (5, 4), calc="lastNotNull",
              unit="dateTimeFromNow"),
         stat("Errors", "Share of answers that were the server's fault (5xx).",
              promql((f"(sum({rate(answers, FAULT)}) or vector(0)) / sum({rate(answers)})", "")),
              (5, 4), calc="lastNotNull", unit="percentunit", steps=[("green", None), ("orange", 0.01), ("red", 0.05)]),
         stat("Evaluations waiting", "Waiting for the compute thread, or running on it.",
              promql((f"sum({gauge('maskmeter_eval_queue_depth')})", "")), (5, 4), calc="lastNotNull", unit="none",
              decimals=0, graph=True),
         stat("Version", "What is running, and the CPU level of its kernels.",
              promql((gauge("maskmeter_build_info"), "{{version}}, {{cpu}}"), instant=True), (5, 4), calc="lastNotNull",
              mode="name", unit="none"),
         row("Traffic"),
         timeseries("Answers by code", "Answers a second.",
                    promql((f"sum by (code) ({rate(answers)})", "{{code}}")), (8, 9), unit="reqps", fill=20, stacked=True),
         timeseries("Answers by route", "Answers a second.",
                    promql((f"sum by (method, route) ({rate(answers)})", "{{method}} {{route}}")), (8, 9), unit="reqps"),
         timeseries("Delay of answers", "From the request line to the last byte sent: half and 99 % of the answers took less.",
                    promql((quantile(0.5, "maskmeter_http_request_duration_seconds"), "half"),
                           (quantile(0.99, "maskmeter_http_request_duration_seconds"), "99 %")), (8, 9), unit="s"),
         row("Evaluations"),
         timeseries("Voxels scored", "By the element type of the prediction.",
                    promql((f"sum by (dtype) ({rate('maskmeter_eval_voxels_total')}) > 0", "{{dtype}}")), (8, 9),
                    unit="short", fill=20),
         timeseries("Delay by stage", "95 % of the evaluations took less.",
                    promql((quantile(0.95, "maskmeter_eval_duration_seconds", ", stage"), "{{stage}}")), (8, 9), unit="s"),
         timeseries("Refused or failed", "Evaluations a minute, by reason.",
                    promql((f"60 * sum by (reason) ({rate('maskmeter_eval_rejected_total')}) > 0", "{{reason}}")), (8, 9),
                    unit="cpm"),
         row("Store"),
         timeseries("Delay of writes", "From handing a write over until it was durable.",
                    promql((quantile(0.5, "maskmeter_store_write_duration_seconds"), "half"),
                           (quantile(0.99, "maskmeter_store_write_duration_seconds"), "99 %")), (12, 8), unit="s"),
         timeseries("Writes waiting, and refused", "Refused ones are errors of the disk or the database.",
                    promql((f"sum({gauge('maskmeter_store_waiting_writes')})", "waiting"),
                           (f"sum(increase({gauge('maskmeter_store_errors_total')}[$__rate_interval]))", "refused")),
                    (12, 8), unit="none", decimals=0),
         row("What it runs out of"),
         timeseries("Memory budget", "Of --memory: held by requests, and kept for the next bodies.",
                    promql((f"sum({gauge('maskmeter_memory_used_bytes')})", "used"),
                           (f"sum({gauge('maskmeter_memory_idle_bytes')})", "idle"),
                           (f"sum({gauge('maskmeter_memory_limit_bytes')})", "limit"),
                           (f"sum({gauge('process_resident_memory_bytes')})", "resident")), (8, 8), unit="bytes", low=0),
         timeseries("Processors", "Busy, and threads that compute.",
                    promql((f"sum({rate('process_cpu_seconds_total')})", "busy"),
                           (f"sum({gauge('maskmeter_threads')})", "threads")), (8, 8), unit="none", low=0),
         timeseries("Connections and descriptors", "Requests being received or answered, connections, descriptors.",
                    promql((f"sum({gauge('maskmeter_http_inflight_requests')})", "requests"),
                           (f"sum({gauge('maskmeter_http_connections')})", "connections"),
                           (f"sum({gauge('process_open_fds')})", "descriptors")), (8, 8), unit="none", decimals=0, low=0),
         stat("Descriptors in use", "Share of the limit.",
              promql((f"max({gauge('process_open_fds')} / {gauge('process_max_fds')})", "")), (12, 4), calc="lastNotNull",
              unit="percentunit", steps=LIMIT),
         stat("Writes refused", "In the time range shown.",
              promql((f"sum(increase({gauge('maskmeter_store_errors_total')}[$__range]))", ""), instant=True), (12, 4),
              calc="lastNotNull", unit="none", decimals=0, steps=NONE_IS_GOOD)],
        since="now-3h")


# ------------------------------------------------------------------------------------------------- alerts

# What the rules watch.  A rule cannot have variables; write another one for another score.
SCORE, SPLIT, HOURS = "dice", "val", 6


def rule(uid, title, condition, severity, summary):
    """One alert per run and class: its best value and its last one within the last hours, put into the condition."""
    rows = request("/v1/grafana/series", {"score": SCORE, "split": SPLIT, "run": "*", "class": "*", "shape": "long", **BETWEEN},
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
            {"refId": "A", "relativeTimeRange": window, "datasourceUid": "maskmeter", "model": {**rows, "maxDataPoints": 1000}},
            reduced("best", "max"),
            reduced("last", "last"),
            expression("fires", type="math", expression=condition),
        ],
        "for": "0s",
        "noDataState": "OK",
        "execErrState": "Error",
        "labels": {"severity": severity},
        "annotations": {"summary": summary, "__dashboardUid__": "maskmeter-run"},
        "isPaused": False,
    }


def alerts():
    place = "{{ $labels.class }} of {{ $labels.run }}"
    now = "{{ printf \"%.3f\" $values.last.Value }}, its best in " + f"{HOURS} hours was " + "{{ printf \"%.3f\" $values.best.Value }}"
    rules = [
        rule("maskmeter-class-drops", "A class drops", "$best - $last > 0.1", "warning",
             f"{place}: {SCORE} fell to {now}."),
        rule("maskmeter-class-lost", "A class is lost", "$best > 0.3 && $last < 0.01", "critical",
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
