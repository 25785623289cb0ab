"""test_bad_input.py - every kind of bad input: the right status, a problem that names the culprit, nothing stored, the
server serving afterwards, and memory back at the end."""

import json
import os
import socket
import struct
import threading
import time
import zlib

import numpy as np
import pytest
from support import (
    SLOW, Server, bf16, eventually, frame, problem, responses, safetensors, small_file, softmax_case, zstd,
)  # fmt: skip

GOOD = small_file()
PROBS, LABEL = softmax_case()
HEADER = {
    "pred": {"dtype": "F32", "shape": [1, 2, 2, 2], "data_offsets": [0, 32]},
    "label": {"dtype": "U8", "shape": [1, 2, 2], "data_offsets": [32, 36]},
}
BYTES = np.full(8, 0.5, "<f4").tobytes() + bytes(4)
USED = "maskmeter_memory_used_bytes"


@pytest.fixture
def refused(server):
    """refused(body, status, headers, params, param=, tensor=, index=, says=): all that must hold after a bad upload."""

    def check(body, status, headers=None, params=None, **expect):
        answer = server.post(body, headers, **{"run": "bad", "step": "0", **(params or {})})
        stored = server.request("DELETE", "/v1/runs/bad").status_code
        document = problem(answer, status, **expect)
        assert stored == 404, "something was stored"
        assert server.score(GOOD)["images"] == 2, "the server does not serve any more"
        eventually(lambda: server.metrics()[USED] == 0, 2)
        return document

    return check


def changed(tensor, **fields):
    """The small header with other fields in one tensor."""
    return {**HEADER, tensor: {**HEADER[tensor], **fields}}


def test_the_files_that_the_cases_are_made_from_are_good(server):
    assert server.score(frame(HEADER, BYTES), scores="dice")["images"] == 1
    assert server.score(frame(json.dumps(HEADER, indent=1) + " " * 9, BYTES), scores="dice")["images"] == 1


# ------------------------------------------------------------------------------------- the file's structure: 400

