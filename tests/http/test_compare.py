"""test_compare.py - two runs on the images that both have, against NumPy and a generator written anew."""

import numpy as np
import pytest
from support import near, problem, safetensors, softmax_case

CLASSES = ("background", "liver", "tumour")
MASK = (1 << 64) - 1


def store(server, run, step, seed, ids, classes=CLASSES, parts=1, scores="dice,ce:cross_entropy", **params):
    """One evaluation with an image per id; in several parts when asked."""
    probs, label = softmax_case(images=40, classes=len(classes), seed=seed)
    label = softmax_case(images=40, classes=len(classes), seed=99)[1]
    for part in range(parts):
        mine = ids[part::parts]
        body = safetensors({"pred": probs[mine], "label": label[mine]})
        server.score(body, run=run, step=str(step), part=str(part), classes=",".join(classes), scores=scores,
                     image_ids=",".join(f"case-{i}" for i in mine), **params)  # fmt: skip


def per_image(server, run, step, score):
    """{image: [values]} as GET /v1/evaluations lists them."""
    document = server.get("/v1/evaluations", run=run, step=str(step), scores=score, include="images").json()
    return dict(zip(document["image_ids"], document["scores"][0]["per_image"]))


def draws():
    """splitmix64, two 32 bit numbers from each."""
    state = 20240229
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
        z ^= z >> 31
        yield z >> 32, z & 0xFFFFFFFF


def interval(differences, resamples=2000):
    count, stream, means = len(differences), draws(), []
    for _ in range(resamples):
        places = []
        while len(places) < count:
            places += [drawn * count >> 32 for drawn in next(stream)]
        means.append(sum(differences[place] for place in places[:count]) / count)
    return np.percentile(means, [2.5, 97.5])


@pytest.fixture(scope="module")
def filled(server):
    store(server, "base", 1, 3, list(range(25)))
    store(server, "base", 2, 1, list(range(25)))
    store(server, "head", 7, 2, list(range(30, 4, -1)), parts=3)
    return server


