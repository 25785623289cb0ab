"""test_surface_history.py - distances of merged parts, of images, percentiles over images, and what history lacks."""

import json

import numpy as np
import pytest
from support import near, problem, safetensors, scores_of
from surfaces import Pair

IMAGES, CLASSES, SPACING = 7, 3, (0.8, 1.7)
SCORES = "hd95,pooled:hd95(of=pooled),assd,nsd(tolerance=1),hausdorff,area:nsd(surface=surfel,tolerance=2)"


def discs():
    """Maps of discs of two classes; the prediction is moved a little more in each image.  Some images lack a class."""
    rows, columns = np.mgrid[:40, :36]
    label, pred = np.zeros((2, IMAGES, 40, 36), "u1")
    for n in range(IMAGES):
        label[n][(rows - 13) ** 2 + (columns - 12) ** 2 < 60] = 1
        pred[n][(rows - 13 - n) ** 2 + (columns - 12) ** 2 < 60 + 3 * n] = 1
        if n != 2:
            label[n][(rows - 28) ** 2 + (columns - 25) ** 2 < 40] = 2
        if n != 4:
            pred[n][(rows - 28) ** 2 + (columns - 25 + n) ** 2 < 40] = 2
    return pred, label


PRED, LABEL = discs()


def send(server, run, images, part="0", scores=SCORES, **params):
    body = safetensors({"pred": PRED[images], "label": LABEL[images]})
    ids = ",".join(f"i{n}" for n in images)
    params = {"num_classes": str(CLASSES), "spacing": ",".join(map(str, SPACING)), "step": "1", **params}
    return server.score(body, run=run, part=part, image_ids=ids, scores=scores, **params)


def read(server, run, **params):
    answer = server.get("/v1/evaluations", run=run, split="val", step="1", **params)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture(scope="module")
def whole(server):
    return send(server, "whole", range(IMAGES), include="images")


@pytest.fixture(scope="module")
def by_force():
    """[image][class] of the 95th percentile, None where one mask is empty."""
    pairs = [[Pair(PRED[n] == c, LABEL[n] == c, SPACING) for c in range(CLASSES)] for n in range(IMAGES)]
    return [[None if pair.reason else float(pair.percentile(95)) for pair in row] for row in pairs]


SPLITS = [[[0, 1, 2, 3], [4, 5, 6]], [[n] for n in reversed(range(IMAGES))], [[6, 1], [0, 2, 5], [3, 4, 1]]]


@pytest.mark.parametrize("parts", SPLITS, ids=len)
def test_merged_parts_are_the_whole(server, whole, parts):
    """The same numbers to the bit, per image too, whatever was sent with what."""
    run = f"parts{len(parts)}"
    for number, images in enumerate(parts):
        send(server, run, images, str(number))
    merged = read(server, run, include="images")
    assert merged["images"] == IMAGES
    order = [merged["image_ids"].index(name) for name in whole["image_ids"]]
    for score, wanted in zip(merged["scores"], whole["scores"]):
        score["per_image"] = [score["per_image"][n] for n in order]
        assert score == wanted


def test_each_image_is_there(whole, by_force):
    """One row per image, null where a mask is empty; the mean leaves those out and says why."""
    score = scores_of(whole)["hd95"]
    assert near(score["per_image"], by_force)
    assert by_force[2][2] is None and by_force[4][2] is None
    for c in range(CLASSES):
        assert near(score["per_class"][c], float(np.mean([row[c] for row in by_force if row[c] is not None])))
    nsd = scores_of(whole)["nsd(tolerance=1)"]["per_image"]
    assert nsd[2][2] == 0 and nsd[4][2] == 0


@pytest.mark.parametrize("q", [5, 25, 50, 75, 95])
def test_percentiles_over_images(server, whole, by_force, q):
    """stat= of an upload, and of what is stored without having been asked for it."""
    expression = f"hd95(stat=p{q})"
    want = [float(np.percentile([row[c] for row in by_force if row[c] is not None], q)) for c in range(CLASSES)]
    for document in (send(server, "stat", range(IMAGES), scores=expression), read(server, "whole", scores=expression)):
        assert near(document["scores"][0]["per_class"], want)