PRED, LABELS = json.dumps(HEADER["pred"]), json.dumps(HEADER["label"])
REST = f'"label":{LABELS}}}'
STRUCTURE = {
    "empty body": b"",
    "seven bytes": b"\x08" + bytes(6),
    "header length 0": struct.pack("<Q", 0) + BYTES,
    "header length 2^64-1": struct.pack("<Q", 2**64 - 1) + b"{}",
    "header length 2^63": struct.pack("<Q", 2**63) + b"{}",
    "header length 100 MB": struct.pack("<Q", 100_000_000) + b"{}",
    "header length past the end": struct.pack("<Q", 5000) + json.dumps(HEADER).encode() + BYTES,
    "header over 64 KiB": frame(json.dumps(HEADER) + " " * 65536, BYTES),
    "a word": frame("hello", BYTES),
    "an array": frame("[]", BYTES),
    "null": frame("null", BYTES),
    "blanks": frame(" " * 64, BYTES),
    "blank before the brace": frame(" " + json.dumps(HEADER), BYTES),
    "byte order mark": frame(b"\xef\xbb\xbf" + json.dumps(HEADER).encode(), BYTES),
    "open brace": frame("{", BYTES),
    "cut in the middle": frame(json.dumps(HEADER)[:-20], BYTES),
    "trailing comma": frame(f'{{"pred":{PRED},{REST[:-1]},}}', BYTES),
    "single quotes": frame(str(HEADER), BYTES),
    "a number for a tensor": frame(f'{{"pred":1,{REST}', BYTES),
    "trailing garbage": frame(json.dumps(HEADER) + "x", BYTES),
    "two documents": frame(json.dumps(HEADER) + "{}", BYTES),
    "NUL after the header": frame(json.dumps(HEADER) + "\0", BYTES),
    "NUL in a name": frame(f'{{"pr\0ed":{PRED},{REST}', BYTES),
    "escaped NUL in a name": frame(f'{{"pred\\u0000x":{PRED},{REST}', BYTES),
    "control byte in a name": frame(f'{{"pred\x01":{PRED},{REST}', BYTES),
    "duplicate tensor": frame(f'{{"pred":{PRED},"pred":{PRED},{REST}', BYTES),
    "duplicate tensor through escapes": frame(f'{{"pred":{PRED},"\\u0070re\\u0064":{PRED},{REST}', BYTES),
    "duplicate dtype": frame(f'{{"pred":{PRED[:-1]},"dtype":"F32"}},{REST}', BYTES),
    "duplicate shape through escapes": frame(f'{{"pred":{PRED[:-1]},"sh\\u0061pe":[1]}},{REST}', BYTES),
    "duplicate metadata": frame(f'{{"__metadata__":{{}},"__metadata__":{{}},"pred":{PRED},{REST}', BYTES),
    "duplicate metadata key": frame(f'{{"__metadata__":{{"a":"1","\\u0061":"2"}},"pred":{PRED},{REST}', BYTES),
    "metadata that is a number": frame(f'{{"__metadata__":{{"a":1}},"pred":{PRED},{REST}', BYTES),
    "metadata that is a list": frame(f'{{"__metadata__":[],"pred":{PRED},{REST}', BYTES),
    "brackets 5000 deep": frame('{"pred":' + "[" * 5000 + "]" * 5000 + "}", BYTES),
    "braces 5000 deep": frame('{"a":' * 5000 + "1" + "}" * 5000, BYTES),
    "metadata 5000 deep": frame('{"__metadata__":' + '{"a":' * 5000 + '""' + "}" * 5001, BYTES),
    "bad escape": frame(f'{{"pr\\xed":{PRED},{REST}', BYTES),
    "lone surrogate": frame(f'{{"\\ud800":{PRED},{REST}', BYTES),
    "bad UTF-8": frame(b'{"\xff\xfe":' + PRED.encode() + b"," + REST.encode(), BYTES),
    "overlong UTF-8": frame(b'{"\xc0\xaf":' + PRED.encode() + b"," + REST.encode(), BYTES),
    "name of 300 bytes": frame(f'{{"{"x" * 300}":{PRED},{REST}', BYTES),
    "no dtype": frame(f'{{"pred":{{"shape":[1,2,2,2],"data_offsets":[0,32]}},{REST}', BYTES),
    "no shape": frame(f'{{"pred":{{"dtype":"F32","data_offsets":[0,32]}},{REST}', BYTES),
    "no offsets": frame(f'{{"pred":{{"dtype":"F32","shape":[1,2,2,2]}},{REST}', BYTES),
    "unknown field": frame(changed("pred", extra=1), BYTES),
    "dtype that is a number": frame(changed("pred", dtype=4), BYTES),
    "shape that is a number": frame(changed("pred", shape=8), BYTES),
    "shape of words": frame(changed("pred", shape=["1", "2", "2", "2"]), BYTES),
    "one offset": frame(changed("pred", data_offsets=[32]), BYTES),
    "three offsets": frame(changed("pred", data_offsets=[0, 16, 32]), BYTES),
    "offsets reversed": frame(changed("pred", data_offsets=[32, 0]), BYTES),
    "negative dimension": frame(changed("pred", shape=[1, 2, -2, -2]), BYTES),
    "negative offset": frame(changed("pred", data_offsets=[-4, 28]), BYTES),
    "minus zero": frame(f'{{"pred":{PRED.replace("[0,", "[-0,")},{REST}', BYTES),
    "fractional dimension": frame(changed("pred", shape=[1, 2, 2, 2.5]), BYTES),
    "dimension with a point": frame(changed("pred", shape=[1.0, 2, 2, 2]), BYTES),
    "dimension with an exponent": frame(f'{{"pred":{PRED.replace("[1,", "[1e0,")},{REST}', BYTES),
    "leading zero": frame(f'{{"pred":{PRED.replace("[1,", "[01,")},{REST}', BYTES),
    "plus sign": frame(f'{{"pred":{PRED.replace("[1,", "[+1,")},{REST}', BYTES),
    "dimension 2^64": frame(changed("pred", shape=[2**64, 2, 2, 2]), BYTES),
    "dimension of 40 digits": frame(changed("pred", shape=[10**40, 2, 2, 2]), BYTES),
    "shape that overflows to the right size": frame(changed("pred", shape=[2**61 + 1, 8]), BYTES),
    "product that overflows": frame(changed("pred", shape=[2**32, 2**32, 2, 2]), BYTES),
    "offset 2^64": frame(changed("label", data_offsets=[32, 2**64 + 36]), BYTES),
    "offset far past the end": frame(changed("label", data_offsets=[32, 2**60]), BYTES),
    "zero dimension past the end": frame(changed("label", shape=[0, 2, 2], data_offsets=[900, 900]), BYTES),
    "size that does not match the shape": frame(changed("pred", shape=[1, 2, 2, 3]), BYTES),
    "overlap": frame(changed("label", data_offsets=[28, 32]), BYTES[:32]),
    "the same bytes twice": frame(changed("label", dtype="F32", shape=[8], data_offsets=[0, 32]), BYTES[:32]),
    "hole": frame(changed("label", data_offsets=[36, 40]), BYTES + bytes(4)),
    "hole at the front": frame(
        {"pred": {**HEADER["pred"], "data_offsets": [4, 36]}, "label": {**HEADER["label"], "data_offsets": [36, 40]}},
        bytes(4) + BYTES,
    ),
    "tail of one byte": frame(HEADER, BYTES + b"\0"),
    "tail of another file": frame(HEADER, BYTES) + frame(HEADER, BYTES),
    "65 tensors": safetensors({f"t{i}": np.zeros(1, "u1") for i in range(65)}),
    "20000 tensors": safetensors({f"t{i}": np.zeros(1, "u1") for i in range(20000)}),
}


@pytest.mark.parametrize("case", STRUCTURE)
def test_structure(refused, case):
    refused(STRUCTURE[case], 400)


def test_truncated_at_every_byte(server):
    """No prefix of a file is taken for a file, and none of them stores anything."""
    for size in range(len(frame(HEADER, BYTES))):
        answer = server.post(frame(HEADER, BYTES)[:size], run="bad", step="0")
        problem(answer, 400)
    assert server.get("/v1/runs/bad").status_code == 404
    assert server.score(GOOD)["images"] == 2


# ------------------------------------------------------------------------------------- tensors that make no sense: 422


def upload(pred=PROBS, label=LABEL, **more):
    return safetensors({"pred": pred, "label": label, **more})


def with_value(array, index, value):
    array = array.copy()
    array.reshape(-1)[index] = value
    return array


def test_unknown_dtype(refused):
    refused(frame(changed("pred", dtype="F8_E4M3", shape=[32]), BYTES), 422, tensor="pred", says="dtype")
    refused(frame(changed("label", dtype="u8"), BYTES), 422, tensor="label", says="dtype")


def test_rank_over_five(refused):
    refused(frame(changed("pred", shape=[1, 1, 1, 2, 2, 2]), BYTES), 422, tensor="pred", says="rank")


@pytest.mark.parametrize(
    "tensors, culprit",
    [
        ({"label": LABEL}, "pred"),
        ({"pred": PROBS}, "label"),
        ({"pred": PROBS, "label": LABEL, "lable": LABEL}, "lable"),
        ({"pred": PROBS, "label": LABEL, "Pred": PROBS}, "Pred"),
    ],
    ids=["no pred", "no label", "unknown tensor", "other case"],
)
def test_missing_and_unknown_tensors(refused, tensors, culprit):
    refused(safetensors(tensors), 422, tensor=culprit)


