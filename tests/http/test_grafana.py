"""test_grafana.py - rows for dashboards: shapes, filters and their macros, thinning, hostile names, writers and deletions."""

import json
import threading
import time
from urllib.parse import quote

import numpy as np
import pytest
from support import PATIENCE, near, problem, safetensors, small_file, softmax_case

SERIES, LATEST = "/v1/grafana/series", "/v1/grafana/latest"
CLASSES = ("background", "liver", "tumour")
T0 = 1_760_000_000_000


def rfc3339(ms):
    return np.datetime_as_string(np.datetime64(ms, "ms"), unit="ms") + "Z"


def store(server, run, step, time=None, seed=1, classes=CLASSES, split="val", images=4, absent=None, **params):
    """One evaluation; the answer.  absent: a class that is neither in label nor in prediction."""
    probs, label = softmax_case(images=images, classes=len(classes), seed=seed)
    if absent is not None:
        probs[:, absent] = 0
        label[label == absent] = 0
    params = {"scores": "dice,ce:cross_entropy,tp", **params}
    if time is not None:
        params["time"] = rfc3339(time)
    body = safetensors({"pred": probs, "label": label})
    ids = ",".join(f"case-{i}" for i in range(images))
    return server.score(body, run=run, split=split, step=str(step), classes=",".join(classes), image_ids=ids, **params)


def rows(server, path=SERIES, **params):
    answer = server.get(path, **params)
    assert answer.status_code == 200, answer.text
    return answer.json()["rows"]


def score_of(document, name):
    return next(score for score in document["scores"] if score["name"] == name)


@pytest.fixture(scope="module")
def filled(server):
    """Steps that go back, another split, a second run; what the uploads answered, by (run, split, step)."""
    answers = {}
    for i, step in enumerate((100, 200, 150, 300)):
        answers["unet", "val", step] = store(server, "unet", step, T0 + 60_000 * i, seed=step)
    answers["unet", "test", 100] = store(server, "unet", 100, T0 - 1000, seed=7, split="test")
    for i, step in enumerate((100, 300)):
        answers["other", "val", step] = store(server, "other", step, T0 + 30_000 + 60_000 * i, seed=step + 1)
    server.answers = answers
    return server


# ----------------------------------------------------------------------------------------------------- series


def test_long_rows_are_the_values_of_the_uploads(filled):
    expected = []
    for i, step in enumerate((100, 200, 150, 300)):
        values = score_of(filled.answers["unet", "val", step], "dice")["per_class"]
        expected += [{"Time": T0 + 60_000 * i, "class": c, "Value": v} for c, v in zip(CLASSES, values)]
    document = filled.get(SERIES, score="dice", run="unet", split="val").json()
    assert document["rows"] == expected
    assert document["meta"] == {
        "score": "dice", "unit": "ratio", "x": "time", "order": "time", "truncated": False, "points": 12,
        "evaluations": 4, "evaluations_found": 4,
    }  # fmt: skip


def test_several_runs_are_named_and_ordered(filled):
    found = rows(filled, score="dice", run="unet,other", split="val", **{"class": "liver"})
    assert [list(row) for row in found] == [["Time", "run", "class", "Value"]] * 6
    assert [row["Time"] for row in found] == sorted(row["Time"] for row in found)
    assert [row["run"] for row in found] == ["unet", "other", "unet", "other", "unet", "unet"]


def test_without_a_split_rows_say_theirs(filled):
    found = rows(filled, score="dice", run="unet", shape="value")
    assert [(row["split"], row["run"]) for row in found] == [("test", "unet")] + [("val", "unet")] * 4


def test_value_is_the_scores_own(filled):
    found = rows(filled, score="ce", run="unet", split="val", shape="value", x="step")
    assert [row["step"] for row in found] == [100, 150, 200, 300]
    for row in found:
        assert row == {"step": row["step"], "run": "unet",
                       "Value": score_of(filled.answers["unet", "val", row["step"]], "ce")["value"]}  # fmt: skip