def test_other_scores_of_the_stored_lists(server, whole):
    """All that the lists' sums give may be asked for later; so may other forms of a stored percentile or tolerance."""
    later = "masd,rms_surface_distance,hausdorff_directed(from=label),average_surface_distance,hd95(of=label)," \
            "surface_overlap(tolerance=1,side=label),surface_overlap(tolerance=2,surface=surfel),assd(surface=surfel)"
    document = read(server, "whole", scores=later)
    fresh = send(server, "fresh", range(IMAGES), scores=later)
    assert document["scores"] == fresh["scores"]
    assert all(score["value"] is not None for score in document["scores"])


@pytest.mark.parametrize("expression, missing", [
    ("hausdorff_percentile(q=90)", ["percentile", "90"]), ("nsd(tolerance=1.5)", ["within", "1.5"]),
    ("nsd(surface=surfel,tolerance=1)", ["within", "surfel"]), ("hd95(surface=surfel)", ["percentile", "95"]),
    ("hausdorff(connectivity=2)", ["distances"]), ("hausdorff(metric=taxicab)", ["distances"]),
])
def test_what_was_not_kept(server, whole, expression, missing):
    """Null, not_in_sums, and a note that says what would have been needed."""
    document = read(server, "whole", scores=f"{expression},hd95")
    score, known = document["scores"]
    assert score["value"] is None and known == scores_of(read(server, "whole"))["hd95"]
    assert all(value is None for value in score["per_class"])
    assert {row["reason"] for row in score["undefined"]} == {"not_in_sums"}
    for word in missing:
        assert word in score["note"], score["note"]


def test_spacing_is_that_of_the_upload(server, whole):
    """A merged evaluation is in mm of each part's own spacing; the question has none."""
    problem(server.get("/v1/evaluations", run="whole", split="val", step="1", spacing="1,1"), 400, param="spacing")
    send(server, "mixed", [0, 1], "a")
    send(server, "mixed", [3], "b", spacing="8,17")
    first, second = (scores_of(read(server, run, include="images"))["hausdorff"] for run in ("whole", "mixed"))
    assert second["per_image"][:2] == first["per_image"][:2]
    assert near(second["per_image"][2], [10 * value for value in first["per_image"][3]])


def test_explain(server):
    """From what include=explain lists, a person can compute the means and the surface Dice."""
    document = send(server, "explained", [0], scores="assd,hd95,nsd(tolerance=1)", include="images,explain")
    scores = scores_of(document)
    pairs = [Pair(PRED[0] == c, LABEL[0] == c, SPACING) for c in range(CLASSES)]

    def listed(name, word):
        rows = [row for row in scores[name]["explain"] if word in row["what"]]
        assert len(rows) == 1, json.dumps(scores[name]["explain"])
        return rows[0]["per_image"][0]

    rows = listed("assd", "distances between surfaces")
    for c, pair in enumerate(pairs):
        numbers = [row[c] for row in rows]
        for value in (len(pair.a), len(pair.b), pair.a.sum(), pair.b.sum(), (pair.a**2).sum(), pair.a.max()):
            assert any(near(number, float(value)) for number in numbers), (c, value, numbers)
        assert near(scores["assd"]["per_image"][0][c], (pair.a.sum() + pair.b.sum()) / (len(pair.a) + len(pair.b)))
    rows = listed("hd95", "percentile")
    for c, pair in enumerate(pairs):
        for value in (np.percentile(pair.a, 95), np.percentile(pair.b, 95), pair.percentile(95, "pooled")):
            assert any(near(row[c], float(value)) for row in rows)
    rows = listed("nsd(tolerance=1)", "within")
    for c, pair in enumerate(pairs):
        assert any(near(row[c], float((pair.a <= 1).sum())) for row in rows)
