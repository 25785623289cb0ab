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


class Used:
    """The numbers of an explanation by their text, or its beginning: [classes], or [values][classes]."""

    def __init__(self, rows, image=None):
        numbers = [row["per_class"] if image is None else row["per_image"][image] for row in rows]
        self.rows = {row["what"]: np.array(of_row) for row, of_row in zip(rows, numbers)}

    def __call__(self, text):
        if text in self.rows:
            return self.rows[text]
        (found,) = [numbers for what, numbers in self.rows.items() if what.startswith(text)]
        return found

    @property
    def counts(self):
        return [self(what) * 1.0 for what in COUNTS]

    @property
    def sums(self):
        return self("the sum of p g"), self("the sum of p"), self("the sum of g")


POS, NEG = "the sum of g (1-q)^gamma (-log q) with gamma {}", "the sum of (1-g) q^gamma"
APART = "the sum of {}(1-p_t)^gamma"


def specificity(u):
    v, g, p, both = u.counts
    return ((v - g - p + both) / (v - g)).mean()


def sensitivity_specificity_loss(u):
    v, g = u.counts[0], u("the sum of g")
    return (0.1 * u("the sum of (g-p)^2 g") / g + 0.9 * u("the sum of (g-p)^2 (1-g)") / (v - g)).mean()


def mcc_loss(u):
    (i, p, g), v = u.sums, u.counts[0]
    tp, fp, fn, tn = i + 1, p - i + 1, g - i + 1, v - p - g + i + 1
    return (1 - (tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))).mean()


def generalized_dice_loss(u):
    i, p, g = u.sums
    return 1 - 2 * (i / g**2).sum() / ((p + g) / g**2).sum()


def wasserstein(u):
    by_label = u("the sum of p by label")  # [label][class]
    costs = by_label.sum(axis=1) - np.diag(by_label)
    right = (u.counts[1] - costs)[1:].sum()
    return 1 - 2 * right / (2 * right + costs.sum())


def kappa(u):
    table = u("voxels of the label by predicted class")
    chance = (table.sum(0) * table.sum(1)).sum() / table.sum()
    return (np.trace(table) - chance) / (table.sum() - chance)


def mcc_multiclass(u):
    table = u("voxels of the label by predicted class")
    p, t, total = table.sum(1), table.sum(0), table.sum()
    return (np.trace(table) * total - t @ p) / math.sqrt((total**2 - p @ p) * (total**2 - t @ t))


def calibration(u):
    count, sure, right = u("the greatest confidence")[:, 0].reshape(3, -1)
    return np.abs(right - sure).sum() / count.sum()


def exp_log_cross_entropy(u):
    v, g = u.counts[0], u("the sum of g")
    return (np.sqrt(v / g) * u("the sum of g (-log q)^gamma")).sum() / v[0]


# Of all images: expression -> what its value is made of.
OF_SUMS = {
    "iou": lambda u: (u.counts[3] / (u.counts[1] + u.counts[2] - u.counts[3])).mean(),
    "specificity": specificity,
    "relative_volume_difference": lambda u: (u.counts[2] / u.counts[1] - 1).mean(),
    "tp": lambda u: u.counts[3].mean(),
    "generalized_dice": lambda u: (2 * u.counts[3] / u.counts[1] ** 2).sum()
    / ((u.counts[1] + u.counts[2]) / u.counts[1] ** 2).sum(),
    "pixel_accuracy": lambda u: u.counts[3].sum() / u.counts[1].sum(),
    "kappa": kappa,
    "mcc_multiclass": mcc_multiclass,
    "expected_calibration_error": calibration,
    "jaccard_loss": lambda u: (1 - u.sums[0] / (u.sums[1] + u.sums[2] - u.sums[0])).mean(),
    "squared_dice_loss": lambda u: (1 - 2 * u("the sum of p g") / (u("the sum of p^2") + u("the sum of g^2"))).mean(),
    "soft_dice_loss": lambda u: (u("the sum of |p - g|") / (u("the sum of p") + u("the sum of g"))).mean(),
    "sensitivity_specificity_loss": sensitivity_specificity_loss,
    "mcc_loss(smooth=1)": mcc_loss,
    "generalized_dice_loss": generalized_dice_loss,
    "generalized_wasserstein_dice_loss": wasserstein,
    "binary_cross_entropy(pos_weight=3)": lambda u: (3 * u(POS.format(0)) + u(NEG)).sum() / u.counts[0].sum(),
    "focal_loss": lambda u: u(POS.format(2)).sum() / u.counts[1].sum(),
    "sigmoid_focal_loss": lambda u: (u(APART.format("g ")) + u(APART.format("(1-g) "))).sum() / u.counts[0].sum(),
    "normalized_focal_loss": lambda u: (
        (u(APART.format("g ")) + u(APART.format("(1-g) "))) / u(APART.format(""))
    ).mean(),
    "asymmetric_focal_loss": lambda u: (0.3 * u(POS.format(2))[0] + 0.7 * u(POS.format(0))[1:].sum()) / u.counts[0][0],
    "exp_log_cross_entropy": exp_log_cross_entropy,
    "dice_ce_loss": lambda u: (1 - 2 * u.sums[0] / (u.sums[1] + u.sums[2])).mean()
    + u(POS.format(0)).sum() / u.counts[1].sum(),
}


