"""test_deploy_prometheus.py - /metrics and the files of deploy/prometheus, judged by Debian's own Prometheus."""

import re
import shutil
import sys

import pytest
import support
import yaml
from tokens import create

sys.path.insert(0, str(support.ROOT / "tests" / "deploy"))

from prometheus import FOLDER, Prometheus, promtool, with_token  # noqa: E402

GOOD = support.small_file()
RULES = [rule for group in yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def metrics(server):
    """/metrics after some of everything has happened."""
    server.score(GOOD, run="watched", step="1")
    server.post(b"not a file", run="watched", step="2")
    server.get("/v1/runs")
    server.get("/nowhere")
    return server.get("/metrics").text


def test_promtool_finds_nothing_in_the_metrics(metrics):
    assert promtool("check", "metrics", stdin=metrics) == ""


def test_promtool_likes_the_configuration_and_the_rules(tmp_path):
    shutil.copy(FOLDER / "rules.yaml", tmp_path)
    (tmp_path / "prometheus.yaml").write_text(with_token((FOLDER / "prometheus.yaml").read_text(), tmp_path, "none"))
    assert "10 rules found" in promtool("check", "config", tmp_path / "prometheus.yaml")
    assert len(RULES) == 10


def test_each_alert_fires_when_it_should():
    """Every rule has a case in which it fires and one in which it does not."""
    promtool("test", "rules", FOLDER / "rules.test.yaml")
    cases = [case for test in yaml.safe_load((FOLDER / "rules.test.yaml").read_text())["tests"]
             for case in test["alert_rule_test"]]
    for rule in RULES:
        fires = {bool(case["exp_alerts"]) for case in cases if case["alertname"] == rule["alert"]}
        assert fires == {True, False}, rule["alert"]


def test_rules_name_metrics_that_there_are(metrics):
    """promtool cannot know: it would watch a metric that nobody exports for ever."""
    exported = set(re.findall(r"^([a-z_]+)[{ ]", metrics, re.MULTILINE)) | {"up"}
    for rule in RULES:
        names = set(re.findall(r"\b(?:maskmeter|process)_[a-z_]+|\bup\b", rule["expr"]))
        assert names and names <= exported, rule["alert"]
        for label, value in re.findall(r'(reason|stage)="(\w+)"', rule["expr"]):
            assert f'{label}="{value}"' in metrics, rule["alert"]
        assert rule["labels"]["severity"] in ("warning", "critical") and rule["annotations"]["summary"].endswith(".")


def test_prometheus_scrapes_the_server(server, metrics, tmp_path):
    """What it answers is what was counted."""
    watching = Prometheus(tmp_path, server.port)
    try:
        (labels, up), = watching.until('up{job="maskmeter"} == 1')
        assert labels["instance"] == f"127.0.0.1:{server.port}"
        (labels, one), = watching.query("maskmeter_build_info")
        assert one == 1 and labels["version"] == server.get("/version").json()["version"]
        assert watching.query('sum(maskmeter_eval_voxels_total)')[0][1] == 2 * 16 * 20
        assert watching.query('maskmeter_eval_rejected_total{reason="malformed"}')[0][1] == 1
        before = watching.query("sum(maskmeter_http_requests_total)")[0][1]
        for _ in range(20):
            server.get("/v1/runs")
        watching.until(f"sum(maskmeter_http_requests_total) >= {before + 20}")
        watching.until('rate(maskmeter_http_requests_total{route="/v1/runs"}[5s]) > 0')
        delay = watching.query('histogram_quantile(0.5, sum by (le) (maskmeter_http_request_duration_seconds_bucket))')
        assert 0 < delay[0][1] < 5
        rules = watching.get("rules")["groups"][0]["rules"]
        assert [rule["name"] for rule in rules] == [rule["alert"] for rule in RULES]
        assert all(rule["health"] != "err" and rule["state"] == "inactive" for rule in rules)
        for rule in RULES:
            assert watching.query(rule["expr"]) == [], rule["alert"]
    finally:
        watching.stop()


def test_prometheus_scrapes_a_server_with_tokens(start, tmp_path):
    """With the operator's token, and not with a wrong one."""
    server = start()
    token = create(server.data, "read", "--project=*")
    for shown, value in ((create(server.data, "ingest"), 0), (token, 1)):
        folder = tmp_path / f"up{value}"
        folder.mkdir()
        watching = Prometheus(folder, server.port, shown)
        try:
            watching.until('up{job="maskmeter"}', lambda rows, value=value: rows and rows[0][1] == value)
            assert bool(watching.query("maskmeter_build_info")) == bool(value)
        finally:
            watching.stop()