def test_wide_has_a_column_per_class(filled):
    document = filled.get(SERIES, score="dice", run="unet", split="val", shape="wide", x="step").json()
    assert [row["step"] for row in document["rows"]] == [100, 150, 200, 300]
    for row in document["rows"]:
        values = score_of(filled.answers["unet", "val", row["step"]], "dice")["per_class"]
        assert row == {"step": row["step"], **dict(zip(CLASSES, values))}
    assert document["meta"]["x"] == "step" and document["meta"]["undefined"] == []


def test_wide_runs_has_a_column_per_run(filled):
    found = rows(filled, score="dice", run="unet,other", split="val", shape="wide_runs", x="step")
    assert [list(row) for row in found] == [["step", "unet", "other"]] * 4
    assert [row["other"] is None for row in found] == [False, True, True, False]
    assert found[0]["other"] == score_of(filled.answers["other", "val", 100], "dice")["value"]


def test_wide_needs_one_run_and_one_split(filled):
    problem(filled.get(SERIES, score="dice", split="val", shape="wide"), 400, param="run")
    problem(filled.get(SERIES, score="dice", run="unet", shape="wide"), 400, param="split")
    problem(filled.get(SERIES, score="dice", shape="wide_runs"), 400, param="split")


def test_undefined_is_a_gap_with_its_reason(start):
    server = start()
    store(server, "r", 1, T0)
    store(server, "r", 2, T0 + 1, absent=2)
    found = rows(server, score="dice", run="r", split="val")
    assert found[5] == {"Time": T0 + 1, "class": "tumour", "Value": None} and found[2]["Value"] is not None
    wide = server.get(SERIES, score="dice", run="r", split="val", shape="wide", x="step", first_step="2").json()
    assert list(wide["rows"][0]) == ["step", "background", "liver"] and wide["meta"]["undefined"] == ["tumour"]
    latest = rows(server, LATEST, score="dice", run="r", split="val")[2]
    assert latest == {"class": "tumour", "Value": None, "label_voxels": 0, "pred_voxels": 0, "reason": "absent_in_both"}


# ------------------------------------------------------------------------------------- filters and their macros


def test_time_and_steps_are_inclusive(filled):
    ask = {"score": "dice", "run": "unet", "split": "val", "shape": "value"}
    times = lambda **more: [row["Time"] - T0 for row in rows(filled, **ask, **more)]  # noqa: E731
    assert times(**{"from": T0 + 60_000, "to": T0 + 120_000}) == [60_000, 120_000]
    assert times(**{"from": T0 + 60_001}) == [120_000, 180_000]
    assert times(**{"from": T0 + 2, "to": T0 + 1}) == []
    assert times(first_step=150, last_step=200) == [60_000, 120_000]
    assert times(first_step=201, last_step=200) == []


@pytest.mark.parametrize("value", ["", "*", "$__all", "${run:csv}", "$run"])
def test_no_filter(filled, value):
    everything = rows(filled, score="dice", split="val", shape="value")
    assert len(everything) == 6 and rows(filled, score="dice", split="val", shape="value", run=value) == everything
    assert rows(filled, score="dice", split=value, run="other") == rows(filled, score="dice", run="other")


@pytest.mark.parametrize("name", ["*", "$__all", "$run", "{unet}"])
def test_names_that_dashboards_read_otherwise(start, name):
    """A run may have such a name: it is stored, listed, exported and deleted under it; here it stands for what it always does."""
    server = start()
    server.score(small_file(), run=name, step=1, scores="dice")
    server.score(small_file(seed=2), run="unet", step=2, scores="dice")
    assert {row["run"] for row in server.get("/v1/runs").json()["runs"]} == {name, "unet"}
    assert server.get("/v1/evaluations", run=name, split="val", step="1").json()["images"] == 2
    answer = server.get("/v1/grafana/series", run=name, score="dice", shape="value").json()["rows"]
    assert [row.get("run") for row in answer] == (["unet"] if name == "{unet}" else [name, "unet"])
    assert server.request("DELETE", "/v1/runs/" + quote(name, safe="")).status_code == 204
    assert [row["run"] for row in server.get("/v1/runs").json()["runs"]] == ["unet"]


