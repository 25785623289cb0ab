"""test_surface_oracle.py - distances between surfaces, as three libraries have them, through HTTP.

Every pair of tests/oracle/surface is one upload of two masks.  The pairs of the atlas are asked for only where MM_ATLAS
names its file (tests/oracle/surface/README.md).
"""

import functools
import json
import math
import os
import pathlib
import sys

import numpy as np
import pytest
from support import ORACLE, SLOW, data_tensors, read_safetensors, safetensors, scores_of, unzstd

FOLDER = ORACLE / "surface"
DOCUMENT = json.loads((FOLDER / "surface_oracle.json").read_text())
CASES = {case["id"]: case for case in DOCUMENT["cases"]}
ATLAS = os.environ.get("MM_ATLAS")
TOLERANCES = ("0.0", "0.5", "1.0", "2.0", "5.0")
PERCENTILES = (50, 75, 90, 95, 99)
SIDES = {"pred_to_gt": "prediction", "gt_to_pred": "label"}
EXACT, DOUBLE, SINGLE, RANKS = 0, 1e-9, 1e-6, 1e-4  # relative, absolute below 1
COUNTED = {}  # library -> {field: worst error}, for the table


def scores():
    """{path of the field: (expression, tolerance)}; what is not here is in SWAPPED or EXPLAINED."""
    out = {
        "overlap.dice": ("dice", DOUBLE),
        "overlap.iou": ("iou", DOUBLE),
        "overlap.volume_similarity": ("volume_similarity", DOUBLE),
        "overlap.relative_volume_difference": ("relative_volume_difference", DOUBLE),
        "medpy.dc": ("dice", DOUBLE),
        "medpy.jc": ("iou", DOUBLE),
        "medpy.ravd": ("relative_volume_difference", DOUBLE),
        "medpy.hd": ("hausdorff", DOUBLE),
        "medpy.hd95": ("hd95(of=pooled)", DOUBLE),
        "medpy.assd": ("assd", DOUBLE),
        "medpy.hd95_connectivity2": ("hd95(of=pooled,connectivity=2)", DOUBLE),
        "medpy.derived.rms_symmetric": ("rms_surface_distance", DOUBLE),
        "medpy.derived.assd_mean_of_means": ("masd", DOUBLE),
        "medpy.derived.hd95_pooled": ("hausdorff_percentile(q=95,of=pooled)", DOUBLE),
        "medpy.derived.hd95_max_directed": ("hd95", DOUBLE),
        "medpy.derived.hd95_mean_directed": ("sum(0.5*hd95(of=prediction),0.5*hd95(of=label))", DOUBLE),
        "deepmind.volumetric_dice": ("dice", DOUBLE),
        "deepmind.robust_hausdorff.p100": ("hausdorff(surface=surfel)", DOUBLE),
        "deepmind.derived.assd_pooled": ("assd(surface=surfel)", DOUBLE),
        "deepmind.derived.rms_symmetric": ("rms_surface_distance(surface=surfel)", DOUBLE),
        "monai.hd": ("monai.compute_hausdorff_distance({})", SINGLE),
        "monai.asd_pred_to_gt": ("monai.compute_average_surface_distance({})", SINGLE),
        "monai.asd_symmetric": ("monai.compute_average_surface_distance(symmetric=true,{})", SINGLE),
        "monai.hd95_directed_pred_to_gt": (
            "monai.compute_hausdorff_distance(percentile=95,directed=true,{})", RANKS,
        ),
    }  # fmt: skip
    for field, side in SIDES.items():
        out[f"medpy.asd_{field}"] = (f"average_surface_distance(from={side})", DOUBLE)
        out[f"medpy.derived.{field}.mean"] = (f"average_surface_distance(from={side})", DOUBLE)
        out[f"medpy.derived.{field}.max"] = (f"hausdorff_directed(from={side})", DOUBLE)
        out[f"deepmind.avg_{field}"] = (f"average_surface_distance(surface=surfel,from={side})", DOUBLE)
        for q in PERCENTILES:
            out[f"medpy.derived.{field}.p{q}"] = (f"hausdorff_percentile(q={q},of={side})", DOUBLE)
    for q in PERCENTILES:
        out[f"deepmind.robust_hausdorff.p{q}"] = (f"hausdorff_percentile(surface=surfel,q={q})", DOUBLE)
        out[f"monai.hd{q}"] = (f"monai.compute_hausdorff_distance(percentile={q},{{}})", RANKS)
    for t in TOLERANCES:
        threshold = f"class_thresholds=[{t}]"
        out[f"medpy.derived.nsd_voxel.{t}"] = (f"surface_dice(tolerance={t})", DOUBLE)
        out[f"deepmind.surface_dice.{t}"] = (f"surface_dice(surface=surfel,tolerance={t})", DOUBLE)
        out[f"monai.nsd_voxel_{t}"] = (f"monai.compute_surface_dice({threshold},{{}})", SINGLE)
        out[f"monai.nsd_subvoxel_{t}"] = (f"monai.compute_surface_dice({threshold},use_subvoxels=true,{{}})", SINGLE)
    for t in ("1.0", "2.0"):
        for n, side in enumerate(("label", "prediction")):
            out[f"deepmind.surface_overlap.{t}.{n}"] = (
                f"surface_overlap(surface=surfel,tolerance={t},side={side})", DOUBLE,
            )  # fmt: skip
    return out


