"""test_seed_oracle.py - other libraries' values through HTTP: a sample of each function that the server knows.

tests/test_oracle.c runs every case through the library; here the request is what a client would send.
"""

import functools
import json
import math

import pytest
from support import ORACLE, read_safetensors, safetensors

CASES = json.loads((ORACLE / "cases.json").read_text())
NOT_BUILT = {("seed", "ssim2d_loss")}


def sample():
    """The first, the middle and the last case of each function of the seed."""
    by_function = {}
    for case in CASES:
        if case["peer"] == "seed" and ("seed", case["function"]) not in NOT_BUILT:
            by_function.setdefault(case["function"], []).append(case)
    for cases in by_function.values():
        yield from {case["id"]: case for case in (cases[0], cases[len(cases) // 2], cases[-1])}.values()


@functools.lru_cache(maxsize=None)
def inputs(name):
    return read_safetensors((ORACLE / name.replace(".npz", ".safetensors")).read_bytes())


def flat(value):
    if isinstance(value, list):
        return [x for item in value for x in flat(item)]
    return [None if value is None or isinstance(value, str) else float(value)]


def request_of(case):
    """Body and parameters, by the five steps of tests/oracle/README.md."""
    arrays = inputs(case["inputs"])
    tensors = {"pred": arrays[case["pred"]], "label": arrays[case["target"]]}
    if "mask" in case:
        tensors["mask"] = arrays[case["mask"]][:, 0]
    multiclass = case["inputs"].startswith("inputs/a")
    kinds = {"logits": "logits", "probs": "probs", "pred_label": "labels"}
    params = {
        "scores": case["score"],
        "task": "multiclass" if multiclass else "multilabel",
        "pred_kind": kinds.get(case["pred"], "masks"),
    }
    if params["pred_kind"] == "labels":
        params["num_classes"] = str(arrays["probs"].shape[1])
    if case["target"].endswith("_ign"):
        params["ignore_index"] = "255"
    return safetensors(tensors), params


@pytest.mark.parametrize("case", sample(), ids=lambda case: case["id"])
def test_value(server, case):
    body, params = request_of(case)
    score = server.score(body, **params)["scores"][0]
    got, want = flat(score["value"]), flat(case.get("definition", case["expected"]))
    assert len(got) == len(want)
    for value, expected in zip(got, want):
        if expected is None:
            assert value is None
        else:
            assert math.fabs(value - expected) <= 2e-6 + case["rtol"] * math.fabs(expected)
    if "peer_bug" in case:
        assert score["note"]


def test_every_function_of_the_seed_is_sampled():
    functions = {case["function"] for case in CASES if case["peer"] == "seed"}
    assert {case["function"] for case in sample()} == functions - {name for _, name in NOT_BUILT}