def test_a_file_without_tensors(refused):
    refused(frame("{}"), 422, tensor="pred")


SHAPES = {
    "pred of rank 1": (upload(np.zeros(8, "f4")), "pred"),
    "pred of rank 2": (upload(np.zeros((2, 3), "f4"), np.zeros(2, "u1")), "pred"),
    "label of rank 1": (upload(label=np.zeros(2, "u1")), "label"),
    "label of rank 2": (upload(label=np.zeros((2, 16), "u1")), "label"),
    "other number of images": (upload(label=LABEL[:1]), "label"),
    "other number of classes": (upload(label=np.zeros((2, 4, 16, 20), "u1")), "label"),
    "other height": (upload(label=LABEL[:, :15]), "label"),
    "other width": (upload(label=LABEL[:, :, :19]), "label"),
    "axes exchanged": (upload(label=LABEL.transpose(0, 2, 1)), "label"),
    "mask of other size": (upload(mask=np.ones((2, 16, 19), "u1")), "mask"),
    "mask with a class axis": (upload(mask=np.ones((2, 3, 16, 20), "u1")), "mask"),
    "mask of floats": (upload(mask=np.ones((2, 16, 20), "f4")), "mask"),
    "no images": (upload(PROBS[:0], LABEL[:0]), "pred"),
    "no classes": (upload(PROBS[:, :0]), "pred"),
    "no rows": (upload(PROBS[:, :, :0], LABEL[:, :0]), "pred"),
    "no columns": (upload(PROBS[..., :0], LABEL[..., :0]), "pred"),
    "65536 classes": (upload(np.full((1, 65536, 1), 1 / 65536, "f4"), np.zeros((1, 1), "u1")), "pred"),
    "index map of floats": (upload(label=LABEL.astype("f4")), "label"),
}


@pytest.mark.parametrize("case", SHAPES)
def test_shapes(refused, case):
    body, tensor = SHAPES[case]
    refused(body, 422, tensor=tensor)


VALUES = {"NaN": np.nan, "Inf": np.inf, "-Inf": -np.inf, "negative": -0.25, "over one": 1.5}


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16"])
@pytest.mark.parametrize("value", VALUES)
def test_probabilities(refused, value, dtype):
    """The first offender is named by its flat index, also when worse ones follow, and its value is told."""
    pred = with_value(with_value(PROBS, 1500, np.nan), 777, VALUES[value])
    types = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
    pred = ("BF16", bf16(pred)) if dtype == "BF16" else pred.astype(types[dtype])
    document = refused(upload(pred), 422, tensor="pred", index=777)
    assert {"NaN": "nan", "Inf": "inf", "-Inf": "-inf", "negative": "-0.25", "over one": "1.5"}[value] in document[
        "detail"
    ].lower()


def test_probability_just_over_one(refused):
    refused(upload(with_value(PROBS, 5, np.nextafter(np.float32(1), np.float32(2)))), 422, tensor="pred", index=5)


@pytest.mark.parametrize("value", ["NaN", "Inf", "-Inf"])
def test_logits(refused, value):
    refused(upload(with_value(PROBS, 9, VALUES[value])), 422, params={"pred_kind": "logits"}, tensor="pred", index=9)


def test_index_is_as_sent_with_channels_last(refused):
    """The flat index counts in the tensor as it was sent, not in some internal order."""
    pred = with_value(np.moveaxis(PROBS, 1, -1), 100, -1)
    refused(upload(pred), 422, params={"layout": "channels_last"}, tensor="pred", index=100)


@pytest.mark.parametrize("dtype", ["u1", "i1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8"])
def test_label_beyond_the_classes(refused, dtype):
    label = with_value(with_value(LABEL.astype(dtype), 400, 99), 123, 7)
    refused(upload(label=label), 422, tensor="label", index=123, says="7")


def test_label_of_extreme_values(refused):
    refused(upload(label=with_value(LABEL.astype("<i8"), 3, -1)), 422, tensor="label", index=3, says="-1")
    refused(upload(label=with_value(LABEL.astype("<u8"), 3, 2**64 - 1)), 422, tensor="label", index=3)
    refused(upload(label=with_value(LABEL.astype("<i8"), 3, -(2**63))), 422, tensor="label", index=3)
    refused(upload(label=with_value(LABEL.astype("<i8"), 3, 2**32)), 422, tensor="label", index=3)


def test_ignored_and_masked_voxels_may_hold_anything(server):
    label = with_value(LABEL, 3, 255)
    pred = PROBS.copy()
    pred[0, :, 0, 3] = np.nan
    assert server.score(upload(pred, label), scores="dice", ignore_index="255")["ignored"] == 1
    mask = with_value(np.ones_like(LABEL), 3, 0)
    assert server.score(upload(pred, with_value(LABEL, 3, 200), mask=mask), scores="dice")["ignored"] == 1


@pytest.mark.parametrize("value, text", [(np.nan, "nan"), (-0.5, "-0.5"), (1.25, "1.25"), (np.inf, "inf")])
def test_soft_labels(refused, value, text):
    onehot = with_value(np.eye(3, dtype="f4")[LABEL].transpose(0, 3, 1, 2), 55, value)
    document = refused(upload(label=onehot), 422, tensor="label", index=55)
    assert text in document["detail"].lower()


def test_one_class_takes_a_mask_of_zeros_and_ones(refused):
    one = PROBS[:, :1]
    refused(upload(one, with_value(LABEL % 2, 17, 2)), 422, tensor="label", index=17, says="2")


def test_masks_are_zero_or_one(refused):
    onehot = np.eye(3, dtype="u1")[LABEL].transpose(0, 3, 1, 2)
    refused(upload(with_value(onehot, 31, 2)), 422, params={"pred_kind": "masks"}, tensor="pred", index=31, says="2")