# Label and prediction exchanged: what a library gives in one direction only, in the other.
SWAPPED = {
    "monai.asd_gt_to_pred": ("monai.compute_average_surface_distance({})", SINGLE),
    "medpy.asd_gt_to_pred": ("average_surface_distance", DOUBLE),
    "deepmind.avg_gt_to_pred": ("average_surface_distance(surface=surfel)", DOUBLE),
    "medpy.hd": ("hausdorff", DOUBLE),
    "medpy.hd95": ("hd95(of=pooled)", DOUBLE),
    "medpy.assd": ("assd", DOUBLE),
    "deepmind.derived.assd_pooled": ("assd(surface=surfel)", DOUBLE),
}
# What include=explain lists for a score: (score, place among its values, place of the value that it is divided by).
SIZE_A, SIZE_B, SQUARES_A, SQUARES_B = 1, 2, 5, 6
EXPLAINED = {
    "medpy.derived.pred_to_gt.n": ("assd", SIZE_A, None),
    "medpy.derived.gt_to_pred.n": ("assd", SIZE_B, None),
    "medpy.derived.pred_to_gt.rms": ("assd", SQUARES_A, SIZE_A),
    "medpy.derived.gt_to_pred.rms": ("assd", SQUARES_B, SIZE_B),
    "deepmind.derived.area_pred": ("assd(surface=surfel)", SIZE_A, None),
    "deepmind.derived.area_gt": ("assd(surface=surfel)", SIZE_B, None),
    "deepmind.derived.rms_pred_to_gt": ("assd(surface=surfel)", SQUARES_A, SIZE_A),
    "deepmind.derived.rms_gt_to_pred": ("assd(surface=surfel)", SQUARES_B, SIZE_B),
}
# Nothing here gives these: a deviation, and the number of pieces without their area.
NOT_OURS = {
    "medpy.derived.pred_to_gt.std", "medpy.derived.gt_to_pred.std",
    "deepmind.derived.n_surfels_gt", "deepmind.derived.n_surfels_pred",
}  # fmt: skip


# ----------------------------------------------------------------------------------------------- the masks


@functools.lru_cache(maxsize=1)
def tensors_of(source):
    if source.startswith("aal"):
        data = pathlib.Path(ATLAS).read_bytes()
        return read_safetensors(unzstd(data) if data[:4] == b"\x28\xb5\x2f\xfd" else data)
    return data_tensors(source)


@functools.lru_cache(maxsize=None)
def packed():
    return np.load(FOLDER / "surface_cases.npz")


def masks(case):
    """(prediction, label) as U8 0 and 1."""
    if case["source"] == "synthetic":
        shape = case["shape"]
        return [
            np.unpackbits(packed()[f"{case['id']}__{side}"], count=math.prod(shape)).reshape(shape)
            for side in ("pred", "gt")
        ]
    tensors = tensors_of(case["source"])
    return [np.isin(tensors[key][case["image"]], case["classes"]).astype("u1") for key in ("pred", "label")]


def request_scores(case, expressions):
    """Answers to the expressions, in order, as {expression: score}; equal ones are asked for once."""
    spacing = "spacing=[" + ",".join(map(repr, case["spacing_mm"])) + "]"
    return {text: text.format(spacing + ",include_background=true") for text in dict.fromkeys(expressions)}


def ask(server, case, expressions, pred, label, **params):
    asked = request_scores(case, expressions)
    text = ",".join(f"s{n}:{expression}" for n, expression in enumerate(asked.values()))
    answer = server.score(
        safetensors({"pred": pred[None, None], "label": label[None]}), pred_kind="masks", scores=text,
        spacing=",".join(map(repr, case["spacing_mm"])), **params,
    )  # fmt: skip
    found = scores_of(answer)
    return answer, {text: found[f"s{n}"] for n, text in enumerate(asked)}


# ------------------------------------------------------------------------------------------- what is compared


