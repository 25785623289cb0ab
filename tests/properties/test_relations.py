"""test_relations.py - what must not change a number, does not change a bit; and some numbers against NumPy."""

import itertools

import numpy as np
from examples import cases, examples
from hypothesis import given
from hypothesis import strategies as st
from support import bits, near, safetensors, scores_of

SCORES = "dice,iou,precision,dice_loss,tversky_loss(alpha=0.3,beta=0.7),cross_entropy,focal_loss,p:dice(over=pooled),l:dice_loss(over=pooled)"
COUNTER = itertools.count(1)


def body_of(probs, label):
    return safetensors({"pred": probs, "label": label})


@examples(40, 10000)
@given(cases(), st.randoms(use_true_random=False))
def test_order_parts_layout_and_dtype_change_nothing(server, case, random):
    probs, label = case
    images, classes = probs.shape[:2]
    expected = bits(server.score(body_of(probs, label), scores=SCORES))
    order = random.sample(range(images), images)
    last = np.ascontiguousarray(np.moveaxis(probs, 1, -1))
    assert bits(server.score(body_of(probs[order], label[order]), scores=SCORES)) == expected
    assert bits(server.score(body_of(last, label), scores=SCORES, layout="channels_last")) == expected
    for wider in ("<f4", "<f8"):
        assert bits(server.score(body_of(probs.astype(wider), label.astype("<i8")), scores=SCORES)) == expected
    assert bits(server.score(safetensors({"label": label, "pred": probs}, pad=False), scores=SCORES)) == expected
    step = str(next(COUNTER))
    for part, image in enumerate(order):
        one = slice(image, image + 1)
        server.score(body_of(probs[one], label[one]), scores=SCORES, run="parts", step=step, part=str(part))
    merged = server.get("/v1/evaluations", run="parts", step=step)
    assert merged.status_code == 200
    assert bits(merged.json()) == expected


@examples(40, 5000)
@given(cases(), st.randoms(use_true_random=False))
def test_the_names_of_classes_change_nothing(server, case, random):
    probs, label = case
    classes = probs.shape[1]
    order = random.sample(range(classes), classes)  # new class i is the old order[i]
    soft = "dice_loss,tversky_loss(alpha=0.3,beta=0.7),cross_entropy,focal_loss"
    before = scores_of(server.score(body_of(probs, label), scores=soft))
    after = scores_of(server.score(body_of(np.ascontiguousarray(probs[:, order]), np.argsort(order)[label].astype("u1")), scores=soft))
    for name, score in before.items():
        assert after[name]["per_class"] == [score["per_class"][old] for old in order], name
        assert near(after[name]["value"], score["value"]), name


@examples(60, 10000)
@given(cases())
def test_numbers_are_those_of_numpy(server, case):
    probs, label = case
    classes = probs.shape[1]
    document = server.score(body_of(probs, label), scores=SCORES + ",r:recall(over=pooled),j:iou(over=pooled)")
    scores = scores_of(document)
    wide, top = probs.astype("<f8"), probs.argmax(axis=1)
    for c in range(classes):
        truth, mask, p = label == c, top == c, wide[:, c]
        tp, fp, fn = (int(np.sum(x)) for x in (truth & mask, ~truth & mask, truth & ~mask))
        soft = p.sum() + truth.sum()
        for name, over, under in (("p", 2 * tp, 2 * tp + fp + fn), ("j", tp, tp + fp + fn)):
            assert near(scores[name]["per_class"][c], over / under if under else None), (name, c)
        if truth.any():
            assert near(scores["r"]["per_class"][c], tp / (tp + fn)), c
            assert near(scores["l"]["per_class"][c], 1 - 2 * p[truth].sum() / soft), c
        assert document["classes"][c]["label_voxels"] == truth.sum()
        assert document["classes"][c]["pred_voxels"] == mask.sum()
    chosen = np.take_along_axis(wide, label[:, None].astype(int), axis=1)
    per_image = -np.log(np.clip(chosen, 1e-7, None)).reshape(len(label), -1).mean(axis=1)
    assert near(scores["cross_entropy"]["value"], per_image.mean())