def test_label_map_beyond_the_classes(refused):
    refused(upload(with_value(LABEL, 8, 3)), 422, params={"num_classes": "3"}, tensor="pred", index=8, says="3")
    refused(upload(with_value(LABEL.astype("<i4"), 8, -2)), 422, params={"num_classes": "3"}, tensor="pred", index=8)


def test_rows_that_do_not_sum_to_one_are_warned_of(server):
    """Accepted, since a client may want it so; the warning names the first voxel and counts them."""
    pred = PROBS.copy()
    pred[1, :, 2, 3] *= 0.5
    pred[1, :, 4, 5] *= 0.5
    answer = server.score(upload(pred), scores="dice")
    first = np.ravel_multi_index((1, 0, 2, 3), PROBS.shape)
    (warning,) = answer["warnings"]
    assert (warning["tensor"], warning["index"], warning["count"]) == ("pred", first, 2)
    assert "sum to 1" in warning["text"]
    assert server.score(upload(), scores="dice")["warnings"] == []


# ------------------------------------------------------------------------------------- parameters: 400

PARAMETERS = [
    ("scoers", "dice"), ("Scores", "dice"), ("", "x"),
    ("task", "binary"), ("task", ""), ("task", "MULTICLASS"),
    ("pred_kind", "prob"), ("label_kind", "one-hot"), ("layout", "NCHW"),
    ("num_classes", "0"), ("num_classes", "-3"), ("num_classes", "three"), ("num_classes", "65536"),
    ("num_classes", "4"), ("num_classes", "3.0"), ("num_classes", "9" * 30),
    ("classes", "a,b"), ("classes", "a,b,c,d"), ("classes", "a,b,"), ("classes", "a,b,a"), ("classes", "a,b,\x01"),
    ("ignore_index", "none"), ("ignore_index", "1.5"), ("ignore_index", "9" * 30),
    ("threshold", "half"), ("threshold", "nan"), ("threshold", "inf"), ("threshold", "0x1"),
    ("weights", "1,2"), ("weights", "1,2,3,4"), ("weights", "1,2,x"), ("weights", "1,2,nan"), ("weights", "1,2,-1"),
    ("weights", "1,2,1e999"),
    ("run", ""), ("run", "a,b"), ("run", "a\nb"), ("run", "x" * 257), ("run", "\x7f"),
    ("split", ""), ("split", "a,b"), ("part", ""), ("part", "a,b"), ("part", "\t"),
    ("step", "-1"), ("step", "1.5"), ("step", "one"), ("step", ""), ("step", "9" * 19), ("step", "9" * 30),
    ("parts", "0"), ("parts", "-1"), ("parts", "x"),
    ("time", "yesterday"), ("time", "2026-13-01T00:00:00Z"), ("time", "2026-01-01T00:00:00"), ("time", "2026-02-30T00:00:00Z"),
    ("image_ids", "a"), ("image_ids", "a,b,c"), ("image_ids", "a,"),
    ("include", "everything"), ("include", "images,"), ("include", "bars"),
]


@pytest.mark.parametrize("name, value", PARAMETERS, ids=[f"{n}={v[:20]!r}" for n, v in PARAMETERS])
def test_parameters(refused, name, value):
    refused(GOOD, 400, params={name: value}, param=name if name else None)


@pytest.mark.parametrize("name", ["task", "scores", "run", "threshold"])
def test_repeated_parameter(refused, name):
    refused(GOOD, 400, params={name: ["multiclass", "multiclass"]}, param=name)


def test_unknown_parameter_gets_the_nearest_name(refused):
    refused(GOOD, 400, params={"treshold": "0.5"}, param="treshold", says="threshold")


def test_image_named_twice_in_one_part(refused):
    refused(GOOD, 422, params={"image_ids": "a,a"}, param="image_ids", says="a")


def test_run_needs_step(server):
    problem(server.post(GOOD, run="bad"), 400, param="step")


def test_label_map_needs_the_classes(refused):
    refused(upload(LABEL), 400, says="num_classes")


def test_integers_with_a_class_axis_need_a_kind(refused):
    refused(upload(np.zeros((2, 3, 16, 20), "u1")), 400, param="pred_kind")


def test_kind_that_does_not_fit_the_dtype(refused):
    refused(upload(), 422, params={"pred_kind": "labels", "num_classes": "3"}, param="pred_kind", tensor="pred")


def test_bad_encoding_of_the_query(server):
    for text in ("%zz", "%0", "%", "%00", "%ff", "%c0%af", "%ed%a0%80", "%0a"):
        answer, *_ = responses(server.raw(post_head(len(GOOD), f"/v1/evaluations?run={text}&step=0"), timeout=1))
        assert answer[0] == 400 and json.loads(answer[2])["detail"], text
    assert server.get("/v1/runs").json()["runs"] == []


def test_metadata_holds_parameters(server, refused):
    """maskmeter.NAME is checked as strictly as the query, which wins; other keys are ignored."""
    tensors = {"pred": PROBS, "label": LABEL}
    refused(safetensors(tensors, {"maskmeter.scoers": "dice"}), 400, param="scoers")
    refused(safetensors(tensors, {"maskmeter.task": "binary"}), 400, param="task")
    refused(safetensors(tensors, {"maskmeter.": "x"}), 400)
    body = safetensors(tensors, {"maskmeter.scores": "iou", "format": "pt", "scores": "nonsense"})
    assert [score["name"] for score in server.score(body)["scores"]] == ["iou"]
    assert [score["name"] for score in server.score(body, scores="dice")["scores"]] == ["dice"]


# ------------------------------------------------------------------------------------- expressions: 400, or 422

