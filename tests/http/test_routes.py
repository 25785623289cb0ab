"""test_routes.py - health, metrics, version and registry: what operators and generic clients see."""

import itertools
import json
import re
import shutil

import support
from support import DATA, eventually, parse_metrics, small_file

GOOD = small_file()


def test_liveness_says_nothing_more(server):
    for path in ("/healthz", "/livez"):
        answer = server.get(path)
        assert (answer.status_code, answer.text) == (200, '{"status":"ok"}')
        assert answer.headers["Content-Type"] == "application/json"


def test_readiness_names_its_checks(server):
    answer = server.get("/readyz")
    assert answer.status_code == 200
    document = answer.json()
    assert document["status"] == "ok"
    assert document["checks"]["store"] == "ok" and document["checks"]["draining"] == "no"
    low = shutil.disk_usage(server.data).free < 1 << 30  # near enough to the limit that it may be either
    assert document["checks"]["disk"] in (("ok", "low") if low else ("ok",))


def test_version(server):
    header = (support.ROOT / "lib" / "maskmeter.h").read_text()
    version = re.search(r'#define MM_VERSION "([^"]+)"', header).group(1)
    assert server.get("/version").json()["version"] == version


# ---------------------------------------------------------------------------------------------------- metrics


def families(text):
    """{family: (type, [sample lines])}; HELP and TYPE stand before the samples, each once."""
    out, current = {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split()[2]
            assert current not in out and len(line.split(" ", 3)[3]) > 5
            out[current] = [None, []]
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name == current and out[name][0] is None
            out[name][0] = kind
        else:
            name = re.match(r"[a-zA-Z_:][a-zA-Z0-9_:]*", line).group(0)
            base = re.sub(r"_(bucket|sum|count)$", "", name) if out[current][0] == "histogram" else name
            assert base == current, line
            assert re.fullmatch(r'[a-z_]+(\{([a-z_]+="[^"\\]*",?)*\})? [-+0-9.einfNa]+', line), line
            out[current][1].append(line)
    return out


def test_metrics_are_prometheus_text(server):
    server.score(GOOD, run="metrics", step="1")
    answer = server.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    all_families = families(answer.text)
    for name, (kind, samples) in all_families.items():
        assert kind in ("counter", "gauge", "histogram") and name.startswith(("maskmeter_", "process_"))
        assert name.endswith("_total") == (kind == "counter"), name
        assert len(set(line.rsplit(" ", 1)[0] for line in samples)) == len(samples), f"{name}: a series is there twice"
    for name in (
        "maskmeter_http_requests_total", "maskmeter_http_request_duration_seconds", "maskmeter_http_request_body_bytes",
        "maskmeter_http_inflight_requests", "maskmeter_eval_voxels_total", "maskmeter_eval_duration_seconds",
        "maskmeter_eval_queue_depth", "maskmeter_eval_rejected_total", "maskmeter_store_write_duration_seconds",
        "maskmeter_store_errors_total", "maskmeter_build_info", "process_cpu_seconds_total",
        "process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_start_time_seconds",
    ):
        assert name in all_families, name


def test_openmetrics_for_those_that_name_it(server):
    """What Prometheus sends, and what asks for another version; the samples are the same."""
    prometheus = (
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
        "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    )
    for accept in (prometheus, "application/openmetrics-text"):
        answer = server.request("GET", "/metrics", headers={"Accept": accept})
        assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        lines = answer.text.split("\n")
        assert lines[-2:] == ["# EOF", ""] and "" not in lines[:-1]
        for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", answer.text, re.MULTILINE):
            assert not name.endswith("_total")
            assert kind != "counter" or not re.search(rf"^{name}[ {{]", answer.text, re.MULTILINE), name
    for accept in ("text/plain", "*/*", "application/openmetrics-text;version=0.0.1", "text/plain;version=0.0.4"):
        answer = server.request("GET", "/metrics", headers={"Accept": accept})
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")


def test_histograms_are_cumulative(server):
    server.score(GOOD, run="metrics", step="2")
    series = {}
    for name, (kind, samples) in families(server.get("/metrics").text).items():
        for line in samples if kind == "histogram" else ():
            key, value = line.rsplit(" ", 1)
            bound = re.search(r'le="([^"]*)"', key)
            labels = re.sub(r',?le="[^"]*",?', "", key.partition("{")[2])
            if bound:
                series.setdefault((name, labels.strip("},")), []).append((float(bound.group(1)), float(value)))
            elif key.startswith(name + "_count"):
                series.setdefault((name, labels.strip("},")), []).append((None, float(value)))
    assert series
    for key, points in series.items():
        buckets = [point for point in points if point[0] is not None]
        assert [b for b, _ in buckets] == sorted(b for b, _ in buckets) and buckets[-1][0] == float("inf"), key
        counts = [count for _, count in buckets]
        assert counts == sorted(counts), key
        (total,) = [value for bound, value in points if bound is None]
        assert counts[-1] == total, key


def test_what_is_counted(start):
    server = start()
    body = (DATA / "demo.safetensors").read_bytes()
    server.score(body, run="unet", step="1")
    server.score(body)
    server.post(b"")
    server.get("/v1/runs/unet")
    server.get("/v1/runs/secret-name")
    server.get("/nowhere")
    text = server.get("/metrics").text
    metrics = parse_metrics(text)

    def requests(method, route, code):
        return metrics.get(f'maskmeter_http_requests_total{{method="{method}",route="{route}",code="{code}"}}', 0)

    assert requests("POST", "/v1/evaluations", 200) == 2
    assert requests("POST", "/v1/evaluations", 400) == 1
    assert requests("GET", "/v1/runs/{run}", 200) == 1
    assert requests("GET", "/v1/runs/{run}", 404) == 1
    assert metrics['maskmeter_eval_voxels_total{dtype="F16"}'] == 2 * 20736
    assert metrics["maskmeter_http_request_body_bytes_sum"] >= 2 * len(body)
    assert metrics["maskmeter_memory_used_bytes"] == 0
    assert metrics['maskmeter_store_write_duration_seconds_count{backend="sqlite"}'] == 1
    assert "unet" not in text and "secret-name" not in text and "nowhere" not in text
    assert metrics["process_resident_memory_bytes"] > 2**20
    (info,) = [name for name in metrics if name.startswith("maskmeter_build_info{")]
    assert 'cpu="' in info and metrics[info] == 1


def test_descriptors_come_back(server):
    before = server.metrics()["process_open_fds"]
    for _ in range(50):
        connection = server.connect()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        connection.close()
    eventually(lambda: server.metrics()["process_open_fds"] <= before + 1)


# ---------------------------------------------------------------------------------------------------- registry


def test_registry(server):
    """The scores of this version are all there, with formulas, and every parameter says its default and meaning."""
    scores = {row["name"]: row for row in server.get("/v1/scores").json()["scores"]}
    natural = (
        "dice iou precision recall specificity accuracy tp fp fn tn dice_loss jaccard_loss tversky_loss "
        "focal_tversky_loss generalized_dice_loss cross_entropy binary_cross_entropy focal_loss"
    ).split()
    seed = (
        "categorical_dice categorical_tversky generalized_dice_loss_w categorical_crossentropy "
        "weighted_categorical_crossentropy categorical_focal_loss categorical_dicePcrossentroy "
        "categorical_dicePfocalloss binary_crossentropy weighted_binary_crossentropy balanced_binary_crossentropy "
        "binary_focal"
    ).split()
    for name in natural + [f"seed.{name}" for name in seed]:
        row = scores[name]
        assert row["summary"] and row["formula"]
        for param in row["params"] + row["common"]:
            assert param["meaning"] and param["required"] == (param["default"] is None)
    assert {row["name"] for row in scores["dice"]["common"]} >= {"over", "classes", "absent", "average"}
    assert {"alpha", "beta", "smooth"} <= {param["name"] for param in scores["tversky_loss"]["params"]}
    aliases = {alias: row["name"] for row in scores.values() for alias in row["aliases"]}
    assert aliases["f1"] == "dice" and aliases["jaccard"] == "iou" and aliases["sensitivity"] == "recall"
    assert not set(aliases) & set(scores)


def an_argument(param):
    """Values to try for a required parameter: its choices, or something of its type that suits three classes."""
    if "choices" in param:
        return param["choices"]
    if param["type"] == "matrix":
        return ["[[0,1,1],[1,0,1],[1,1,0]]"]
    lists = [] if param["type"] == "number" else ["[1,1,1]", "[1,1]"]
    return lists + ["0.5", "1"] * param["type"].startswith("number")


def test_every_listed_score_can_be_asked_for(server):
    """By name and by alias, with its required parameters, of some kind of input; an alias gives what the name gives."""
    probs, label = support.softmax_case(images=2, classes=3)
    two = support.softmax_case(images=2, classes=2)
    onehot = support.np.eye(3, dtype="u1")[label].transpose(0, 3, 1, 2).copy()
    bodies = [
        (support.safetensors({"pred": probs, "label": label}), {}),
        (support.safetensors({"pred": probs[:, :1], "label": onehot[:, :1]}), {}),
        (support.safetensors({"pred": two[0], "label": two[1]}), {}),
        (support.safetensors({"pred": probs * 4 - 2, "label": label}), {"pred_kind": "logits"}),
        (support.safetensors({"pred": label, "label": label}), {"num_classes": 3}),
        (support.safetensors({"pred": probs[:, :2] * 1, "label": onehot[:, :2]}), {"task": "multilabel"}),
    ]
    for row in server.get("/v1/scores").json()["scores"]:
        needed = [param for param in row["params"] if param["required"]]
        trials = [
            ",".join(f"{param['name']}={value}" for param, value in zip(needed, values))
            for values in itertools.product(*(an_argument(param) for param in needed))
        ]
        answers = []
        for name in [row["name"], *row["aliases"]]:
            results = [
                server.post(body, scores=f"x:{name}({arguments})", **params)
                for body, params in bodies
                for arguments in trials
            ]
            assert any(r.status_code == 200 for r in results), (name, [r.json().get("detail") for r in results])
            answers.append(
                [json.dumps(r.json()["scores"][0] | {"expression": ""}) for r in results if r.status_code == 200]
            )
        assert all(answer == answers[0] for answer in answers), row["name"]
