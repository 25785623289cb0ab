"""test_expected.py - all of tests/data/EXPECTED.json comes back through HTTP within 1e-9 relative or 1e-12 absolute."""

import math

import pytest
from support import EXPECTED, MANIFEST, data_file, data_params, data_tensors, near, safetensors, scores_of

OVERLAP = ("dice", "iou", "precision", "recall", "dice_loss")
COUNTS = ("tp", "fp", "fn")
FINITE_CE = [name for name, entry in EXPECTED.items() if entry.get("cross_entropy", {}).get("value") is not None]
SOFT = [name for name, entry in EXPECTED.items() if isinstance(entry["soft_sums"], dict)]
BINARY_FILE = "dsb2d_binary_256x256.safetensors"
SEED_FILE = "seed3d.safetensors.zst"


def ask(server, name, scores, **params):
    body, headers = data_file(name)
    return server.score(body, headers, scores=scores, **{**data_params(name), **params})


def single_images(name):
    """The images of a file as files of one image each."""
    tensors = data_tensors(name)
    for n in range(MANIFEST[name]["images"]):
        yield safetensors({key: array[n : n + 1] for key, array in tensors.items()})


def columns(rows):
    return [list(column) for column in zip(*rows)]


@pytest.mark.parametrize("name", EXPECTED)
def test_counts_and_overlap(server, name):
    """Hard counts, confusion, and five overlap scores: per image, per class, their mean, and pooled."""
    want = EXPECTED[name]
    pooled = ",".join(f"{score}_pooled:{score}(over=pooled)" for score in OVERLAP + COUNTS)
    include = "images,confusion" if "confusion_pooled" in want else "images"
    ids = ",".join(MANIFEST[name]["image_ids"])
    answer = ask(server, name, ",".join(OVERLAP + COUNTS) + "," + pooled, include=include, image_ids=ids)
    scores = scores_of(answer)

    assert answer["images"] == MANIFEST[name]["images"]
    assert answer["voxels"] == want["voxels_per_image"] * answer["images"]
    assert answer["ignored"] == 0 and answer["evaluation"] is None
    assert answer["image_ids"] == MANIFEST[name]["image_ids"]
    assert [row["name"] for row in answer["classes"]] == MANIFEST[name]["class_names"]
    counts = want["counts"]
    assert [row["label_voxels"] for row in answer["classes"]] == [sum(c) for c in columns(counts["label"])]
    assert [row["pred_voxels"] for row in answer["classes"]] == [sum(c) for c in columns(counts["pred"])]
    assert scores["tp"]["per_image"] == counts["tp"]
    assert [
        [t + f for t, f in zip(*rows)] for rows in zip(scores["tp"]["per_image"], scores["fp"]["per_image"])
    ] == counts["pred"]
    assert [
        [t + f for t, f in zip(*rows)] for rows in zip(scores["tp"]["per_image"], scores["fn"]["per_image"])
    ] == counts["label"]
    assert scores["tp_pooled"]["per_class"] == [sum(c) for c in columns(counts["tp"])]
    if "confusion_pooled" in want:
        assert answer["confusion"] == want["confusion_pooled"]
    for score in OVERLAP:
        for key in ("per_image", "per_class", "value"):
            assert near(scores[score][key], want[score][key]), (score, key)
        for key in ("per_class", "value"):
            assert near(scores[score + "_pooled"][key], want[score]["pooled"][key]), (score, "pooled", key)
        assert "per_image" not in scores[score + "_pooled"]


@pytest.mark.parametrize("name", SOFT)
def test_soft_sums(server, name):
    """I, P and G of each image and class, taken from two Tversky losses and the label count: 1-I/P and 1-I/G."""
    want = EXPECTED[name]["soft_sums"]
    answer = ask(server, name, "p:tversky_loss(alpha=1,beta=0),g:tversky_loss(alpha=0,beta=1)", include="images")
    scores = scores_of(answer)
    counts = EXPECTED[name]["counts"]
    for n, row in enumerate(want["I"]):
        for c, overlap in enumerate(row):
            absent = counts["label"][n][c] + counts["pred"][n][c] == 0
            for key, total in (("p", want["P"][n][c]), ("g", want["G"][n][c])):
                value = scores[key]["per_image"][n][c]
                assert value is None if absent or total == 0 else near(value, 1 - overlap / total), (key, n, c)
    assert near([row["label_voxels"] for row in answer["classes"]], [sum(c) for c in columns(want["G"])])


@pytest.mark.parametrize("name", FINITE_CE)
def test_cross_entropy(server, name):
    """Mean over voxels of -ln p[label]: the value, pooled, each image, and the sums of each image and label class."""
    want = EXPECTED[name]["cross_entropy"]
    scores = scores_of(ask(server, name, "cross_entropy,pooled:cross_entropy(over=pooled)"))
    assert near(scores["cross_entropy"]["value"], want["value"])
    assert near(scores["pooled"]["value"], want["pooled"])
    assert near(scores["pooled"]["per_class"], want["mean_by_label_class_pooled"])
    for n, body in enumerate(single_images(name)):
        score = server.score(body, scores="cross_entropy", **data_params(name))["scores"][0]
        assert near(score["value"], want["per_image"][n])
        for c, label in enumerate(EXPECTED[name]["counts"]["label"][n]):
            if label == 0:
                assert score["per_class"][c] is None
            else:
                assert near(score["per_class"][c], want["sum_by_label_class"][n][c] / label), (n, c)