EXPRESSIONS = {
    "dyce": "dice",
    "dice(": None,
    "dice)": None,
    "dice(over)": None,
    "dice(over=)": None,
    "dice(over=images)": "over",
    "dice(smoth=1)": None,
    "dice_loss(smoth=1)": "smooth",
    "dice,,iou": None,
    ",dice": None,
    "dice,": None,
    "dice,dice": None,
    "a:dice,a:iou": None,
    "a:b:dice": None,
    ":dice": None,
    "tversky_loss(alpha=-1)": "alpha",
    "tversky_loss(alpha=0.3,alpha=0.3)": "alpha",
    "tversky_loss(alpha=1e999)": "alpha",
    "tversky_loss(alpha=nan)": "alpha",
    "tversky_loss(alpha=[1,2])": "alpha",
    "tversky_loss(alpha=0.3;beta=0.7)": None,
    "dice(classes=[9])": "classes",
    "dice(classes=[0,0])": "classes",
    "focal_loss(alpha=[1,2])": "alpha",
    "seed.categorical_tversky": "beta",
    "seed.categorical_dice(weight_loss=[1,2])": "weight_loss",
    "seed.categorical_dyce": "categorical_dice",
    "monai.NoSuchLoss": None,
    "nosuchpeer.dice": None,
    "sum()": None,
    "sum(dice": None,
    "sum(x*dice)": None,
    "0.5*dice": None,
    "dice_loss+cross_entropy": None,
    "dice\x00": None,
    "dïce": None,
    "sum(" * 300 + "dice" + ")" * 300: None,
    ",".join(f"a{i}:dice_loss(smooth={i})" for i in range(257)): "256",
    "sum(" + ",".join(["dice"] * 257) + ")": "256",
    "dice(" + "a" * 20000 + "=1)": None,
    "no_such_score_at_all_zzz": None,
}


# Each names the parameter that is at fault: of the wrong type, out of its range, a list of another length, or one that
# the peer has and this service does not offer.
ARGUMENTS = {
    "dice(over=1)": "over",
    "dice(classes=1)": "classes",
    "dice(classes=background)": "classes",
    "dice(classes=[1.5])": "classes",
    "dice(classes=[-1])": "classes",
    "dice(absent=2)": "absent",
    "dice(stat=p10)": "stat",
    "dice(average=voxel)": "average",
    "dice(normalize_weights=1)": "normalize_weights",
    "dice_loss(overlap=1)": "overlap",
    "dice_loss(smooth=true)": "smooth",
    "dice_loss(smooth=-1)": "smooth",
    "tversky_loss(alpha=high)": "alpha",
    "focal_tversky_loss(gamma=-0.5)": "gamma",
    "sensitivity_specificity_loss(r=1.5)": "r",
    "kappa(weights=[1,2,3])": "weights",
    "confusion_matrix(normalize=true)": "normalize",
    "fbeta(beta=-1)": "beta",
    "expected_calibration_error(bins=0)": "bins",
    "expected_calibration_error(bins=1001)": "bins",
    "expected_calibration_error(bins=1.5)": "bins",
    "topk_cross_entropy(k=0)": "k",
    "topk_cross_entropy(k=101)": "k",
    "cross_entropy(label_smoothing=1.5)": "label_smoothing",
    "binary_cross_entropy(pos_weight=[1,2])": "pos_weight",
    "focal_loss(alpha=[1,2,3,4])": "alpha",
    "generalized_wasserstein_dice_loss(matrix=[[0,1],[1,0]])": "matrix",
    "generalized_wasserstein_dice_loss(matrix=[[0,1,1],[1,0]])": "matrix",
    "panoptic_quality(iou=2)": "iou",
    "ssim(window=0)": "window",
    "cldice_loss(iterations=-1)": "iterations",
    "unified_focal_loss(weight=2)": "weight",
    "dice_ce_loss(smooth=1)": "smooth",
    "monai.DiceLoss(include_background=1)": "include_background",
    "monai.DiceLoss(weight=[1,2])": "weight",
    "monai.DiceLoss(other_act=relu)": "other_act",
    "monai.DiceLoss(reduction=median)": "reduction",
    "monai.FocalLoss(reduction=none)": "reduction",
    "monai.DiceMetric(get_not_nans=true)": "get_not_nans",
    "monai.ConfusionMatrixMetric(metric_name=dice)": "metric_name",
    "monai.compute_panoptic_quality": "of_class",
    "torchmetrics.multiclass_accuracy(top_k=2)": "top_k",
    "torchmetrics.multiclass_accuracy(num_classes=4)": "num_classes",
    "torchmetrics.multiclass_auroc(max_fpr=0.5)": "max_fpr",
    "torchmetrics.multiclass_auroc(thresholds=10)": "thresholds",
    "torchmetrics.multiclass_jaccard_index(average=none,zero_division=2)": "zero_division",
    "smp.DiceLoss": "mode",
    "smp.DiceLoss(mode=multiclass,class_weights=[1,2])": "class_weights",
    "smp.FocalLoss(mode=multiclass,reduction=none)": "reduction",
    "smp.iou_score(reduction=weighted)": "class_weights",
    "segloss.SoftDiceLoss(apply_nonlin=softmax)": "apply_nonlin",
    "segloss.FocalTversky_loss(alpha=0.5)": "alpha",
    "torch.cross_entropy(weight=[1,2])": "weight",
    "torch.cross_entropy(size_average=true)": "size_average",
    "torch.cross_entropy(reduction=none)": "reduction",
    "seed.categorical_focal_loss(gamma=2,alpha=[1])": "alpha",
    "survey.dice_loss(smooth=1)": "smooth",
}


@pytest.mark.parametrize("text", ARGUMENTS)
def test_arguments(refused, text):
    """The score and the parameter are named."""
    refused(GOOD, 400, params={"scores": text}, param="scores", says=ARGUMENTS[text])