@pytest.mark.parametrize("text", OF_SUMS)
def test_families_of_sums_by_hand(server, text):
    pooled = f"{text[:-1]},over=pooled)" if "(" in text else f"{text}(over=pooled)"
    (score,) = server.score(BODY, scores=pooled, include="explain")["scores"]
    assert close(score["value"], OF_SUMS[text](Used(score["explain"]))), score


def harmonic(x, s):
    """Of the shares of two skeletons: values 1 to 4 of the column."""
    a, b = (x[1] + s) / (x[2] + s), (x[3] + s) / (x[4] + s)
    return 2 * a * b / (a + b)


def ms_ssim(x):
    powers = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])
    return (np.maximum([*x[1:5], x[10]], 0) ** powers[:, None]).prod(axis=0)


# Of images as a whole: expression -> (the column, what the values of an image are made of).  Value 0 is the reason.
OF_WHOLES = {
    "lovasz_softmax_loss": ("the Lovasz extension", lambda x: x[1]),
    "auroc": ("the area under the receiver", lambda x: x[1]),
    "average_precision": ("the area under the precision", lambda x: x[1]),
    "ssim": ("the structural similarity of windows", lambda x: x[1]),
    "ssim_loss": ("the structural similarity of windows", lambda x: 1 - x[1]),
    "ms_ssim(window=1)": ("the structural similarity of windows", ms_ssim),
    "correlation_ssim_loss": ("the cross-entropy where", lambda x: x[1] / x[2]),
    "cldice": ("the skeletons", lambda x: harmonic(x, 0)),
    "cldice_loss": ("the soft skeletons", lambda x: 1 - harmonic(x, 1)),
    "panoptic_quality": ("the matches", lambda x: x[1] / (x[2] + x[3] / 2 + x[4] / 2)),
    "recognition_quality": ("the matches", lambda x: x[2] / (x[2] + x[3] / 2 + x[4] / 2)),
}


@pytest.mark.parametrize("text", OF_WHOLES)
def test_families_of_images_by_hand(server, text):
    (score,) = server.score(BODY, scores=text, include="images,explain")["scores"]
    column, of = OF_WHOLES[text]
    for n, row in enumerate(score["per_image"]):
        check_list(row, of(Used(score["explain"], n)(column)))
    check_list(score["per_class"], np.mean(score["per_image"], axis=0))


def test_the_largest_entropies_by_hand(server):
    """One value for all classes, at class 0; and an image is right where every count of both is that of its label."""
    top, match = server.score(BODY, scores="topk_cross_entropy,exact_match", include="images,explain")["scores"]
    for n in range(3):
        check_list(top["per_image"][n], [Used(top["explain"], n)("the greatest cross-entropies")[1][0]])
        _, label, _, both = Used(match["explain"], n).counts
        assert match["per_image"][n] == [float((label == both).all())]


def test_every_score_is_explained(server):
    """The counts first, and each of the others once."""
    listed = server.get("/v1/scores").json()["scores"]
    for name in [score["name"] for score in listed if "." not in score["name"]]:
        if name in ("lovasz_hinge_loss", "nacl_loss"):
            continue  # of logits
        (score,) = server.score(BODY, scores=name, include="explain")["scores"]
        what = [row["what"] for row in score["explain"]]
        assert what[:4] == COUNTS and len(set(what)) == len(what), name


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