def test_cross_entropy_clamped(server):
    """A probability of 0 at the label is clamped at eps, 1e-7 by default; the other voxels give their finite sum."""
    name = "totalseg_mr3d_probs.safetensors.zst"
    want, voxels = EXPECTED[name]["cross_entropy"], EXPECTED[name]["voxels_per_image"]
    names = {eps: f"e{i}:cross_entropy(eps={eps})" for i, eps in enumerate(want["value_if_clamped_at"])}
    scores = scores_of(ask(server, name, ",".join(["cross_entropy", *names.values()])))
    assert near(scores["cross_entropy"]["value"], want["value_if_clamped_at"]["1e-07"])
    for i, (eps, value) in enumerate(want["value_if_clamped_at"].items()):
        assert near(scores[f"e{i}"]["value"], value), eps
        finite = scores[f"e{i}"]["value"] * voxels + want["zero_probability_at_label"] * math.log(float(eps))
        assert near(finite, want["sum_without_those_voxels"]), eps
    counts = EXPECTED[name]["counts"]["label"][0]
    zero_class = int(data_tensors(name)["label"].reshape(-1)[want["zero_flat_index_in_label"][0]])
    for c, label in enumerate(counts):
        clamped = -math.log(1e-7) if c == zero_class else 0
        assert near(scores["cross_entropy"]["per_class"][c], (want["sum_by_label_class"][0][c] + clamped) / label), c


def test_binary_cross_entropy(server):
    """C = 1: clamped at 1e-7 by default; log clamped at -100, as one framework does, with eps = e^-100."""
    want = EXPECTED[BINARY_FILE]["binary_cross_entropy"]
    scores = scores_of(
        ask(server, BINARY_FILE, "binary_cross_entropy,deep:binary_cross_entropy(eps=3.720075976020836e-44)")
    )
    assert near(scores["binary_cross_entropy"]["value"], want["value_if_clamped_at"]["1e-07"])
    assert near(scores["deep"]["value"], want["value_if_log_clamped_at_minus_100"])
    finite = scores["deep"]["value"] * 5 * 65536 - 100 * want["zero_probability_at_label"]
    assert near(finite, want["sum_without_those_voxels"])


def test_seed_on_a_channels_last_volume(server):
    """The TensorFlow post's two losses on its own layout: the loss, and each class's score by weights of 0 and 1."""
    want = EXPECTED[SEED_FILE]["seed"]
    assert MANIFEST[SEED_FILE]["layout"] == "channels_last" and want["smooth"] == 1e-5
    kinds = {"dice": "seed.categorical_dice({})"}
    kinds.update({f"tversky_beta_{b}": f"seed.categorical_tversky(beta={b},{{}})" for b in ("0.3", "0.7")})
    weightings = {"loss": want["weights"]}
    weightings.update({f"class{c}": [float(c == k) for k in range(4)] for c in range(4)})
    expressions, names = [], {}
    for kind, form in kinds.items():
        for which, weights in weightings.items():
            names[kind, which] = alias = f"s{len(names)}"
            expressions.append(f"{alias}:" + form.format(f"weight_loss={weights}".replace(" ", "")))
    scores = scores_of(ask(server, SEED_FILE, ",".join(expressions)))
    for kind in kinds:
        assert near(scores[names[kind, "loss"]]["value"], want[kind]["loss"]), kind
        for c, coefficient in enumerate(want[kind]["coef"]):
            assert near(-4 * scores[names[kind, f"class{c}"]]["value"], coefficient), (kind, c)


def test_seed_of_each_image(server):
    """One image at a time, the smoothed quotients give back the num and den that the post's functions sum."""
    want = EXPECTED[SEED_FILE]["seed"]
    smooth = want["smooth"]
    for n, body in enumerate(single_images(SEED_FILE)):
        for c in range(4):
            weights = str([float(c == k) for k in range(4)]).replace(" ", "")
            expressions = [f"seed.categorical_dice(weight_loss={weights})"]
            expressions += [f"seed.categorical_tversky(beta={b},weight_loss={weights})" for b in (0.3, 0.7)]
            answer = server.score(body, scores=",".join(expressions), **data_params(SEED_FILE))
            values = [-4 * score["value"] for score in answer["scores"]]
            num = want["dice"]["num"][n][c]
            assert near(values[0], 2 * (num + smooth) / (want["dice"]["den"][n][c] + smooth))
            for value, kind in zip(values[1:], ("tversky_beta_0.3", "tversky_beta_0.7")):
                assert near(value, (num + smooth) / (want[kind]["den"][n][c] + smooth)), (n, c, kind)
