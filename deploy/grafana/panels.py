"""panels.py - queries, panels and variables as Grafana wants them written; generate.py puts them together.

Scores come from maskmeter through the Infinity data source, the server's own health from Prometheus.  A query to
maskmeter has columns only where the type of one would be guessed wrong: time is never guessed, and numbers that are all
null are taken for text.
"""

INFINITY = "yesoreyeram-infinity-datasource"
PROMETHEUS = "prometheus"
WIDTH = 24  # of a dashboard, in grid units

# ------------------------------------------------------------------------------------------------ queries


def source(kind, uid="${datasource}"):
    return {"type": kind, "uid": uid}


def column(key, kind, name=None):
    """name: of the field, when it is not the key."""
    return {"selector": key, "text": name or key, "type": kind}


# Grafana shows a field that is named Value by its labels, or by the query's letter when it has none.
TIME, VALUE = column("Time", "timestamp_epoch"), column("Value", "number")
CELL, NEXT = column("Value", "number", "value"), column("next", "number", "next best")


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


def panel(kind, title, description, targets, size, unit="none", decimals=None, custom=None, options=None, steps=None,
          low=None, high=None, overrides=(), links=()):
    """What all panels have.  size: (width, height)."""
    defaults = {"unit": unit, "decimals": decimals, "min": low, "max": high,
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
    return {"displayMode": "table", "placement": "right", "showLegend": True, "calcs": list(calcs)}


def lines(gaps, **more):
    """gaps: an undefined value interrupts its line.  Without, a line reaches over the times of other lines' points."""
    return {"drawStyle": "line", "lineWidth": 2, "showPoints": "auto", "pointSize": 5, "spanNulls": not gaps,
            "axisBorderShow": False, **more}


TOOLTIP = {"mode": "multi", "sort": "desc"}


def timeseries(title, description, targets, size, gaps=True, fill=0, stacked=False, **more):
    custom = lines(gaps, fillOpacity=fill)
    if stacked:
        custom["stacking"] = {"mode": "normal", "group": "A"}
    return panel("timeseries", title, description, targets, size, custom=custom,
                 options={"legend": legend("lastNotNull", "max"), "tooltip": TOOLTIP}, **more)


def trend(title, description, targets, size, gaps=True, **more):
    """Lines over the step of training, which is a number and no time."""
    return panel("trend", title, description, targets, size, custom=lines(gaps),
                 options={"xField": "step", "legend": legend("lastNotNull", "max"), "tooltip": TOOLTIP},
                 overrides=[override("step", decimals=0)], **more)


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
    """One bar per row of a table of one number; its other columns name the bars."""
    return panel("bargauge", title, description, targets, size,
                 options={"reduceOptions": reduce_options(), "displayMode": "gradient",
                          "orientation": "horizontal", "valueMode": "color", "namePlacement": "auto", "sizing": "auto",
                          "showUnfilled": True, "minVizWidth": 8, "minVizHeight": 16, "maxVizHeight": 300,
                          "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []}},
                 **more)


def override(name, links=None, width=None, **properties):
    """Of the column of that name."""
    found = [{"id": key, "value": value} for key, value in properties.items()]
    if links:
        found.append({"id": "links", "value": links})
    if width:
        found.append({"id": "custom.width", "value": width})
    return {"matcher": {"id": "byName", "options": name}, "properties": found}


def table(title, description, targets, size, order=None, sort=None, overrides=(), **more):
    """order: the columns from left to right; Infinity sorts them by name."""
    found = panel("table", title, description, targets, size, custom={"align": "auto", "filterable": False},
                  options={"showHeader": True, "cellHeight": "sm",
                           "sortBy": [{"displayName": sort[0], "desc": sort[1]}] if sort else []},
                  overrides=overrides, **more)
    if order:
        found["transformations"] = [{"id": "organize", "options": {
            "indexByName": {name: i for i, name in enumerate(order)}, "excludeByName": {}, "renameByName": {},
            "includeByName": {}}}]
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


def query_variable(name, label, kind, query, everything=None):
    """everything: the value that stands for all of them; without, there is one."""
    many = everything is not None
    found = {"name": name, "type": "query", "label": label, "datasource": source(kind), "query": query, "refresh": 2,
             "sort": 0, "hide": 0, "multi": many, "includeAll": many, "regex": "",
             "current": {"text": ["All"], "value": ["$__all"]} if many else {}, "options": []}
    return {**found, "allValue": everything} if many else found


def variable(name, label, of, many=False, **params):
    """of: runs, splits, classes or scores."""
    query = {"refId": "variable", "queryType": "infinity",
             "infinityQuery": request(f"/v1/grafana/variables/{of}", params, ref="variable")}
    return query_variable(name, label, INFINITY, query, "*" if many else None)


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
