"""test_history.py - parts, merging, conflicts, listing, deleting, and what survives a restart."""

import datetime
import sqlite3
import subprocess
import time

import numpy as np
import pytest
import requests
from support import bits, eventually, problem, safetensors, scores_of, softmax_case

PROBS, LABEL = softmax_case(images=4)
SCORES = "dice,cross_entropy,tversky_loss(alpha=0.3,beta=0.7)"


def body(*images):
    chosen = list(images) or [0, 1, 2, 3]
    return safetensors({"pred": PROBS[chosen], "label": LABEL[chosen]})


def names(*images):
    return ",".join(f"i{n}" for n in images)


def send(server, run, *images, **params):
    params = {"step": "1", "scores": SCORES, "image_ids": names(*images), **params}
    return server.post(body(*images), run=run, **params)


def read(server, run, **params):
    answer = server.get("/v1/evaluations", **{"run": run, "split": "val", "step": "1", **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


def rfc3339(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


# ---------------------------------------------------------------------------------------------------- storing


def test_without_run_nothing_is_stored(server):
    before = server.get("/v1/runs").json()
    assert server.score(body())["evaluation"] is None
    assert server.get("/v1/runs").json() == before


def test_a_stored_part_describes_itself(server):
    answer = send(server, "alone", 0, 1, split="test", step="7", part="rank-0", parts="2").json()
    assert answer["evaluation"] == {
        "run": "alone", "split": "test", "step": 7, "part": "rank-0",
        "parts_received": 1, "parts_expected": 2, "complete": False,
    }
    assert answer["images"] == 2
    answer = send(server, "alone", 2, 3, split="test", step="7", part="rank-1", parts="2").json()
    assert (answer["images"], answer["evaluation"]["part"]) == (2, "rank-1")
    assert (answer["evaluation"]["parts_received"], answer["evaluation"]["complete"]) == (2, True)


def test_defaults_of_a_stored_part(server):
    evaluation = server.score(body(), run="defaults", step="0")["evaluation"]
    assert (evaluation["split"], evaluation["part"], evaluation["step"]) == ("val", "0", 0)
    assert (evaluation["parts_expected"], evaluation["complete"]) == (None, True)
    answer = read(server, "defaults", step="0", include="images")
    assert answer["image_ids"] == ["0/0", "0/1", "0/2", "0/3"]


def test_merged_is_the_union_of_its_parts(server):
    whole = server.score(body(), scores=SCORES)
    for number in range(4):
        assert send(server, "union", number, part=str(number)).status_code == 200
    document = read(server, "union")
    assert document["evaluation"] == {
        "run": "union", "split": "val", "step": 1, "part": None,
        "parts_received": 4, "parts_expected": None, "complete": True,
    }
    assert document["images"] == 4 and document["voxels"] == 4 * 16 * 20
    assert document["scores"] == whole["scores"] and document["classes"] == whole["classes"]


def test_images_are_ordered_by_part_and_index(server):
    """Parts with numbers for names are ordered as numbers."""
    for part, image in (("10", 0), ("9", 1), ("2", 2)):
        send(server, "order", image, part=part)
    assert read(server, "order", include="images")["image_ids"] == ["i2", "i1", "i0"]


def test_a_part_sent_again_replaces_itself(server):
    send(server, "replace", 0, 1, part="a")
    send(server, "replace", 2, part="b")
    first = read(server, "replace")
    assert send(server, "replace", 0, 1, part="a").status_code == 200
    assert read(server, "replace") | {"engine": 0} == first | {"engine": 0}
    assert send(server, "replace", 3, part="a").json()["evaluation"]["parts_received"] == 2
    assert read(server, "replace", include="images")["image_ids"] == ["i3", "i2"]


def test_the_same_image_in_two_parts(server):
    """Equal records count once; different ones are 409 that names the image, and change nothing."""
    send(server, "twice", 0, 1, part="a")
    assert send(server, "twice", 1, 2, part="b").status_code == 200
    before = read(server, "twice", include="images")
    assert before["images"] == 3 and sorted(before["image_ids"]) == ["i0", "i1", "i2"]
    answer = server.post(body(3), run="twice", step="1", part="c", scores=SCORES, image_ids="i1")
    problem(answer, 409, says="i1")
    after = read(server, "twice", include="images")
    assert bits(after) == bits(before) and after["evaluation"] == before["evaluation"]


SET_BY_FIRST_PART = {
    "classes": ({"classes": "a,b,c"}, {"classes": "a,b,d"}),
    "task": ({"task": "multiclass"}, {"task": "multilabel"}),
    "threshold": ({"threshold": "0.5"}, {"threshold": "0.25"}),
    "ignore_index": ({"ignore_index": "255"}, {"ignore_index": "254"}),
    "parts": ({"parts": "2"}, {"parts": "3"}),
}


@pytest.mark.parametrize("name", SET_BY_FIRST_PART)
def test_what_the_first_part_sets(server, name):
    """Another value in a later part is 409 that names the parameter, and the evaluation stays as it was."""
    first, other = SET_BY_FIRST_PART[name]
    run = f"set-{name}"
    onehot = np.ascontiguousarray(np.eye(3, dtype="u1")[LABEL].transpose(0, 3, 1, 2))
    parts = [safetensors({"pred": PROBS[n : n + 2], "label": onehot[n : n + 2]}) for n in (0, 2)]
    common = {"run": run, "step": "1", "scores": "dice"}
    assert server.post(parts[0], part="a", **common, **first).status_code == 200
    before = read(server, run)
    problem(server.post(parts[1], part="b", **common, **other), 409, param=name)
    assert bits(read(server, run)) == bits(before)
    assert server.post(parts[1], part="b", **common, **first).status_code == 200
    assert read(server, run)["images"] == 4


def test_other_number_of_classes_is_a_conflict(server):
    send(server, "classes", 0)
    probs, label = softmax_case(classes=4)
    answer = server.post(safetensors({"pred": probs, "label": label}), run="classes", step="1", part="b")
    problem(answer, 409, param="classes")
    assert read(server, "classes")["images"] == 1


def test_a_lone_part_sent_again_may_not_change_the_classes_of_others(server):
    send(server, "two", 0, part="a")
    send(server, "two", 1, part="b")
    problem(send(server, "two", 0, part="a", threshold="0.1"), 409, param="threshold")


def test_same_names_in_other_places_do_not_meet(server):
    """Run, split and step together are the evaluation."""
    for split, step in (("val", "1"), ("test", "1"), ("val", "2")):
        send(server, "places", 0, split=split, step=step)
    send(server, "places/other", 1)
    assert read(server, "places")["images"] == 1
    assert server.get("/v1/runs/places").json()["evaluations"] == 3


@pytest.mark.parametrize("name", ["ü/é α", "a b+c", "100%", "...", 'quote"<x>', "\U0001f9e0", "x" * 256, "a?b#c&d=e"])
def test_names_of_runs(server, name):
    """What a name may hold comes back as it was sent, in the query and in a path, %2F included."""
    assert send(server, name, 0).status_code == 200
    assert read(server, name)["evaluation"]["run"] == name
    path = "/v1/runs/" + requests.utils.quote(name, safe="")
    assert server.get(path).json()["run"] == name
    assert server.get(path + "/evaluations").json()["run"] == name
    assert server.request("DELETE", path).status_code == 204
    assert server.get(path).status_code == 404


# ---------------------------------------------------------------------------------------------------- reading


def test_other_scores_of_what_is_stored(server):
    """What the stored sums can give is given, bit for bit what an upload would have said; the rest is not_in_sums."""
    send(server, "later", 0, 1, part="a", scores="dice")
    send(server, "later", 2, 3, part="b", scores="dice")
    asked = "iou,jaccard_loss,tversky_loss(alpha=0.9,beta=0.1),cross_entropy,x:dice(over=pooled)"
    document = read(server, "later", scores=asked)
    assert document["scores"] == server.score(body(), scores=asked)["scores"]
    score = read(server, "later", scores="focal_loss(gamma=3.25)")["scores"][0]
    assert score["value"] is None
    assert "not_in_sums" in str(score)
    assert [score["name"] for score in read(server, "later")["scores"]] == ["dice"]


# What is kept of every stored part, whatever was asked for; README says the same in words.
COUNTED = (
    "dice,iou,fbeta(beta=2),tversky,precision,recall,specificity,accuracy,false_discovery_rate,miss_rate,fall_out,npv,"
    "false_omission_rate,balanced_accuracy,informedness,markedness,prevalence_threshold,fowlkes_mallows,mcc,"
    "positive_likelihood_ratio,negative_likelihood_ratio,volume_similarity,relative_volume_difference,"
    "hamming_distance,tp,fp,fn,tn,exact_match,generalized_dice,kappa(weights=linear),mcc_multiclass,confusion_matrix"
).split(",")
SUMMED = (
    "dice_loss(smooth=0.5),dice_loss(overlap=square),squared_dice_loss,jaccard_loss,squared_jaccard_loss,log_dice_loss,"
    "log_jaccard_loss,log_cosh_dice_loss,log1p_dice_loss,negative_dice_loss,tversky_loss(alpha=0.9),"
    "focal_tversky_loss(gamma=3),asymmetric_similarity_loss,asymmetric_focal_tversky_loss,generalized_dice_loss,"
    "penalty_generalized_dice_loss,mcc_loss"
).split(",")
ENTROPIES = ["cross_entropy", "focal_loss", "focal_loss(gamma=1)", "focal_loss(gamma=0)", "asymmetric_focal_loss",
             "dice_ce_loss", "dice_focal_loss(gamma=1,alpha=0.25)", "generalized_dice_focal_loss"]  # fmt: skip
OF_MASKS = ["binary_cross_entropy(pos_weight=3)", "weighted_binary_cross_entropy", "balanced_binary_cross_entropy",
            "dice_bce_loss", "combo_loss", "log1p_dice_bce_loss"]  # fmt: skip
# (score, what its note says that it needs)
LACKING = {
    "soft_dice_loss": "|p - g|", "dice_loss(overlap=l1)": "|p - g|", "focal_loss(gamma=1.5)": "gamma 1.5",
    "cross_entropy(eps=0.001)": "eps 0.001", "cross_entropy(label_smoothing=0.1)": "-log", "auroc": "characteristic",
    "sensitivity_specificity_loss": "(g-p)^2", "sigmoid_focal_loss": "each class against the rest",
    "expected_calibration_error": "15 bins", "topk_cross_entropy": "greatest cross-entropies", "cldice": "skeletons",
    "lovasz_softmax_loss": "Lovasz", "ssim": "windows", "panoptic_quality": "connected components",
    "hd95": "distances between surfaces", "sum(dice,2*soft_dice_loss)": "|p - g|",
}  # fmt: skip
TASKS = {
    "multiclass": COUNTED + ["pixel_accuracy"] + SUMMED + ENTROPIES,
    "multilabel": COUNTED + SUMMED + ENTROPIES + OF_MASKS,
}


@pytest.mark.parametrize("task", TASKS)
def test_what_is_always_kept(server, task):
    """Sums that cost next to nothing are stored unasked; of the others the answer says what would have been needed."""
    probs, label = softmax_case(seed=7, dtype="<f8")
    onehot = np.stack([label == c for c in range(3)], axis=1).astype("u1")
    sent = safetensors({"pred": probs, "label": onehot})
    params = {"task": task, "label_kind": "onehot"}
    server.score(sent, run=f"kept-{task}", step="0", scores="tp", **params)
    for first in range(0, len(TASKS[task]), 10):
        some = ",".join(TASKS[task][first : first + 10])
        assert read(server, f"kept-{task}", step="0", scores=some)["scores"] == (
            server.score(sent, scores=some, **params)["scores"]
        ), some
    for text, needs in LACKING.items():
        (score,) = read(server, f"kept-{task}", step="0", scores=text)["scores"]
        assert score["value"] is None and "not_in_sums" in str(score), score
        assert score["note"].startswith("needs the ") and needs in score["note"], score


def test_weights_of_a_stored_evaluation(server):
    """Those of the first part by default; others may be asked for."""
    send(server, "weights", 0, 1, part="a", weights="1,2,3")
    send(server, "weights", 2, 3, part="b", weights="9,9,1")
    assert read(server, "weights")["scores"] == server.score(body(), scores=SCORES, weights="1,2,3")["scores"]
    other = read(server, "weights", weights="5,0,1")["scores"]
    assert other == server.score(body(), scores=SCORES, weights="5,0,1")["scores"]
    problem(server.get("/v1/evaluations", run="weights", split="val", step="1", weights="1,2"), 400, param="weights")


def test_what_is_not_there(server):
    send(server, "there", 0)
    for params in ({"run": "nowhere"}, {"split": "test"}, {"step": "2"}):
        answer = server.get("/v1/evaluations", **{"run": "there", "split": "val", "step": "1", **params})
        problem(answer, 404)
    for path in ("/v1/runs/nowhere", "/v1/runs/nowhere/evaluations"):
        problem(server.get(path), 404)
    problem(server.request("DELETE", "/v1/runs/nowhere"), 404)


@pytest.mark.parametrize("params, culprit", [
    ({"run": None}, "run"), ({"step": None}, "step"), ({"step": "x"}, "step"), ({"scores": "dyce"}, "scores"),
    ({"include": "x"}, "include"), ({"task": "multiclass"}, "task"), ({"cursor": "x"}, "cursor"),
])
def test_bad_questions(server, params, culprit):
    send(server, "question", 0)
    params = {"run": "question", "split": "val", "step": "1", **params}
    params = {key: value for key, value in params.items() if value is not None}
    problem(server.get("/v1/evaluations", **params), 400, param=culprit)


def test_runs_newest_first_and_paged(start):
    server = start()
    assert server.get("/v1/runs").json() == {"runs": [], "next": None}
    for number in range(7):
        send(server, f"run{number}", 0, split="val" if number % 2 else "test", step=str(number))
        time.sleep(0.003)
    everything = server.get("/v1/runs").json()
    assert [row["run"] for row in everything["runs"]] == [f"run{n}" for n in reversed(range(7))]
    assert everything["next"] is None
    seen, cursor = [], None
    while True:
        page = server.get("/v1/runs", limit="3", **({"cursor": cursor} if cursor else {})).json()
        assert len(page["runs"]) <= 3
        seen += page["runs"]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == everything["runs"]
    row = everything["runs"][0]
    assert (row["splits"], row["evaluations"], row["first_step"], row["last_step"]) == (["test"], 1, 6, 6)
    assert rfc3339(row["created"]) <= rfc3339(row["updated"])
    for limit in ("0", "-1", "x", "1000000"):
        problem(server.get("/v1/runs", limit=limit), 400, param="limit")
    for cursor in ("x", "", "%00", "A" * 400):
        problem(server.get("/v1/runs", cursor=cursor), 400, param="cursor")


def test_one_run(server):
    for split, step in (("val", "3"), ("test", "12"), ("val", "30")):
        send(server, "one", 0, split=split, step=step)
    row = server.get("/v1/runs/one").json()
    assert (row["run"], row["splits"], row["evaluations"]) == ("one", ["test", "val"], 3)
    assert (row["first_step"], row["last_step"]) == (3, 30)
    assert row in server.get("/v1/runs").json()["runs"]


def test_evaluations_of_a_run(server):
    """Newest first, paged, each with the value of every score under its name."""
    for step in range(1, 6):
        send(server, "list", 0, 1, step=str(step), part="a", parts="2", scores="d:dice,cross_entropy")
        time.sleep(0.003)
    send(server, "list", 2, 3, step="5", part="b", parts="2", scores="d:dice,cross_entropy")
    page = server.get("/v1/runs/list/evaluations").json()
    assert page["run"] == "list" and page["next"] is None
    assert [row["step"] for row in page["evaluations"]] == [5, 4, 3, 2, 1]
    row = page["evaluations"][0]
    assert (row["split"], row["images"], row["parts_received"], row["parts_expected"], row["complete"]) == (
        "val",
        4,
        2,
        2,
        True,
    )
    assert page["evaluations"][1]["complete"] is False
    document = read(server, "list", step="5")
    assert row["scores"] == {name: score["value"] for name, score in scores_of(document).items()}
    seen, cursor = [], None
    while True:
        part = server.get("/v1/runs/list/evaluations", limit="2", **({"cursor": cursor} if cursor else {})).json()
        seen += part["evaluations"]
        cursor = part["next"]
        if cursor is None:
            break
    assert seen == page["evaluations"]


def test_time_of_an_evaluation(server):
    """That of its first part; an explicit one replaces it, in any zone."""

    def time_of(run):
        return rfc3339(server.get(f"/v1/runs/{run}/evaluations").json()["evaluations"][0]["time"])

    before = datetime.datetime.now(datetime.timezone.utc)
    send(server, "clock", 0, part="a")
    first = time_of("clock")
    assert abs((first - before).total_seconds()) < 5
    send(server, "clock", 1, part="b")
    assert time_of("clock") == first
    send(server, "clock", 2, part="c", time="2024-02-29T12:00:00.250+02:00")
    assert time_of("clock") == rfc3339("2024-02-29T10:00:00.250+00:00")


def test_delete(server):
    send(server, "gone", 0)
    send(server, "gone", 0, split="test", step="9")
    send(server, "stays", 0)
    answer = server.request("DELETE", "/v1/runs/gone")
    assert (answer.status_code, answer.content) == (204, b"")
    problem(server.request("DELETE", "/v1/runs/gone"), 404)
    problem(server.get("/v1/evaluations", run="gone", split="val", step="1"), 404)
    assert read(server, "stays")["images"] == 1
    assert send(server, "gone", 1).json()["evaluation"]["parts_received"] == 1


# ---------------------------------------------------------------------------------------------------- surviving


def test_a_restart_keeps_everything(start, tmp_path):
    server = start(data=tmp_path / "kept")
    for part in range(3):
        send(server, "kept", part, part=str(part), parts="4")
    before = read(server, "kept", include="images,confusion")
    listing = server.get("/v1/runs/kept/evaluations").json()
    server.stop()
    again = start(data=tmp_path / "kept")
    assert bits(read(again, "kept", include="images,confusion")) == bits(before)
    assert again.get("/v1/runs/kept/evaluations").json() == listing
    assert send(again, "kept", 3, part="3", parts="4").json()["evaluation"]["complete"] is True


def test_two_servers_do_not_share_a_folder(start, tmp_path):
    """The second one refuses to start and says why."""
    server = start(data=tmp_path / "shared")
    second = subprocess.run(server.command(), stderr=subprocess.PIPE, timeout=20, check=False)
    assert second.returncode == 1
    assert b"lock" in second.stderr or b"use" in second.stderr
    assert server.score(body())["images"] == 4


# ------------------------------------------------------------------------------------------- filters, tags, retention


def test_evaluations_by_split_step_and_time(start):
    server = start()
    for step in range(30):
        time_text = f"2026-01-01T00:00:{step:02}Z"
        send(server, "r", 0, step=str(step), split="val" if step % 2 else "test", time=time_text)

    def steps(**params):
        found, cursor = [], {}
        while cursor is not None:
            page = server.get("/v1/runs/r/evaluations", **params, **cursor, limit="3").json()
            found += [row["step"] for row in page["evaluations"]]
            cursor = {"cursor": page["next"]} if page["next"] else None
        return found

    assert steps() == list(range(29, -1, -1))
    assert steps(split="val") == list(range(29, 0, -2))
    assert steps(split="val", first_step="10", last_step="15") == [15, 13, 11]
    window = {"from": "2026-01-01T00:00:05Z", "to": "2026-01-01T01:00:08+01:00"}
    assert steps(**window) == [8, 7, 6, 5]
    assert steps(split="none") == [] and steps(first_step="9", last_step="8") == []
    for name, value in (("split", "a,b"), ("first_step", "-1"), ("last_step", "x"), ("from", "1"), ("to", "today")):
        problem(server.get("/v1/runs/r/evaluations", **{name: value}), 400, param=name)
    problem(server.get("/v1/runs/nobody/evaluations", split="val"), 404)


def test_tags_of_runs(start):
    server = start()
    send(server, "r", 0, tags="model=unet,lr=1e-3")
    send(server, "r", 1, part="1", tags="lr=1e-4,note=a=b <i>")
    run = server.get("/v1/runs/r").json()
    assert run["tags"] == {"lr": "1e-4", "model": "unet", "note": "a=b <i>"}
    assert server.get("/v1/runs").json()["runs"] == [run]
    metadata = {"maskmeter.run": "m", "maskmeter.step": "1", "maskmeter.tags": "from=file,empty="}
    server.score(safetensors({"pred": PROBS, "label": LABEL}, metadata))
    assert server.get("/v1/runs/m").json()["tags"] == {"from": "file", "empty": ""}
    for value in ("model", "=x", "a=1,a=2", "", ",", "a=\x01", "a=" + "x" * 300, ",".join(f"t{i}=1" for i in range(65))):
        problem(send(server, "bad", 0, tags=value), 400, param="tags")
    problem(server.get("/v1/runs/bad"), 404)


def test_keep_days(start, tmp_path):
    """Evaluations whose last part is older go, a few at a time; uploads go on meanwhile."""
    data = tmp_path / "kept"
    server = start("--keep-days", "30", data=data)
    for step in range(50):
        send(server, "old", 0, step=str(step))
    send(server, "new", 0)
    time.sleep(1.5)  # it has looked once, and all are young
    assert server.get("/v1/runs/old").json()["evaluations"] == 50
    server.stop()
    with sqlite3.connect(data / "maskmeter.db") as db:
        days = 86_400_000
        db.execute("UPDATE evaluations SET updated = updated - ? WHERE step < 49", (31 * days,))
        db.execute("UPDATE evaluations SET updated = updated - ? WHERE step = 49", (29 * days,))
        db.execute("UPDATE evaluations SET updated = ? WHERE run = (SELECT id FROM runs WHERE name = 'new')",
                   (int(time.time() * 1000),))  # fmt: skip
    db.close()
    forever = start(data=data)
    time.sleep(1.5)
    assert forever.get("/v1/runs/old").json()["evaluations"] == 50
    forever.stop()
    server = start("--keep-days", "30", data=data)
    eventually(lambda: server.get("/v1/runs/old").json()["evaluations"] == 1)
    send(server, "new", 0, step="2")
    assert [row["run"] for row in server.get("/v1/runs").json()["runs"]] == ["new", "old"]
    assert server.get("/v1/runs/old").json()["first_step"] == 49
    eventually(lambda: any(entry.get("event") == "expired" and "49" in str(entry) for entry in server.log))