def leaves(tree, path=""):
    """(path, value) of all that a library said."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    elif isinstance(tree, list):
        for key, value in enumerate(tree):
            yield from leaves(value, f"{path}.{key}")
    else:
        yield path, tree


def wanted(case):
    """{path: value} of the fields that have numbers or words here."""
    return dict(leaves({key: case[key] for key in ("overlap", "medpy", "deepmind", "monai")}))


def value_of(score):
    value = score["value"]
    while isinstance(value, list):
        (value,) = value
    return value


def check(path, value, want, tolerance):
    error = abs(value - want) / max(1, abs(want))
    worst = COUNTED.setdefault(path.split(".")[0], {})
    worst[path] = max(worst.get(path, 0), error)
    assert error <= tolerance, (path, value, want)


def expected_null(case, path):
    """None: a number is wanted.  Else the reason of our null, by SURFACE.md section 5 and the catalogue's policies."""
    pred, label = case["n_pred"] > 0, case["n_gt"] > 0
    if pred and label:
        return None
    if not pred and not label:
        return "absent_in_both"
    if path.startswith("overlap") or path in ("medpy.dc", "medpy.jc", "medpy.ravd", "deepmind.volumetric_dice"):
        return "absent_in_label" if "rel" in path or "ravd" in path else None
    if "nsd" in path or "surface_dice" in path:
        return None
    if "surface_overlap" in path:
        side = "label" if path.endswith(".0") else "prediction"
        return None if {"label": label, "prediction": pred}[side] else f"absent_in_{side}"
    return "empty_label" if pred else "empty_prediction"


def compare(case, table, found):
    """Each field of the table: its number within the tolerance, or null with its reason."""
    want = wanted(case)
    for path, (expression, tolerance) in table.items():
        reason, score = expected_null(case, path), found[expression]
        if reason is None:  # MedPy has no surface Dice, and no list of ours to derive one from, where one mask is empty
            check(path, value_of(score), want.get(path, 0), tolerance)
            continue
        assert value_of(score) is None, (path, score)
        if "per_class" in score:  # a library's own form has its value alone
            assert score["undefined"] == [{"class": 0, "reason": reason}], (path, score)


def explained(score, place):
    (row,) = [row for row in score["explain"] if "distances" in row["what"]]
    return row["per_class"][place][0]


def compare_explained(case, found):
    want = wanted(case)
    for path, (expression, place, by) in EXPLAINED.items():
        value = explained(found[expression], place)
        if by is not None:
            if case["n_pred"] == 0 or case["n_gt"] == 0:
                continue
            value = math.sqrt(value / explained(found[expression], by))
        elif path not in want:  # a library that refused gives no count
            continue
        check(path, value, want[path], EXACT if path.endswith(".n") else DOUBLE)


def chosen():
    for case in list(CASES.values())[:: 1 if SLOW == 1 else 5]:
        atlas = case["source"].startswith("aal")
        skip = pytest.mark.skipif(atlas and not ATLAS, reason="MM_ATLAS does not name the atlas pair")
        yield pytest.param(case, id=case["id"], marks=skip)


@pytest.mark.parametrize("case", chosen())
def test_pair(server, case):
    pred, label = masks(case)
    assert (pred.sum(), label.sum(), (pred & label).sum()) == (case["n_pred"], case["n_gt"], case["n_intersection"])
    table = scores()
    answer, found = ask(server, case, [row[0] for row in table.values()], pred, label, include="explain")
    compare(case, table, found)
    compare_explained(case, found)
    voxel = math.prod(case["spacing_mm"])
    for side, key in (("gt", "label_voxels"), ("pred", "pred_voxels")):
        check(f"overlap.volume_{side}_mm3", answer["classes"][0][key] * voxel,
              case["overlap"][f"volume_{side}_mm3"], DOUBLE)  # fmt: skip

    if case["n_pred"] and case["n_gt"]:
        _, found = ask(server, case, [row[0] for row in SWAPPED.values()], label, pred)
        compare(case, SWAPPED, found)


def test_every_field_is_compared():
    """All that a library says of a pair is in one of the tables above, but for what is listed as not ours."""
    paths = set().union(*(wanted(case) for case in CASES.values()))
    volumes = {"overlap.volume_gt_mm3", "overlap.volume_pred_mm3"}
    assert {*scores(), *SWAPPED, *EXPLAINED, *NOT_OURS, *volumes} == paths
    assert len(CASES) == 79


def test_table(capsys):
    """What was compared above, by library: how many fields, and the worst error (relative, absolute below 1)."""
    assert set(COUNTED) == {"overlap", "medpy", "deepmind", "monai"}
    rows = []
    for library, worst in COUNTED.items():
        path = max(worst, key=worst.get)
        rows.append(f"{library:10} {len(worst):3} fields  worst error {worst[path]:.1e}  {path}")
    with capsys.disabled():  # on stderr: what a worker of pytest-xdist prints on stdout is nobody's
        print("", *rows, sep="\n", file=sys.__stderr__, flush=True)
