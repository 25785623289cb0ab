"""queries.py - the queries that dashboards hold, and how Grafana and its Infinity data source fill in and send them."""

import json
import pathlib
import re
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
GRAFANA = ROOT / "deploy" / "grafana"
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((GRAFANA / "dashboards").glob("*.json"))}
ALERTS = json.loads((GRAFANA / "provisioning/alerting/maskmeter.json").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
INFINITY = "yesoreyeram-infinity-datasource"

# What Infinity sends with each request.
HEADERS = {
    "Accept": "application/json;q=0.9,text/plain",
    "Accept-Encoding": "gzip",
    "Authorization": "Bearer none",
    "User-Agent": "Grafana/13.2.3",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}


def panels(dashboard):
    return [panel for panel in DASHBOARDS[dashboard]["panels"] if panel["type"] != "row"]


def infinity_queries():
    """{ID: (query, panel or None)} of every panel, variable, annotation and alert rule that asks maskmeter."""
    out = {}
    for name, dashboard in DASHBOARDS.items():
        short = name.replace("maskmeter-", "")
        for panel in panels(name):
            for target in panel["targets"]:
                if target["datasource"]["type"] == INFINITY:
                    out[f"{short}: {panel['title']}"] = (target, panel)
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query" and variable["datasource"]["type"] == INFINITY:
                out[f"{short}: ${variable['name']}"] = (variable["query"]["infinityQuery"], None)
        for annotation in dashboard["annotations"]["list"]:
            out[f"{short}: {annotation['name']}"] = (annotation["target"], None)
    for rule in RULES:
        out[f"alert: {rule['title']}"] = (rule["data"][0]["model"], None)
    return out


def prometheus_queries():
    """{ID: (query, panel)} of the panels that ask Prometheus."""
    return {f"{panel['title']} {target['refId']}": (target, panel) for name in DASHBOARDS for panel in panels(name)
            for target in panel["targets"] if target["datasource"]["type"] == "prometheus"}


# ------------------------------------------------------------------------------------------- interpolation

VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)(?:\.([^:^}]+))?(?::([^}]+))?\}")


def formatted(value, form):
    """A list is a "glob" unless it is told otherwise."""
    if not isinstance(value, list):
        return str(value)
    if form == "csv":
        return ",".join(value)
    assert form in (None, "glob"), form
    return value[0] if len(value) == 1 else "{" + ",".join(value) + "}"


def interpolated(text, variables):
    """As the browser does: what it does not know stays."""
    def one(match):
        name, form = match.group(1) or match.group(2), match.group(4)
        return formatted(variables[name], form) if name in variables else match.group(0)

    return VARIABLE.sub(one, text)


def macros(text, since, until):
    """As Infinity's backend does afterwards."""
    return text.replace("${__timeFrom}", str(since)).replace("${__timeTo}", str(until))


def address(query, variables, since, until):
    """The path and query of the request: parameters sorted by name, blanks as +."""
    params = [(param["key"], macros(interpolated(param["value"], variables), since, until))
              for param in query["url_options"]["params"]]
    params.sort(key=lambda param: param[0])
    path = interpolated(query["url"], variables)
    return path + ("?" + urllib.parse.urlencode(params) if params else "")


def send(server, query, variables, since, until):
    return server.session.get(server.url + address(query, variables, since, until), headers=HEADERS, timeout=60)
