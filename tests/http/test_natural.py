"""test_natural.py - every natural score that is not a distance, on random images of one to three axes, against its
formula over voxels in float64."""

import numpy as np
import pytest

import natural as ref
from support import near, safetensors

TOGETHER = 8  # expressions of one request
DISTANCES = {
    "hausdorff", "hausdorff_directed", "hausdorff_percentile", "hd95", "average_surface_distance", "assd", "masd",
    "rms_surface_distance", "surface_dice", "surface_overlap", "boundary_iou", "component_dice", "hausdorff_dt_loss",
    "log_hausdorff_dt_loss", "hausdorff_er_loss", "boundary_loss", "dice_boundary_loss", "distance_weighted_dice_loss",
    "distance_penalized_cross_entropy", "shape_aware_loss",
}  # fmt: skip; these have tests of their own
WEIGHTS = [0.5, 2.0, 3.5, 1.25, 0.75]

# task, classes, axes, what is special; 2,500 voxels are more than one chunk of the engine
CASES = {
    "line": ("multiclass", 3, (70,), ()),
    "long line": ("multiclass", 2, (2500,), ()),
    "picture": ("multiclass", 4, (13, 17), ("ignored",)),
    "volume": ("multiclass", 3, (6, 11, 5), ("soft",)),
    "absent classes": ("multiclass", 5, (12, 14), ("absent",)),
    "logits": ("multiclass", 3, (12, 15), ("logits",)),
    "sharp logits": ("multiclass", 4, (7, 6, 5), ("logits", "sharp", "mask")),
    "large picture": ("multiclass", 2, (50, 64), ()),
    "masks of a line": ("multilabel", 2, (65,), ("mask",)),
    "masks of a picture": ("multilabel", 3, (14, 12), ("ignored",)),
    "masks of a volume": ("multilabel", 2, (5, 7, 6), ("soft",)),
    "one mask": ("multilabel", 1, (11, 16), ("absent",)),
    "mask of logits": ("multilabel", 1, (5, 9, 4), ("logits",)),
    "masks of sharp logits": ("multilabel", 3, (12, 13), ("logits", "sharp", "ignored")),
    "large masks": ("multilabel", 2, (52, 48), ()),
}


