"""test_exports.py - CSV, nnU-Net, grand-challenge and MLflow: what those tools would read."""

import csv
import io
import json
import re

import numpy as np
import pytest
from support import near, problem, safetensors, softmax_case

CLASSES = ("background", "liver", "tumour")
PROBS, LABEL = softmax_case(images=4)
LABEL[0][LABEL[0] == 2] = 0
PROBS[0, 2] = 0  # image 0 has no tumour
PRED = PROBS.argmax(axis=1)
IDS = ("case-0", "case-1", "case-2", "case-3")


@pytest.fixture(scope="module")
def filled(server):
    body = safetensors({"pred": PROBS, "label": LABEL})
    server.score(body, run="unet", step="3", classes=",".join(CLASSES), image_ids=",".join(IDS),
                 scores="dice,p:dice(over=pooled),monai.DiceLoss,ce:cross_entropy(classes=[1])",
                 time="2026-01-02T03:04:05.678Z")  # fmt: skip
    return server


def export(server, answer_format, **params):
    answer = server.get("/v1/evaluations", **{"run": "unet", "step": "3", "format": answer_format, **params})
    assert answer.status_code == 200, answer.text
    return answer


def document(server, **params):
    return server.get("/v1/evaluations", run="unet", step="3", include="images", **params).json()


# ------------------------------------------------------------------------------------------------------------ CSV