def test_lists_as_globs_and_macros_without_a_value(filled):
    plain = rows(filled, score="dice", split="val", run="unet", **{"class": "liver,tumour"})
    assert len(plain) == 8
    assert rows(filled, score="dice", split="val", run="{unet}", **{"class": "{liver,tumour}"}) == plain
    assert rows(
        filled, score="dice", split="val", run="unet", shape="$s", x="", interval_ms="${__interval_ms}",
        max_points="$m", to="$t", **{"class": "liver,tumour", "from": "${__timeFrom}"},
    ) == plain  # fmt: skip
    assert len(rows(filled, score="dice", split="val", run="unet", **{"class": "liver,$__all"})) == 12


@pytest.mark.parametrize("params", [
    {"from": "yesterday"}, {"to": "1.5"}, {"interval_ms": "-1"}, {"max_points": "0"}, {"shape": "round"},
    {"x": "epoch"}, {"first_step": "-1"},
])
def test_anything_else_wrong_is_named(filled, params):
    problem(filled.get(SERIES, score="dice", **params), 400, param=next(iter(params)))


def test_repeated_and_unknown_parameters(filled):
    problem(filled.request("GET", SERIES + "?score=dice&score=iou"), 400, param="score")
    problem(filled.get(SERIES, scores="dice"), 400, param="scores", says="score")


HOSTILE = ["' OR 1=1 --", '"', "<script>alert(1)</script>", "a/b", "../x", "🧠 אב", "x" * 10_000, "%", "\\", "{", "a{b}"]


@pytest.mark.parametrize("name", HOSTILE)
def test_unknown_names_match_nothing(filled, name):
    for key in ("run", "split", "score", "class"):
        params = {"score": "dice", "run": "unet", "split": "val", key: name}
        document = filled.get(SERIES, **params).json()
        assert document["rows"] == [] and document["meta"]["points"] == 0, key
    for path in ("latest", "best", "annotations", "confusion", "images", "percentiles", "variables/scores"):
        assert rows(filled, "/v1/grafana/" + path, run=name) == [], path


def test_nothing_is_stored_yet(start):
    server = start()
    for path in ("series", "latest", "best", "annotations", "confusion", "images", "percentiles"):
        for params in ({}, {"score": "dice"}) if path in ("series", "latest", "images", "percentiles") else ({},):
            assert rows(server, "/v1/grafana/" + path, **params) == []
    for what in ("runs", "splits", "classes", "scores"):
        assert server.get(f"/v1/grafana/variables/{what}").json() == {"rows": []}


@pytest.mark.parametrize("name", [name for name in HOSTILE if len(name) <= 256 and name != "a{b}"])
def test_hostile_names_come_back(start, name):
    server = start()
    store(server, name, 1, T0, classes=(name, "step", "Time"), split=name, scores="dice")
    assert rows(server, "/v1/grafana/variables/runs")[0]["__value"] == name
    assert [row["__value"] for row in rows(server, "/v1/grafana/variables/classes", run=name)] == [name, "step", "Time"]
    found = rows(server, score="dice", run=name, split=name, **{"class": name})
    assert [row["class"] for row in found] == [name]
    wide = rows(server, score="dice", run=name, split=name, shape="wide", x="step")
    assert list(wide[0]) == ["step", name, "step (class)", "Time"]
    assert list(rows(server, score="dice", run=name, split=name, shape="wide")[0]) == ["Time", name, "step", "Time (class)"]
    assert rows(server, "/v1/grafana/confusion", run=name)[0]["reference"] == name
    assert rows(server, "/v1/grafana/annotations", run=name)[0]["title"] == f"best {name}/dice"


# --------------------------------------------------------------------------------------------------- thinning