def compare(server, **params):
    answer = server.get("/v1/compare", **{"base": "base", "head": "head", "score": "dice", **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("score, expression, lower", [
    ("dice", "dice", False), ("ce", "cross_entropy", True), ("iou(classes=foreground)", "iou", False),
])
def test_against_numpy(filled, score, expression, lower):
    document = compare(filled, score=score)
    base, head = per_image(filled, "base", 2, expression), per_image(filled, "head", 7, expression)
    shared = sorted(set(base) & set(head))
    assert document["images"] == len(shared) == 20
    assert (document["base_step"], document["head_step"], document["split"]) == (2, 7, "val")
    assert document["better"] == ("lower" if lower else "higher")
    names = [row["class"] for row in document["classes"]]
    assert names == list(CLASSES[1:] if "foreground" in score else CLASSES)
    for row in document["classes"]:
        column = CLASSES.index(row["class"])
        left, right = (np.array([side[image][column] for image in shared]) for side in (base, head))
        differences = right - left
        low, high = interval(differences.tolist())
        assert row["images"] == 20
        assert near([row["base"], row["head"], row["difference"]], [left.mean(), right.mean(), differences.mean()])
        assert near([row["low"], row["high"]], [low, high])
        better = differences < 0 if lower else differences > 0
        assert (row["wins"], row["losses"]) == (better.sum(), (~better & (differences != 0)).sum())
        # another generator agrees about as well as 2,000 resamples can
        other = np.random.default_rng(1).choice(differences, (20_000, 20)).mean(axis=1)
        assert abs(np.percentile(other, 2.5) - row["low"]) < 0.1 * (row["high"] - row["low"])


def test_the_same_every_time_whatever_the_parts(filled):
    first = filled.get("/v1/compare", base="base", head="head", score="dice").content
    assert filled.get("/v1/compare", base="base", head="head", score="dice").content == first
    store(filled, "head-whole", 7, 2, list(range(5, 31)))
    store(filled, "head-parts", 7, 2, list(range(5, 31)), parts=13)
    whole, parts = compare(filled, head="head-whole"), compare(filled, head="head-parts")
    assert whole["classes"] == parts["classes"] == compare(filled)["classes"]


def test_steps(filled):
    older = compare(filled, base_step="1", head_step="7")
    assert older["base_step"] == 1 and older["classes"] != compare(filled)["classes"]
    itself = compare(filled, head="base", head_step="2")
    for row in itself["classes"]:
        assert (row["difference"], row["low"], row["high"], row["wins"], row["losses"]) == (0, 0, 0, 0, 0)
    swapped = compare(filled, base="head", head="base")
    for row, back in zip(compare(filled)["classes"], swapped["classes"]):
        assert (row["wins"], row["losses"], row["difference"]) == (back["losses"], back["wins"], -back["difference"])


def test_images_and_classes_that_only_one_has(start):
    server = start()
    store(server, "a", 1, 1, [0, 1, 2])
    store(server, "b", 1, 2, [7, 8])
    store(server, "c", 1, 2, [0, 1, 2], classes=("tumour", "spleen", "liver"))
    none = server.get("/v1/compare", base="a", head="b", score="dice").json()
    assert none["images"] == 0
    assert none["classes"][0] == {
        "class": "background", "images": 0, "base": None, "head": None, "difference": None, "low": None, "high": None,
        "wins": 0, "losses": 0,
    }  # fmt: skip
    some = server.get("/v1/compare", base="a", head="c", score="dice").json()
    assert [row["class"] for row in some["classes"]] == ["liver", "tumour"]
    left, right = per_image(server, "a", 1, "dice"), per_image(server, "c", 1, "dice")
    liver = some["classes"][0]
    assert near(liver["base"], sum(row[1] for row in left.values()) / 3)
    assert near(liver["head"], sum(row[2] for row in right.values()) / 3)


def test_undefined_pairs_are_left_out(start):
    server = start()
    probs, label = softmax_case(images=3)
    absent = label.copy()
    absent[0][absent[0] == 2] = 0
    hidden = probs.copy()
    hidden[0, 2] = 0
    for run, body in (("a", {"pred": hidden, "label": absent}), ("b", {"pred": probs, "label": label})):
        server.score(safetensors(body), run=run, step="1", scores="dice", image_ids="x,y,z")
    rows = server.get("/v1/compare", base="a", head="b", score="dice").json()["classes"]
    assert [row["images"] for row in rows] == [3, 3, 2]


def test_what_cannot_be_compared(filled):
    ask = {"base": "base", "head": "head", "score": "dice"}
    for key in ask:
        problem(filled.get("/v1/compare", **{k: v for k, v in ask.items() if k != key}), 400, param=key)
    for key in ("base", "head"):
        problem(filled.get("/v1/compare", **{**ask, key: "nobody"}), 404, param=key)
        problem(filled.get("/v1/compare", **{**ask, f"{key}_step": "12345"}), 404, param=key)
        problem(filled.get("/v1/compare", **{**ask, f"{key}_step": "x"}), 400, param=f"{key}_step")
    problem(filled.get("/v1/compare", split="test", **ask), 404, param="base")
    for score in ("dyce", "dice,iou", "dice(over=pooled)", "monai.DiceLoss", ""):
        problem(filled.get("/v1/compare", **{**ask, "score": score}), 400, param="score")


def test_a_name_that_means_two_things(start):
    server = start()
    store(server, "a", 1, 1, [0, 1, 2], scores="x:dice")
    store(server, "b", 1, 2, [0, 1, 2], scores="x:iou")
    store(server, "c", 1, 2, [0, 1, 2], scores="dice")
    problem(server.get("/v1/compare", base="a", head="b", score="x"), 400, param="score", says="different")
    named = server.get("/v1/compare", base="a", head="c", score="x").json()
    assert named["classes"] == server.get("/v1/compare", base="a", head="c", score="dice").json()["classes"]
    assert server.get("/v1/compare", base="c", head="a", score="x").status_code == 200