def test_csv(filled):
    answer = export(filled, "csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.text.endswith("\r\n") and "\n" not in answer.text.replace("\r\n", "")
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert list(rows[0]) == ["run", "split", "step", "image", "class", "score", "value", "reason"]
    whole = document(filled)
    expected = {}
    for score in whole["scores"]:
        if "per_image" in score:
            for image, values in zip(whole["image_ids"], score["per_image"]):
                for name, value in zip(CLASSES, values):
                    if score["name"] != "ce" or name == "liver":
                        expected[image, name, score["name"]] = value
        elif "per_class" in score:
            expected |= {("", name, score["name"]): value for name, value in zip(CLASSES, score["per_class"])}
        else:
            expected["", "", score["name"]] = score["value"]
    found = {(row["image"], row["class"], row["score"]): row for row in rows}
    assert len(found) == len(rows) and set(found) == set(expected)
    for key, value in expected.items():
        assert found[key]["value"] == ("" if value is None else found[key]["value"])
        assert value is None or float(found[key]["value"]) == value
    gap = found["case-0", "tumour", "dice"]
    assert (gap["value"], gap["reason"]) == ("", "absent_in_both")
    assert {(row["run"], row["split"], row["step"]) for row in rows} == {("unet", "val", "3")}


@pytest.mark.parametrize("name", ["=1+1", "+x", "-2", "@SUM(A1)", 'a"b', "=HYPERLINK(\"x\")", "<b>", "🧠 x"])
def test_csv_holds_no_formula(filled, name):
    body = safetensors({"pred": PROBS[:1], "label": LABEL[:1]})
    filled.score(body, run=name, split=name, step="1", classes=f"{name},b,c", image_ids=name, scores="dice")
    text = filled.get("/v1/evaluations", run=name, split=name, step="1", format="csv").text
    (row, *_) = csv.DictReader(io.StringIO(text, newline=""))
    shown = "'" + name if name[0] in "=+-@" else name
    assert [row[key] for key in ("run", "split", "image", "class")] == [shown] * 4
    for line in csv.reader(io.StringIO(text, newline="")):
        assert all(cell[:1] not in tuple("=+-@") or re.fullmatch(r"-?[0-9.e-]+", cell) for cell in line)


# --------------------------------------------------------------------------------------------------------- nnU-Net


def counts(image, c):
    ref, pred = LABEL[image] == c, PRED[image] == c
    tp, fp, fn, tn = (int(x.sum()) for x in (ref & pred, ~ref & pred, ref & ~pred, ~ref & ~pred))
    some = tp + fp + fn > 0
    return {
        "Dice": 2 * tp / (2 * tp + fp + fn) if some else None, "IoU": tp / (tp + fp + fn) if some else None, "FP": fp,
        "TP": tp, "FN": fn, "TN": tn, "n_pred": tp + fp, "n_ref": tp + fn,
    }  # fmt: skip


def mean(values):
    return float(np.mean([value for value in values if value is not None]))


def test_nnunet_summary(filled):
    summary = export(filled, "nnunet").json()
    assert list(summary) == ["metric_per_case", "mean", "foreground_mean"]
    for image, case in enumerate(summary["metric_per_case"]):
        assert case["prediction_file"] == case["reference_file"] == IDS[image]
        assert list(case["metrics"]) == ["1", "2"]
        for c in (1, 2):
            found, expected = case["metrics"][str(c)], counts(image, c)
            assert list(found) == list(expected) and near(list(found.values()), list(expected.values()))
    for c in (1, 2):
        for key, value in summary["mean"][str(c)].items():
            assert near(value, mean([counts(image, c)[key] for image in range(4)]))
    for key, value in summary["foreground_mean"].items():
        assert near(value, mean([summary["mean"]["1"][key], summary["mean"]["2"][key]]))


# ------------------------------------------------------------------------------------------------- grand-challenge


def test_grand_challenge_metrics(filled):
    metrics = export(filled, "grand-challenge").json()
    assert list(metrics) == ["case", "aggregates"]
    assert metrics["case"]["image"] == dict(zip("0123", IDS))
    assert list(metrics["case"]) == ["image", *(f"dice/{name}" for name in CLASSES), "ce/liver"]
    dice = document(filled)["scores"][0]
    for c, name in enumerate(CLASSES):
        column = [row[c] for row in dice["per_image"]]
        assert metrics["case"][f"dice/{name}"] == {str(i): value for i, value in enumerate(column)}
        values = [value for value in column if value is not None]
        found = metrics["aggregates"][f"dice/{name}"]
        assert list(found) == ["count", "mean", "std", "min", "25%", "50%", "75%", "max"]
        expected = [len(values), np.mean(values), np.std(values, ddof=1), *np.percentile(values, [0, 25, 50, 75, 100])]
        assert near(list(found.values()), [float(x) for x in expected])
    assert metrics["aggregates"]["monai.DiceLoss"] == document(filled)["scores"][2]["value"]


# ---------------------------------------------------------------------------------------------------------- MLflow


def mlflow_name(name):
    """The rules of MLflow for the name of a metric: its characters, and a path that is its own normal form."""
    parts = name.split("/")
    return re.fullmatch(r"[/\w.\- ]{1,250}", name) and all(parts) and not {".", ".."} & set(parts)


def test_mlflow_batches(filled):
    answer = export(filled, "mlflow")
    assert answer.headers["Content-Type"] == "application/jsonl"
    (batch,) = [json.loads(line) for line in answer.text.splitlines()]
    assert list(batch) == ["run_id", "metrics"] and batch["run_id"] == "unet"
    found = {metric["key"]: metric["value"] for metric in batch["metrics"]}
    expected = {}
    for score in document(filled)["scores"]:
        name = "val/" + re.sub(r"[^\w.\- ]", lambda m: f"_{ord(m.group()):x}_", score["name"])
        expected[name] = score["value"]
        expected |= {f"{name}/{c}": v for c, v in zip(CLASSES, score.get("per_class", [])) if v is not None}
    assert found == expected and all(map(mlflow_name, found))
    for metric in batch["metrics"]:
        assert list(metric) == ["key", "value", "timestamp", "step"]
        assert (metric["timestamp"], metric["step"]) == (1767323045678, 3)


def test_mlflow_names_and_limits(start):
    """Names of any kind stay apart; no line has more than MLflow takes."""
    server = start()
    names = ["a/b", "a_b", "..", ".", "ü", "肝", "肾", "a<", "a>", "x y", "_a", '"'] + [f"class {i}" for i in range(588)]
    label = np.arange(1024, dtype="<u2").reshape(1, 32, 32) % 600
    body = safetensors({"pred": label, "label": label})
    server.score(body, run="r", split="../x", step="1", classes=",".join(names), scores="dice,iou,precision")
    answer = server.get("/v1/evaluations", run="r", split="../x", step="1", format="mlflow")
    batches = [json.loads(line) for line in answer.text.splitlines()]
    assert [len(batch["metrics"]) for batch in batches] == [1000, 803]
    assert all(len(line) < 1_000_000 for line in answer.text.splitlines())
    keys = [metric["key"] for batch in batches for metric in batch["metrics"]]
    assert len(set(keys)) == len(keys) == 1803 and all(map(mlflow_name, keys))


# ----------------------------------------------------------------------------------------------------------- rules


def test_json_is_the_default(filled):
    plain = filled.get("/v1/evaluations", run="unet", step="3").json()
    assert export(filled, "json").json()["scores"] == plain["scores"]


def test_scores_may_be_chosen(filled):
    rows = list(csv.DictReader(io.StringIO(export(filled, "csv", scores="iou").text, newline="")))
    assert {row["score"] for row in rows} == {"iou"} and len(rows) == 12


def test_bad_exports(filled):
    ask = {"run": "unet", "step": "3"}
    problem(filled.get("/v1/evaluations", format="xlsx", **ask), 400, param="format")
    problem(filled.get("/v1/evaluations", format="csv", include="images", **ask), 400, param="include")
    problem(filled.get("/v1/evaluations", format="nnunet", scores="dice", **ask), 400, param="scores")
    problem(filled.get("/v1/evaluations", format="csv", run="nobody", step="3"), 404)
    problem(filled.get("/v1/evaluations", format="csv", run="unet"), 400, param="step")
