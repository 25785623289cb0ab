"""test_include.py - include=explain lets a person recompute a score; include=histogram counts as NumPy does."""

import json
import math
import subprocess

import numpy as np
import pytest
from support import BINARY, safetensors, softmax_case

PROBS, LABEL = softmax_case(images=3, classes=4, seed=7)
BODY = safetensors({"pred": PROBS, "label": LABEL})
EXPRESSIONS = "dice(over={over}),dice_loss(over={over}),cross_entropy(over={over})"
COUNTS = ["scored voxels", "voxels of the label", "voxels of the hard prediction", "voxels of both"]


def close(a, b):
    return math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-12)


def by_hand(name, used):
    """(value, one per class) from {what: numbers of the classes}."""
    if name == "dice":
        above = 2 * np.array(used["voxels of both"])
        below = np.add(used["voxels of the label"], used["voxels of the hard prediction"])
        return np.mean(above / below), above / below
    if name == "dice_loss":
        loss = 1 - 2 * np.array(used["the sum of p g"]) / np.add(used["the sum of p"], used["the sum of g"])
        return np.mean(loss), loss
    (logs,) = [numbers for what, numbers in used.items() if what.startswith("the sum of g (1-q)^gamma (-log q)")]
    counts = used["voxels of the label"]
    return sum(logs) / sum(counts), np.divide(logs, counts)


def name_of(score):
    return score["expression"].partition("(")[0]


def check_list(got, want):
    assert len(got) == len(want) and all(map(close, got, want)), (got, want)


def check_pooled(document):
    """`value` and `per_class` of the scores with over=pooled come from the sums of all images."""
    assert len(document["scores"]) == 3
    for score in document["scores"]:
        value, classes = by_hand(name_of(score), {row["what"]: row["per_class"] for row in score["explain"]})
        check_list([score["value"], *score["per_class"]], [value, *classes])


def check_images(document):
    """With over=image each image's scores come from its own sums."""
    assert len(document["scores"]) == 3
    for score in document["scores"]:
        values = []
        assert len(score["per_image"]) == document["images"]
        for n, row in enumerate(score["per_image"]):
            value, classes = by_hand(name_of(score), {used["what"]: used["per_image"][n] for used in score["explain"]})
            check_list(row, classes)
            values.append(value)
        check_list([score["value"]], [np.mean(values)])


def test_pooled_scores_by_hand(server):
    document = server.score(BODY, scores=EXPRESSIONS.format(over="pooled"), include="explain")
    check_pooled(document)
    for score in document["scores"]:
        assert [row["what"] for row in score["explain"]][:4] == COUNTS
        assert not any("per_image" in row for row in score["explain"])
    counts = {row["what"]: row["per_class"] for row in document["scores"][0]["explain"]}
    assert counts["scored voxels"] == [LABEL.size] * 4
    assert counts["voxels of the label"] == [int((LABEL == c).sum()) for c in range(4)]


def test_scores_of_images_by_hand(server):
    document = server.score(BODY, scores=EXPRESSIONS.format(over="image"), include="images,explain")
    check_images(document)
    for score in document["scores"]:
        for row in score["explain"]:
            assert len(row["per_image"]) == 3
            for c in range(4):
                assert close(math.fsum(image[c] for image in row["per_image"]), row["per_class"][c]), row


def test_the_sums_are_those_of_the_voxels(server):
    """Against NumPy, in double."""
    (score,) = server.score(BODY, scores="dice_loss", include="explain")["scores"]
    p, g = PROBS.astype("f8"), np.eye(4)[LABEL].transpose(0, 3, 1, 2)
    want = {"the sum of p g": p * g, "the sum of p": p, "the sum of g": g}
    used = {row["what"]: row["per_class"] for row in score["explain"]}
    assert set(used) == set(COUNTS) | set(want)
    for what, array in want.items():
        assert np.allclose(used[what], array.sum(axis=(0, 2, 3)), rtol=1e-12, atol=0), what


def test_merged_evaluations_are_explained(server):
    """The same sums as of one upload, whatever the parts."""
    for part, images in (("a", slice(0, 1)), ("b", slice(1, 3))):
        body = safetensors({"pred": PROBS[images], "label": LABEL[images]})
        server.score(body, run="explained", step="1", part=part, scores="dice,dice_loss,cross_entropy")
    where = {"run": "explained", "split": "val", "step": "1"}
    for over, include, check in (("pooled", "explain", check_pooled), ("image", "images,explain", check_images)):
        scores = EXPRESSIONS.format(over=over)
        answer = server.get("/v1/evaluations", **where, scores=scores, include=include)
        assert answer.status_code == 200, answer.text
        check(answer.json())
        whole = server.score(BODY, scores=scores, include=include)
        for merged, one in zip(answer.json()["scores"], whole["scores"]):
            assert merged["explain"] == one["explain"]


def test_what_was_not_stored_is_left_out(server):
    server.score(BODY, run="explained", step="2", scores="dice")
    answer = server.get("/v1/evaluations", run="explained", split="val", step="2",
                        scores="focal_loss(gamma=3.5)", include="explain")
    (score,) = answer.json()["scores"]
    assert (score["value"], score["reason"]) == (None, "not_in_sums")
    assert [row["what"] for row in score["explain"]] == [*COUNTS, "the sum of g"]