def test_a_million_points(start):
    """More points than asked for: fewer come, the first and the last among them, and meta says so."""
    server = start()
    for step in range(60):
        store(server, "r", step, T0 + 1000 * step, images=1, scores="dice")
    ask = {"score": "dice", "run": "r", "split": "val"}
    everything = server.get(SERIES, max_points=1_000_000, **ask).json()
    assert everything["meta"]["truncated"] is False and len(everything["rows"]) == 180
    thin = server.get(SERIES, max_points=10, **ask).json()
    times = [row["Time"] for row in thin["rows"][::3]]
    assert 5 <= len(times) <= 10 and times[0] == T0 and times[-1] == T0 + 59_000
    assert thin["meta"]["truncated"] is True
    assert (thin["meta"]["evaluations"], thin["meta"]["evaluations_found"]) == (len(times), 60)
    assert [row for row in everything["rows"] if row["Time"] in times] == thin["rows"]
    # the last of each interval, never an average
    minutes = rows(server, interval_ms=10_000, shape="value", **ask)
    every = rows(server, shape="value", **ask)
    assert [row["Time"] for row in minutes] == [T0 + 1000 * step for step in range(9, 60, 10)]
    assert all(row in every for row in minutes)
    # an interval belongs to the time axis
    assert len(rows(server, interval_ms=10_000, shape="value", x="step", **ask)) == 60


# ------------------------------------------------------------------------------------- latest, best, annotations


def test_latest_is_the_newest_by_time(filled):
    answer = filled.answers["unet", "val", 300]
    document = filled.get(LATEST, score="dice", run="unet", split="val").json()
    values = score_of(answer, "dice")["per_class"]
    assert document["rows"] == [
        {"class": row["name"], "Value": value, "label_voxels": row["label_voxels"], "pred_voxels": row["pred_voxels"],
         "reason": None} for row, value in zip(answer["classes"], values)
    ]  # fmt: skip
    assert document["meta"]["step"] == 300 and document["meta"]["time"] == T0 + 180_000
    older = filled.get(LATEST, score="dice", run="unet", split="val", to=T0 + 130_000).json()
    assert older["meta"]["step"] == 150
    assert {row["run"]: row["step"] for row in rows(filled, LATEST, score="dice", shape="value", split="val")} == {
        "unet": 300, "other": 300,
    }  # fmt: skip


def test_best_and_annotations(filled):
    for name, best in (("dice", max), ("ce", min)):
        values = {step: score_of(filled.answers["unet", "val", step], name)["value"] for step in (100, 200, 150, 300)}
        step = best(values, key=values.get)
        (row,) = rows(filled, "/v1/grafana/best", run="unet", split="val", score=name)
        assert (row["step"], row["Value"]) == (step, values.pop(step))
        assert row["next"] == best(values.values()) and row["better"] == ("higher" if name == "dice" else "lower")
        (note,) = rows(filled, "/v1/grafana/annotations", run="unet", split="val", score=name)
        assert note["time"] == row["Time"] and note["title"] == f"best val/{name}" and note["tags"] == "best,val"
        ahead = row["Value"] - row["next"]
        assert note["text"] == f"step {step}: {name} {row['Value']:.4g} ({ahead:+.2g})"
    assert rows(filled, "/v1/grafana/best", run="unet", score="tp") == []
    assert rows(filled, "/v1/grafana/annotations", run="unet", to=T0 - 2000) == []
    several = rows(filled, "/v1/grafana/annotations", run="unet,other", score="dice", split="val")
    assert {note["text"].split(",")[0] for note in several} == {"unet", "other"}


# ----------------------------------------------------------------------------------- one evaluation, image by image


def evaluation(server, run, step, **params):
    return server.get("/v1/evaluations", run=run, step=str(step), **params).json()