def made(name):
    """(case, tensors, parameters) of one upload."""
    task, classes, shape, special = CASES[name]
    rng = np.random.default_rng(sorted(CASES).index(name))
    exclusive, images = task == "multiclass", 3
    blobs = rng.normal(size=(images, classes, *shape))
    for axis in range(2, blobs.ndim):
        blobs = blobs + 1.5 * np.roll(blobs, 1, axis) + np.roll(blobs, 2, axis)
    blobs /= blobs.std()
    if "absent" in special:
        blobs[0, classes - 1] = blobs[1, 0] = -9.0  # of image 0 and 1
        if classes > 2:
            blobs[:, 2] = -9.0  # of all
    hard = np.stack([blobs.argmax(1) == c for c in range(classes)], 1) if exclusive else blobs > 0.3
    x = (blobs + rng.normal(0, 0.8, blobs.shape)) * (6 if "sharp" in special else 2)
    e = np.exp(x - x.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True) if exclusive else 1 / (1 + np.exp(-x))
    g = hard.astype(float)
    if "soft" in special:
        g = 0.9 * g + 0.1 / classes if exclusive else 0.1 + 0.75 * g
    logits = "logits" in special
    scored = np.ones((images, *shape), bool)
    tensors, params = {"pred": x if logits else p, "label": g}, {"task": task, "label_kind": "onehot"}
    params["pred_kind"] = "logits" if logits else "probs"
    if "mask" in special or "ignored" in special:
        scored[:, : shape[0] // 4] = rng.random(scored[:, : shape[0] // 4].shape) < 0.6
    if "mask" in special:
        tensors["mask"] = scored
    if "ignored" in special:
        params["ignore_index"] = "255"
        label = np.where(scored[:, None], hard, 255).astype(np.int32)
        if exclusive:
            label = np.where(scored, hard.argmax(1), 255).astype(np.int32)
            del params["label_kind"]
        tensors["label"] = label
    return ref.Case(x, p, g, scored, exclusive, logits), tensors, params


def asked(server, tensors, params, texts):
    """{text: score} of every expression."""
    out = {}
    for first in range(0, len(texts), TOGETHER):
        some = texts[first : first + TOGETHER]
        body = safetensors(tensors, {f"maskmeter.{key}": value for key, value in params.items()})
        out.update(zip(some, server.score(body, scores=",".join(some))["scores"]))
    return out


def with_more(text, more):
    if not more:
        return text
    return text[:-1] + "," + more + ")" if text.endswith(")") else f"{text}({more})"


# ------------------------------------------------------------------------------------- from groups to numbers


def of_classes(values):
    """Of each class, the mean over the images where it is defined."""
    return [ref.mean(column) for column in zip(*values)]


def over_classes(values, weights):
    pairs = [(value, w) for value, w in zip(values, weights) if value is not None]
    total = sum(w for _, w in pairs)
    return sum(value * w for value, w in pairs) / total if total else None


def class_scores(case, f, pooled=False, always=False):
    """[images][classes], or one row."""
    return [[None if z.absent() and not always else f(z) for z in row] for row in case.rows(pooled)]


def image_scores(case, f):
    return [
        [None if case.group(n, c).absent() else f(case, n, c) for c in range(case.classes)] for n in range(case.images)
    ]


def micro(case, f, pooled=False, always=False):
    """All classes of an image added first."""
    joined = [ref.Group.joined(row) for row in case.rows(pooled)]
    return ref.mean([None if z.absent() and not always else f(z) for z in joined])


def entropy_classes(case, f, pooled=False):
    return of_classes([[ref.ratio(*f(case, z)) for z in row] for row in case.rows(pooled)])


def entropy_value(case, name, weights, pooled=False):
    """The mean over the voxels, a voxel weighing as much as its label."""
    f = ref.ENTROPY[name]
    if name.split("(")[0] in ref.BY_CLASS:
        return over_classes(entropy_classes(case, f, pooled), weights)
    values = []
    for row in case.rows(pooled):
        terms = [f(case, z) for z in row]
        below = sum(w * n for w, (_, n) in zip(weights, terms))
        if ref.is_mean_over_voxels(case, name) and set(weights) == {1.0}:
            below = len(row[0].g)
        values.append(ref.ratio(sum(w * s for w, (s, _) in zip(weights, terms)), below))
    return ref.mean(values)


def joint_value(case, f, pooled=False):
    return ref.mean([f(case, row) for row in case.rows(pooled)])


def term_value(case, text):
    """One term of a named sum."""
    ones = [1.0] * case.classes
    if text in ref.ENTROPY:
        return entropy_value(case, text, ones)
    if text in ref.JOINT or text in ref.ORDERED:
        return joint_value(case, {**ref.JOINT, **ref.ORDERED}[text])
    if text in ref.IMAGES:
        return over_classes(of_classes(image_scores(case, ref.IMAGES[text])), ones)
    return over_classes(of_classes(class_scores(case, ref.OVERLAP[text])), ones)


def sum_value(case, text):
    values = [(factor, term_value(case, term)) for factor, term in ref.SUMS[text]]
    return None if any(value is None for _, value in values) else sum(factor * value for factor, value in values)


# ------------------------------------------------------------------------------------- what is expected of one upload


def expect_classes(case, weights, want):
    """Overlap losses, rates and counts: want[text] = (value, per_class or None)."""
    ones, label = [1.0] * case.classes, [z.g.sum() for z in case.rows(True)[0]]
    for text, f in {**ref.OVERLAP, **ref.RATES, **ref.COUNTS}.items():
        always, hard = text in ref.COUNTS, text not in ref.OVERLAP
        label_of = [z.hard_g.sum() for z in case.rows(True)[0]] if hard else label
        by_class = of_classes(class_scores(case, f, always=always))
        pooled = class_scores(case, f, True, always)[0]
        default = ones if hard else weights
        want[text] = over_classes(by_class, default), by_class
        want[with_more(text, "average=weighted")] = over_classes(by_class, weights), by_class
        want[with_more(text, "average=support")] = over_classes(by_class, label_of), by_class
        want[with_more(text, "average=micro")] = micro(case, f, always=always), by_class
        want[with_more(text, "over=pooled")] = over_classes(pooled, default), pooled
        want[with_more(text, "over=pooled,average=micro")] = micro(case, f, True, always), pooled


def expect_images(case, weights, want):
    """Scores that see an image as a whole."""
    found = {text: class_scores(case, f) for text, f in {**ref.RANKS, **(ref.LOGITS if case.logits else {})}.items()}
    for text, f in ref.IMAGES.items():
        if case.scored.all() or not text.startswith("ms_ssim"):  # what is averaged across a gap has no formula here
            found[text] = image_scores(case, f)
    for text, values in found.items():
        by_class, is_loss = of_classes(values), text.split("(")[0].endswith("loss")
        want[text] = over_classes(by_class, weights if is_loss else [1.0] * case.classes), by_class


def expect_entropy(case, weights, want):
    for text, f in ref.ENTROPY.items():
        by_class = entropy_classes(case, f)
        if "label_smoothing" not in text or not case.exclusive:
            want[text] = entropy_value(case, text, weights), by_class
        pooled = entropy_classes(case, f, True)
        want[with_more(text, "over=pooled")] = entropy_value(case, text, weights, True), pooled
        if text.split("(")[0] not in ref.BY_CLASS:
            want[with_more(text, "average=macro")] = over_classes(by_class, weights), by_class


def expect_joint(case, want):
    for text, f in {**ref.JOINT, **(ref.EXCLUSIVE if case.exclusive else {})}.items():
        text = text.replace("{uneven}", str(ref.uneven(case.classes)).replace(" ", ""))
        want[text] = joint_value(case, f), None
        want[with_more(text, "over=pooled")] = joint_value(case, f, True), None
    for text, f in {**ref.BY_IMAGE, **ref.ORDERED}.items():
        want[text] = joint_value(case, f), None
    for text, f in ref.NACL.items() if case.logits else ():
        want[text] = ref.mean([f(case, n) for n in range(case.images)]), None


def expect_calibration(case, want):
    for text, f in ref.CALIBRATION.items():
        by_class = of_classes(class_scores(case, lambda z: f(z.p, z.g)))
        want[with_more(text, "of=class")] = over_classes(by_class, [1.0] * case.classes), by_class
        pooled = class_scores(case, lambda z: f(z.p, z.g), True)[0]
        want[with_more(text, "of=class,over=pooled")] = over_classes(pooled, [1.0] * case.classes), pooled
        if case.exclusive:
            want[text] = joint_value(case, ref.top(f)), None
            want[with_more(text, "over=pooled")] = joint_value(case, ref.top(f), True), None


def expect_tables(case, want):
    for normalize in ("none", "label", "prediction", "all"):
        for pooled in (False, True):
            more = f"normalize={normalize}" + (",over=pooled" if pooled else "")
            tables = [shares(case, row, normalize) for row in case.rows(pooled)]
            want[f"confusion_matrix({more})"] = np.mean(tables, axis=0).tolist(), None


def shares(case, row, normalize):
    tables = [ref.table(case, row)] if case.exclusive else [ref.table(case, [z]) for z in row]
    axis = {"none": (), "label": 1, "prediction": 0, "all": (0, 1)}[normalize]
    with np.errstate(all="ignore"):
        found = [m if axis == () else np.nan_to_num(m / m.sum(axis=axis, keepdims=True)) for m in tables]
    return found[0] if case.exclusive else np.array(found)


def check(scores, want):
    wrong = []
    for text, (value, by_class) in want.items():
        score = scores[text]
        if not near(score["value"], value):
            wrong.append((text, score["value"], value))
        if by_class is not None and not near(score["per_class"], by_class):
            wrong.append((text, score["per_class"], by_class))
    assert not wrong, (len(wrong), wrong[:5])


@pytest.mark.parametrize("name", CASES)
def test_against_formulas(server, name):
    case, tensors, params = made(name)
    want, ones = {}, [1.0] * case.classes
    expect_classes(case, ones, want)
    expect_images(case, ones, want)
    expect_entropy(case, ones, want)
    expect_joint(case, want)
    expect_calibration(case, want)
    expect_tables(case, want)
    want.update({text: (sum_value(case, text), None) for text in ref.SUMS})
    check(asked(server, tensors, params, list(want)), want)


@pytest.mark.parametrize("name", CASES)
def test_with_weights(server, name):
    """They enter the value of losses, and of other scores with average=weighted."""
    case, tensors, params = made(name)
    weights, want = WEIGHTS[: case.classes], {}
    expect_classes(case, weights, want)
    expect_images(case, weights, want)
    expect_entropy(case, weights, want)
    want = {text: value for text, value in want.items() if "pooled" not in text and "micro" not in text}
    check(asked(server, tensors, dict(params, weights=",".join(map(str, weights))), list(want)), want)


def test_every_score_has_a_formula(server):
    """All that the registry lists is here, or is a distance."""
    tables = (ref.OVERLAP, ref.RATES, ref.COUNTS, ref.CALIBRATION, ref.RANKS, ref.LOGITS, ref.IMAGES, ref.ENTROPY,
              ref.JOINT, ref.EXCLUSIVE, ref.BY_IMAGE, ref.ORDERED, ref.NACL, ref.SUMS)  # fmt: skip
    here = {text.split("(")[0] for table in tables for text in table} | {"confusion_matrix"}
    natural = [score for score in server.get("/v1/scores").json()["scores"] if "." not in score["name"]]
    assert {score["name"] for score in natural} - here == DISTANCES
    assert {alias for score in natural for alias in score["aliases"]} - here == {"nsd"}
