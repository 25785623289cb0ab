"""test_peer_oracle.py - other libraries' values through HTTP: one case of each function that the server knows.

tests/test_oracle.c runs every case through the library; here the request is what a client would send.
"""

import functools
import json
import math
import subprocess

import pytest
from support import BINARY, ORACLE, read_safetensors, safetensors

CASES = json.loads((ORACLE / "cases.json").read_text())


def function_of(case):
    return f"{case['peer']}.{case['function']}"


@functools.lru_cache(maxsize=None)
def known():
    """The names and aliases of the registry."""
    listed = subprocess.run([BINARY, "scores", "--json"], check=True, stdout=subprocess.PIPE).stdout
    return {name for row in json.loads(listed)["scores"] for name in [row["name"], *row["aliases"]]}


def sample():
    """The middle case of each function, and the first that the peer has wrong."""
    by_function = {}
    for case in CASES:
        if function_of(case) in known():
            by_function.setdefault(function_of(case), []).append(case)
    for cases in by_function.values():
        wrong = [case for case in cases if "peer_bug" in case][:1]
        yield from {case["id"]: case for case in [cases[len(cases) // 2], *wrong]}.values()


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


def test_every_peer_is_sampled():
    """A peer whose names the registry had lost would pass above."""
    assert {case["peer"] for case in sample()} == {case["peer"] for case in CASES}
    assert len({function_of(case) for case in sample()}) >= 119