def test_confusion(filled):
    whole = evaluation(filled, "unet", 300, include="confusion")["confusion"]
    assert rows(filled, "/v1/grafana/confusion", run="unet", split="val") == [
        {"reference": name, **dict(zip(CLASSES, row))} for name, row in zip(CLASSES, whole)
    ]
    older = evaluation(filled, "unet", 100, include="confusion")["confusion"]
    assert rows(filled, "/v1/grafana/confusion", run="unet", split="val", step="100")[1]["tumour"] == older[1][2]


def test_confusion_of_masks_and_of_a_class_called_reference(start):
    server = start()
    probs, label = softmax_case(images=2, classes=2)
    onehot = np.ascontiguousarray(np.eye(2, dtype="u1")[label].transpose(0, 3, 1, 2))
    body = safetensors({"pred": probs, "label": onehot})
    server.score(body, run="masks", step="1", task="multilabel", classes="a,b")
    whole = evaluation(server, "masks", 1, include="confusion")["confusion"]
    assert rows(server, "/v1/grafana/confusion", run="masks") == [
        {"reference": name, "tn": t[0][0], "fp": t[0][1], "fn": t[1][0], "tp": t[1][1]} for name, t in zip("ab", whole)
    ]
    server.score(safetensors({"pred": probs, "label": label}), run="odd", step="1", classes="reference,b")
    assert list(rows(server, "/v1/grafana/confusion", run="odd")[0]) == ["reference", "reference (class)", "b"]


@pytest.mark.parametrize("score, better", [("dice", 1), ("ce", -1), ("dice_loss", -1)])
def test_worst_images_and_percentiles(filled, score, better):
    """Against the values that GET /v1/evaluations lists, and NumPy's percentiles."""
    expression = {"ce": "ce:cross_entropy"}.get(score, score)
    document = evaluation(filled, "unet", 300, include="images", scores=expression)
    values = np.array(document["scores"][0]["per_image"])
    found = rows(filled, "/v1/grafana/images", run="unet", split="val", score=score, limit="5")
    flat = sorted(
        (better * v, image, name) for image, row in zip(document["image_ids"], values) for name, v in zip(CLASSES, row)
    )
    assert [(better * row["Value"], row["image"], row["class"]) for row in found] == flat[:5]
    best = rows(filled, "/v1/grafana/images", run="unet", split="val", score=score, order="best", **{"class": "liver"})
    assert [row["Value"] for row in best] == sorted(values[:, 1], reverse=better > 0)
    for row, column in zip(rows(filled, "/v1/grafana/percentiles", run="unet", split="val", score=score), values.T):
        expected = np.percentile(column, [0, 5, 25, 50, 75, 95, 100])
        assert near([row[f"p{p}"] for p in (0, 5, 25, 50, 75, 95, 100)], expected.tolist())
        assert row["images"] == 4 and near(row["mean"], float(column.mean()))


def test_undefined_images_come_last(start):
    server = start()
    store(server, "r", 1, absent=2, scores="dice")
    found = rows(server, "/v1/grafana/images", run="r", score="dice")
    assert len(found) == 12 and all(row["Value"] is None and row["reason"] == "absent_in_both" for row in found[8:])
    assert rows(server, "/v1/grafana/percentiles", run="r", score="dice")[2] == {
        "class": "tumour", "images": 0, "mean": None, **{f"p{p}": None for p in (0, 5, 25, 50, 75, 95, 100)},
    }  # fmt: skip
    assert rows(server, "/v1/grafana/images", run="r", score="dice(over=pooled)") == []
    assert rows(server, "/v1/grafana/images", run="r", score="no such score") == []


# ------------------------------------------------------------------------------------------- writers and deletions