def test_what_exists_for_the_whole_upload_only(server):
    """A peer that sorts all images together has nothing per image, and nothing once parts are merged."""
    score, sorted_rows = "torchmetrics.multiclass_auroc", "the area under the receiver operating characteristic"
    document = server.score(BODY, run="explained", step="3", scores=score, include="images,explain")
    used = {row["what"]: row for row in document["scores"][0]["explain"]}
    assert "per_image" not in used[sorted_rows] and "per_image" in used["voxels of both"]
    assert close(document["scores"][0]["value"], np.mean(used[sorted_rows]["per_class"][1]))
    merged = server.get("/v1/evaluations", run="explained", split="val", step="3", include="explain").json()
    assert [row["what"] for row in merged["scores"][0]["explain"]] == COUNTS
    assert merged["scores"][0]["reason"] == "not_in_sums"


def test_sums_of_scores_name_each_sum_once(server):
    (score,) = server.score(BODY, scores="sum(0.5*dice_loss,2*tversky_loss)", include="explain")["scores"]
    what = [row["what"] for row in score["explain"]]
    assert sorted(what) == sorted(set(what)) and {"the sum of p g", "the sum of p", "the sum of g"} <= set(what)


def test_the_command_explains(tmp_path):
    path = tmp_path / "case.safetensors"
    path.write_bytes(BODY)
    scores = EXPRESSIONS.format(over="pooled")
    command = [BINARY, "eval", "--json", f"--scores={scores}", "--include=explain,histogram", path]
    document = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    check_pooled(document)
    check_histogram(document, PROBS, np.eye(4)[LABEL].transpose(0, 3, 1, 2))


# ------------------------------------------------------------------------------------------------- histogram


def check_histogram(document, probs, onehot):
    """256 equal bins of p; 1 belongs to the last."""
    assert len(document["histogram"]) == probs.shape[1]
    for c, row in enumerate(document["histogram"]):
        p, g = probs[:, c].astype("f8"), onehot[:, c] != 0
        for side, chosen in (("label", g), ("others", ~g)):
            assert row[side] == np.histogram(p[chosen], bins=256, range=(0, 1))[0].tolist(), (c, side)


def test_histogram_is_numpys(server):
    document = server.score(BODY, scores="dice", include="histogram")
    check_histogram(document, PROBS, np.eye(4)[LABEL].transpose(0, 3, 1, 2))
    assert "histogram" not in server.score(BODY, scores="dice")


def test_edges_of_bins(server):
    """Every multiple of 1/256 begins its bin, the number before it ends the one below; 1 is in the last bin."""
    edges = np.arange(257, dtype="f4") / np.float32(256)
    below = np.nextafter(edges[1:], np.float32(0), dtype="f4")
    p = np.concatenate([edges, below, np.ones(7, "f4")])[None, None]
    label = (np.arange(p.size) % 3 == 0).astype("u1").reshape(p.shape)
    document = server.score(safetensors({"pred": p, "label": label}), include="histogram")
    check_histogram(document, p, label)
    (row,) = document["histogram"]
    assert row["label"][255] + row["others"][255] == 10


@pytest.mark.parametrize("mask", [False, True])
def test_histogram_of_independent_masks(server, mask):
    onehot = (softmax_case(images=3, classes=4, seed=9)[0] > 0.2).astype("u1")
    tensors, keep = {"pred": PROBS, "label": onehot}, np.ones(LABEL.shape, "u1")
    if mask:
        keep[:, 3:9, 2:7] = 0
        tensors["mask"] = keep
    document = server.score(safetensors(tensors), task="multilabel", include="histogram")
    scored = np.broadcast_to(keep[:, None] != 0, PROBS.shape).transpose(1, 0, 2, 3).reshape(4, -1)
    p, g = (array.transpose(1, 0, 2, 3).reshape(4, -1) for array in (PROBS, onehot))
    for c, row in enumerate(document["histogram"]):
        kept = scored[c]
        check_histogram({"histogram": [row]}, p[c, kept].reshape(1, 1, -1), g[c, kept].reshape(1, 1, -1))


def test_histogram_of_merged_parts(server):
    for part, images in (("a", slice(0, 2)), ("b", slice(2, 3))):
        body = safetensors({"pred": PROBS[images], "label": LABEL[images]})
        server.score(body, run="binned", step="1", part=part, include="histogram")
    document = server.get("/v1/evaluations", run="binned", split="val", step="1", include="histogram").json()
    check_histogram(document, PROBS, np.eye(4)[LABEL].transpose(0, 3, 1, 2))


def test_hard_maps_have_none(server):
    for body, params in (
        (safetensors({"pred": LABEL, "label": LABEL}), {"num_classes": "4"}),
        (safetensors({"pred": PROBS > 0.5, "label": LABEL}), {}),
    ):
        assert server.score(body, include="histogram", **params)["histogram"] is None
