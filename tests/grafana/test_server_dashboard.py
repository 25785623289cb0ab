"""test_server_dashboard.py - every query of the dashboard about the server, answered by Debian's own Prometheus that
scrapes a live server, and what Grafana's own libraries make of the answers."""

import re
import time

import npm
import pytest
import queries
import support
from prometheus import Prometheus

PROMQL = queries.prometheus_queries()
# What Grafana fills in: over a shorter time than in use, since the server has only just started.
FILLED = {"__rate_interval": "3s", "__range": "10s", "instance": ".*", "datasource": "prometheus"}
# Nothing is wrong with the server of the test, so that there is nothing to draw.
QUIET = {"Refused or failed A"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Not the one whose store is looked at."""
    running = support.Server(tmp_path_factory.mktemp("data"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def watching(server, tmp_path_factory):
    """A Prometheus that has seen some traffic for a while."""
    running = Prometheus(tmp_path_factory.mktemp("prometheus"), server.port)
    running.until('up{job="maskmeter"} == 1')
    files = support.small_file(), support.small_file(images=2, spatial=(256, 256))  # a small one waits in no queue
    end = time.monotonic() + 4
    step = 0
    while time.monotonic() < end:
        server.score(files[step % 2], run="traffic", split="test", step=step)
        server.get("/v1/runs")
        step += 1
        time.sleep(0.05)
    yield running
    running.stop()


def series_name(labels, legend):
    """As the data source writes a legend."""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: labels.get(match.group(1), match.group(0)), legend)


def number(text):
    """A quantile of nothing is NaN, which is drawn as a gap."""
    return None if text == "NaN" else float(text)


def frame(labels, values, target):
    """A frame of one series, as the data source makes it of an answer."""
    name = series_name(labels, target["legendFormat"])
    config = {"displayNameFromDS": name} if name else {}
    plain = {key: value for key, value in labels.items() if key != "__name__"}
    fields = [{"name": "Time", "type": "time"}, {"name": "Value", "type": "number", "labels": plain, "config": config}]
    return {"schema": {"refId": target["refId"], "fields": fields},
            "data": {"values": [[1000 * at for at, _ in values], [number(value) for _, value in values]]}}


@pytest.fixture(scope="module")
def results(watching):
    jobs, frames = {}, {}
    for name, (target, panel) in PROMQL.items():
        expression = queries.interpolated(target["expr"], FILLED)
        assert "$" not in expression
        if target["instant"]:
            rows = [(labels, [[time.time(), value]]) for labels, value in watching.query(expression)]
        else:
            rows = watching.query_range(expression, seconds=4)
        frames[name] = [frame(labels, values, target) for labels, values in rows]
        jobs[name] = {"frames": frames[name], "panel": panel}
    return npm.grafana(jobs=jobs)["jobs"]


@pytest.mark.parametrize("name", PROMQL)
def test_query_is_answered(results, name):
    values = [field for field in results[name]["fields"] if field["type"] == "number"]
    assert values or name in QUIET, "nothing to draw"
    for field in values:
        known = [value for value in field["values"] if value is not None]
        assert known and min(known) >= 0
        assert not field["display"].startswith("{{")


def displays(results, name):
    return {field["display"] for field in results[name]["fields"] if field["type"] == "number"}


def test_legends(results):
    assert displays(results, "Answers by code A") == {"200"}
    assert {"POST /v1/evaluations", "GET /v1/runs", "GET /metrics"} <= displays(results, "Answers by route A")
    assert displays(results, "Voxels scored A") == {"F32"}
    assert displays(results, "Delay by stage A") == {"receive", "queue", "compute", "store"}
    assert displays(results, "Delay of answers A") == {"half"} and displays(results, "Delay of answers B") == {"99 %"}


def shown(results, name):
    return [stat["text"] for stat in results[name]["shown"]]


def test_stats(server, results):
    assert shown(results, "Up A") == ["1"] and shown(results, "Errors A") == ["0%"]
    assert shown(results, "Evaluations waiting A")[0].isdigit() and shown(results, "Writes refused A") == ["0"]
    (version,) = results["Version A"]["shown"]
    assert version["title"].startswith(server.get("/version").json()["version"] + ", ")
    assert re.search(r"(second|minute)s? ago$", shown(results, "Running since A")[0])
    assert shown(results, "Descriptors in use A")[0].endswith("%")


def test_quantities(server, results):
    """The unit of each panel is that of its metric."""
    memory = {name: results[f"Memory budget {ref}"]["fields"][1]["text"][-1]
              for name, ref in (("used", "A"), ("idle", "B"), ("limit", "C"), ("resident", "D"))}
    assert all(re.fullmatch(r"\d+(\.\d+)? ([KMGT]i)?B", text) for text in memory.values()), memory
    delay = results["Delay of answers A"]["fields"][1]["text"][-1]
    assert re.fullmatch(r"\d+(\.\d+)? (µs|ms|s)", delay)
    answers = results["Answers by code A"]["fields"][1]
    assert answers["text"][-1].endswith(" req/s") and 5 < answers["values"][-1] < 200


def test_the_variable_lists_the_servers(server, watching):
    variable = queries.DASHBOARDS["maskmeter-server"]["templating"]["list"][1]
    metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()
    found = watching.get(f"label/{label}/values", **{"match[]": metric})
    assert found == [f"127.0.0.1:{server.port}"]