def test_a_thousand_expressions(refused):
    """The limit is named: how many, or how many bytes of text."""
    tensors = {"pred": PROBS, "label": LABEL}
    many = ",".join(f"fbeta(beta={i})" for i in range(1000))
    longer = ",".join(f"a{i}:dice_loss(smooth={i})" for i in range(1000))
    refused(safetensors(tensors, {"maskmeter.scores": many}), 400, param="scores", says="256")
    refused(safetensors(tensors, {"maskmeter.scores": longer}), 400, param="scores", says="16384")
    refused(GOOD, 400, params={"scores": longer}, param="scores", says="16384")


def test_expressions_up_to_the_limit(server):
    """256 of them are answered, in order."""
    many = [f"a{i}:dice_loss(smooth={i})" for i in range(256)]
    body = safetensors({"pred": PROBS, "label": LABEL}, {"maskmeter.scores": ",".join(many)})
    assert [score["name"] for score in server.score(body)["scores"]] == [f"a{i}" for i in range(256)]


@pytest.mark.parametrize("text", EXPRESSIONS, ids=lambda text: repr(text[:40]))
def test_expressions(refused, text):
    hint = EXPRESSIONS[text]
    refused(GOOD, 400, params={"scores": text}, param=None if "\0" in text else "scores", says=hint or ())


def test_scores_that_the_input_cannot_give(refused):
    """Label maps hold no probabilities to take a logarithm of."""
    names = ("cross_entropy", "focal_loss", "auroc", "ssim", "expected_calibration_error", "lovasz_softmax_loss",
             "topk_cross_entropy", "torch.cross_entropy", "monai.FocalLoss", "monai.DiceLoss(softmax=true)",
             "smp.FocalLoss(mode=multiclass)", "segloss.TopKLoss", "torchmetrics.multiclass_auroc")  # fmt: skip
    cases = {name: name.split("(")[0] for name in names}
    cases["dice_ce_loss"] = "dice_ce_loss"
    cases["sum(dice,0.5*cross_entropy)"] = "cross_entropy"
    for text, needs in cases.items():
        refused(upload(LABEL), 422, params={"scores": text, "num_classes": "3"}, param="scores", says=needs)


# ------------------------------------------------------------------------------------- content codings


def gzip(data, wbits=31):
    packer = zlib.compressobj(6, zlib.DEFLATED, wbits)
    return packer.compress(data) + packer.flush()


CODED = {
    "zstd cut": ("zstd", zstd(GOOD)[:-5]),
    "zstd with a tail": ("zstd", zstd(GOOD) + b"tail"),
    "zstd damaged": ("zstd", b"\x28\xb5\x2f\xfd" + bytes(40)),
    "not zstd": ("zstd", GOOD),
    "zstd of nothing": ("zstd", b""),
    "zstd with a second file": ("zstd", zstd(GOOD) + zstd(GOOD)),
    "gzip cut": ("gzip", gzip(GOOD)[:-5]),
    "gzip with a tail": ("gzip", gzip(GOOD) + b"tail"),
    "gzip with a wrong check sum": ("gzip", gzip(GOOD)[:-8] + bytes(8)),
    "not gzip": ("gzip", GOOD),
    "gzip that is zlib": ("gzip", gzip(GOOD, 15)),
    "gzip that is zstd": ("gzip", zstd(GOOD)),
    "zstd that holds a cut file": ("zstd", zstd(GOOD[:-1])),
}


@pytest.mark.parametrize("case", CODED)
def test_coded_bodies(refused, case):
    coding, body = CODED[case]
    refused(body, 400, {"Content-Encoding": coding})


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, zstd", "zstd, zstd", "nonsense"])
def test_codings_that_are_not_taken(server, coding):
    answer = server.post(GOOD, {"Content-Encoding": coding})
    assert answer.status_code in (400, 415) and "zstd" in answer.json()["detail"]
    assert server.score(GOOD)["images"] == 2


def test_several_members_are_one_body(server):
    plain = server.score(GOOD)["scores"]
    half = len(GOOD) // 2
    for coding, pack in (("zstd", zstd), ("gzip", gzip)):
        body = pack(GOOD[:half]) + pack(GOOD[half:])
        assert server.score(body, {"Content-Encoding": coding})["scores"] == plain


@pytest.mark.parametrize("coding, pack", [("zstd", zstd), ("gzip", gzip)])
def test_bombs(start, coding, pack):
    """A small body that would expand beyond the limit is refused without being held: 413 naming the limit."""
    server = start("--max-body", "8MiB", "--memory", "64MiB")
    header = {
        "pred": {"dtype": "F32", "shape": [1, 4, 4096, 2048], "data_offsets": [0, 2**27]},
        "label": {"dtype": "U8", "shape": [1, 4096, 2048], "data_offsets": [2**27, 2**27 + 2**23]},
    }
    bomb, zeros = pack(frame(header, bytes(2**27 + 2**23))), pack(bytes(2**27))
    assert len(bomb) < 2**19
    server.score(GOOD)
    for _ in range(5):
        problem(server.post(bomb, {"Content-Encoding": coding}, run="bad", step="0"), 413)
        problem(server.post(zeros, {"Content-Encoding": coding}), 400)
        assert SLOW > 1 or server.peak() < (8 + 64) * 2**20
    assert server.get("/v1/runs/bad").status_code == 404
    assert server.score(GOOD)["images"] == 2
    assert server.metrics()[USED] == 0


def test_zstd_with_a_huge_window(refused):
    """The window that a frame asks for is bounded: 2^31 bytes are not set aside for 20 bytes of input."""
    refused(b"\x28\xb5\x2f\xfd\x00\xa8" + b"\x01\x00\x00" + bytes(8), 400, {"Content-Encoding": "zstd"})


# ------------------------------------------------------------------------------------- lengths, and clients that leave