def test_two_writers_on_the_same_step(start):
    """Parts of two ranks at once: every curve that is read has whole evaluations, and at the end their union."""
    server = start()
    probs, label = softmax_case(images=4)

    def rank(number):
        mine = [2 * number, 2 * number + 1]
        body = safetensors({"pred": probs[mine], "label": label[mine]})
        for step in range(20):
            answer = server.post(
                body, run="r", step=str(step), part=str(number), parts="2", scores="dice",
                image_ids=",".join(f"i{i}" for i in mine),
            )  # fmt: skip
            assert answer.status_code == 200, answer.text

    threads = [threading.Thread(target=rank, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        found = rows(server, score="dice", run="r", split="val", x="step")
        assert len(found) % 3 == 0 and len({(row["step"], row["class"]) for row in found}) == len(found)
    for thread in threads:
        thread.join()
    whole = server.score(safetensors({"pred": probs, "label": label}), scores="dice")["scores"][0]["per_class"]
    found = rows(server, score="dice", run="r", split="val", x="step")
    assert [row["Value"] for row in found] == whole * 20


def test_a_run_deleted_while_it_is_read(start):
    """An answer is whole or empty, never half."""
    server = start()
    for step in range(30):
        store(server, "r", step, T0 + step, images=1, scores="dice")
    whole, seen, stop = rows(server, score="dice", run="r", split="val"), [], threading.Event()

    def read():
        with server.connect_session() as session:
            while not stop.is_set():
                answer = session.get(server.url + SERIES, params={"score": "dice", "run": "r", "split": "val"})
                seen.append((answer.status_code, answer.json()["rows"]))

    reader = threading.Thread(target=read)
    reader.start()
    while len(seen) < 5:
        pass
    assert server.request("DELETE", "/v1/runs/r").status_code == 204
    before = len(seen)
    while len(seen) < before + 5:
        pass
    stop.set()
    reader.join()
    assert all(status == 200 and found in ([], whole) for status, found in seen)
    assert seen[0][1] == whole and seen[-1][1] == []


# --------------------------------------------------------------------------------------------- how it is sent


def test_as_infinity_asks(filled):
    headers = {
        "Accept": "application/json;q=0.9,text/plain", "Accept-Encoding": "gzip",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    }
    answer = filled.request("GET", SERIES, headers=headers, score="dice", split="val")
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Encoding"] == "gzip" and answer.headers["Vary"] == "Accept-Encoding"
    assert answer.headers["Cache-Control"] == "private, max-age=0"
    assert answer.json() == filled.get(SERIES, score="dice", split="val").json()
    assert answer.headers["X-Request-Id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_integers_are_exact(start):
    server = start()
    store(server, "r", 2**53 - 1, T0 + 123, scores="dice")
    answer = server.get(SERIES, score="dice", run="r", split="val", x="step")
    assert json.loads(answer.text)["rows"][0]["step"] == 2**53 - 1
    assert rows(server, score="dice", run="r")[0]["Time"] == T0 + 123


# ---------------------------------------------------------------------------------------- as much as there is


def test_every_run_can_be_chosen(start):
    """A chart shows the runs updated last; a variable lists all of them."""
    server = start()
    for number in range(104):
        store(server, f"run-{number}", 1, images=1, scores="dice")
    listed = rows(server, "/v1/grafana/variables/runs")
    assert sorted(row["__value"] for row in listed) == sorted(f"run-{number}" for number in range(104))
    answer = server.get(SERIES, score="dice", split="val", shape="value").json()
    assert len({row["run"] for row in answer["rows"]}) == 100
    assert answer["meta"]["truncated"] is True


def test_many_classes_asked_for_of_many_images(start):
    """Whether a class is asked for is looked up per class, not per image."""
    server = start()
    rng = np.random.default_rng(1)
    label = rng.integers(0, 2, (60000, 1, 2)).astype("u1")
    server.score(safetensors({"pred": label, "label": label}), run="r", step="1", num_classes="2", scores="dice")
    names = ",".join([f"no{number}" for number in range(4000)] + ["0", "1"])
    server.get("/v1/grafana/images", run="r", score="dice")  # the first reader opens
    began = time.monotonic()
    plain = rows(server, "/v1/grafana/images", run="r", score="dice")
    between = time.monotonic()
    assert rows(server, "/v1/grafana/images", run="r", score="dice", **{"class": names}) == plain
    assert time.monotonic() - between < (4 * (between - began) + 0.2) * PATIENCE