def post_head(length, target="/v1/evaluations?run=bad&step=0"):
    return (
        f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


def test_length_too_short(server):
    """The file is cut where the length says, so it is 400; what follows is no request, and nothing is scored."""
    first, *rest = responses(server.raw(post_head(len(GOOD) - 10) + GOOD, timeout=2))
    assert first[0] == 400
    assert all(status == 400 for status, _, _ in rest)
    assert server.get("/v1/runs/bad").status_code == 404


def test_length_too_long(server):
    """The client closes its side before the promised bytes are there: no answer counts, nothing is stored."""
    answer = server.raw(post_head(len(GOOD) + 10) + GOOD, timeout=3, half_close=True)
    assert b" 200 " not in answer
    assert server.get("/v1/runs/bad").status_code == 404
    eventually(lambda: server.metrics()[USED] == 0)


def test_client_that_leaves_in_the_middle(server):
    """Its memory is back within a second or so, and nothing of it is stored."""
    server.score(GOOD)
    size = 32 << 20
    for sent in (0, 1, 1000, 100_000, 5_000_000):
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(post_head(size) + frame(HEADER)[:sent] + bytes(max(0, sent - 300)))
            time.sleep(0.05)
        eventually(lambda: server.metrics()[USED] == 0, 4)
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(post_head(size) + struct.pack("<Q", 200) + bytes(3_000_000))
    eventually(lambda: server.metrics()[USED] == 0, 4)
    assert server.get("/v1/runs/bad").status_code == 404
    assert server.score(GOOD)["images"] == 2


# ------------------------------------------------------------------------------------- distances

BAD_SPACING = ["1", "1,1,1", "1,0", "0,0", "1,-1", "-0.0,1", "1,nan", "nan,nan", "1,inf", "1,1e400", "1,1e7", "1,1e-7",
               "", "1,", ",1", "1,,1", "1;1", "1 1", "a,b", "0x1,1"]  # fmt: skip
BAD_DISTANCES = {
    "nsd(tolerance=-1)": "tolerance", "nsd(tolerance=nan)": "tolerance", "nsd(tolerance=inf)": "tolerance",
    "nsd(tolerance=1e400)": "tolerance", "nsd(tolerance=-1e-300)": "tolerance", "nsd(tolerance=[1,2])": "tolerance",
    "nsd(tolerance=[1,2,-3])": "tolerance", "nsd(tolerance=[1,2,3,4])": "tolerance", "nsd(tolerance=[])": "tolerance",
    "nsd(tolerance=near)": "tolerance", "surface_overlap(tolerance=-1)": "tolerance",
    "surface_overlap(side=both)": "side",
    "hausdorff_percentile(q=-1)": "q", "hausdorff_percentile(q=100.5)": "q", "hausdorff_percentile(q=nan)": "q",
    "hausdorff_percentile(q=[95])": "q", "hd95(q=90)": "q", "hd95(connectivity=0)": "connectivity",
    "hd95(connectivity=4)": "connectivity", "hd95(connectivity=1.5)": "connectivity", "hd95(of=both)": "of",
    "hd95(surface=voxels)": "surface", "hd95(surface=surfel,of=pooled)": "pooled",
    "hd95(surface=surfel,connectivity=2)": "connectivity", "hd95(metric=manhattan)": "metric",
    "hd95(over=pooled)": "over",
    "hd95(spacing=2)": "spacing", "hd95(empty=0)": "empty", "hausdorff_directed(from=both)": "from",
    "monai.compute_hausdorff_distance(spacing=[1,2,3])": "spacing",
    "monai.compute_hausdorff_distance(spacing=0)": "spacing",
    "monai.compute_hausdorff_distance(spacing=[1,-1])": "spacing",
    "monai.compute_hausdorff_distance(percentile=101)": "percentile",
    "monai.compute_surface_dice": "class_thresholds",
    "monai.compute_surface_dice(class_thresholds=[1])": "class_thresholds",
    "monai.compute_surface_dice(class_thresholds=[1,-1])": "class_thresholds",
    "monai.compute_surface_dice(class_thresholds=1)": "class_thresholds",
}  # fmt: skip


@pytest.mark.parametrize("text", BAD_SPACING, ids=repr)
def test_spacing_of_distances(refused, text):
    refused(GOOD, 400, params={"spacing": text, "scores": "hd95"}, param="spacing")


@pytest.mark.parametrize("text", BAD_DISTANCES)
def test_parameters_of_distances(refused, text):
    refused(GOOD, 400, params={"scores": text}, param="scores", says=BAD_DISTANCES[text])


def distances(server, pred, label, classes=2, spacing=None, scores="hausdorff,hd95,assd,nsd"):
    """{name: one value per class} of one pair of label maps; afterwards no budget is held."""
    params = {"num_classes": str(classes), "scores": scores, **({"spacing": spacing} if spacing else {})}
    answer = server.score(upload(pred[None], label[None]), **params)
    eventually(lambda: server.metrics()[USED] == 0, 2)
    return {score["name"]: score["per_class"] for score in answer["scores"]}


def corners(shape):
    """One voxel at the first corner of the prediction, one at the last of the label."""
    pred, label = np.zeros((2, *shape), "u1")
    pred.reshape(-1)[0] = label.reshape(-1)[-1] = 1
    return pred, label


@pytest.mark.parametrize("shape, spacing", [
    ((16384,), None), ((16384, 4), None), ((4, 16384), None), ((16384, 1), "0.5,9"), ((3, 16384, 2), "1,2,3"),
    ((70000, 1, 2), None), ((1, 70000, 2), "3,1,1"), ((2, 1, 70000), "1e6,1,1e6"), ((2**20,), "1e-6"),
], ids=str)  # fmt: skip
def test_long_axes(server, shape, spacing):
    """From corner to corner, also where the square of the distance takes more than 32 bits: exact to the last bits."""
    numbers = [float(x) for x in (spacing or ",".join("1" * len(shape))).split(",")]
    want = float(np.sqrt(sum((s * (n - 1)) ** 2 for s, n in zip(numbers, shape))))
    found = distances(server, *corners(shape), spacing=spacing)
    for name in ("hausdorff", "hd95", "assd"):
        assert found[name][1] == pytest.approx(want, rel=1e-14), name
    assert found["nsd"][1] == 0


def test_long_frames(server):
    """The background's surface is the frame of the picture, less the one corner that the other class has."""
    found = distances(server, *corners((16384, 4)), scores="hausdorff,assd,nsd(tolerance=0)")
    elements = 2 * 4 + 2 * 16382 - 1
    assert found["hausdorff"][0] == 1
    assert found["assd"][0] == pytest.approx(1 / elements, rel=1e-14)
    assert found["nsd(tolerance=0)"][0] == pytest.approx(1 - 1 / elements, rel=1e-14)


def test_a_picture_of_2_to_the_21(server):
    """Boxes as large as the picture, of a class that is nearly everywhere and of one that is nearly nowhere."""
    pred, label = corners((16384, 128))
    pred[5:-5, 5:-5] = 2
    label[9:-5, 5:-5] = 2
    found = distances(server, pred, label, classes=3, scores="hausdorff,hausdorff(surface=surfel)")
    assert found["hausdorff"][1] == pytest.approx(np.hypot(16383, 127), rel=1e-14)
    assert found["hausdorff"][2] == found["hausdorff(surface=surfel)"][2] == 4


FULL = {
    "line": (50,), "picture": (12, 9), "slice": (1, 12, 9), "last slice": (12, 9, 1), "voxel": (1, 1, 1),
    "volume": (6, 7, 8),
}  # fmt: skip


@pytest.mark.parametrize("shape", FULL.values(), ids=FULL)
def test_a_class_that_fills_the_image(server, shape):
    """Its surface is the frame: nothing is away from itself, and the class that is nowhere has no distance."""
    full = np.ones(shape, "u1")
    found = distances(server, full, full, scores="hausdorff,hd95,assd,nsd(tolerance=0)")
    assert {name: values[1] for name, values in found.items()} == {
        "hausdorff": 0, "hd95": 0, "assd": 0, "nsd(tolerance=0)": 1,
    }  # fmt: skip
    assert all(values[0] is None for values in found.values())
    one = np.zeros(shape, "u1")
    one.reshape(-1)[0] = 1
    found = distances(server, full, one)
    assert found["hausdorff"][1] == pytest.approx(np.sqrt(sum((n - 1) ** 2 for n in shape)), rel=1e-14)


def test_more_classes_than_voxels(server):
    """Nearly all classes are in neither map; those that are have one voxel each."""
    label = np.array([[7, 250], [999, 0]], "<u2")
    pred = np.array([[250, 7], [999, 1]], "<u2")
    found = distances(server, pred, label, classes=1000, scores="hausdorff,nsd(tolerance=0)")
    values = {c: value for c, value in enumerate(found["hausdorff"]) if value is not None}
    assert values == {7: 1, 250: 1, 999: 0}
    values = {c: value for c, value in enumerate(found["nsd(tolerance=0)"]) if value is not None}
    assert values == {0: 0, 1: 0, 7: 0, 250: 0, 999: 1}


def test_distances_of_an_image_that_is_not_scored(server):
    """A mask of zeros leaves nothing: no distance, not an error."""
    body = upload(mask=np.zeros_like(LABEL))
    answer = server.score(body, scores="hd95,nsd,assd(surface=surfel)")
    assert all(value is None for score in answer["scores"] for value in score["per_class"])


@pytest.mark.skipif(not os.environ.get("MM_TEST_LARGE"), reason="MM_TEST_LARGE: 10 GiB, and a minute or more")
def test_a_picture_of_16384_by_16384(start):
    server = start("--memory", "12GiB")
    pred, label = corners((16384, 16384))
    found = distances(server, pred, label, scores="hausdorff,hd95")
    assert found["hausdorff"][1] == found["hd95"][1] == pytest.approx(16383 * np.sqrt(2), rel=1e-14)
    assert server.peak() < 12 * 2**30


def test_small_requests_beside_a_heavy_one(start):
    """While the distances of many classes of a volume are computed, small uploads are answered: all before it."""
    server = start("--threads", "1")
    blocks = np.arange(64, dtype="u1").reshape(4, 4, 4)
    side = 64 if SLOW == 1 else 32
    label = blocks.repeat(side, 0).repeat(side, 1).repeat(side, 2)
    heavy = upload(np.roll(label, 1, axis=0)[None], label[None])
    order = []

    def send_heavy():
        answer = server.post(heavy, num_classes="64", scores="hd95,assd,hd95(surface=surfel)")
        order.append(("heavy", answer.status_code))

    other = Server(server.data, start=False)
    other.url = server.url
    thread = threading.Thread(target=send_heavy)
    thread.start()
    eventually(lambda: other.metrics()["maskmeter_eval_queue_depth"] > 0)
    for scores in ("dice", "hd95", "dice") * 3:
        order.append((scores, other.post(GOOD, scores=scores).status_code))
    thread.join()
    assert order[-1] == ("heavy", 200), order
    assert len(order) == 10 and {status for _, status in order} == {200}
    eventually(lambda: server.metrics()[USED] == 0)


def test_memory_is_back_after_all_that(server):
    """The last test of this file: no budget is held, and the process is small."""
    eventually(lambda: server.metrics()[USED] == 0)
    eventually(lambda: server.metrics()["maskmeter_http_inflight_requests"] == 1)  # the one that asks
    assert SLOW > 1 or server.rss() < 256 * 2**20
    assert server.get("/v1/runs").json()["runs"] == []
