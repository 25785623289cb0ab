"""examples.py - how many examples are tried, and uploads of every kind to try with."""

import os

import hypothesis
import numpy as np
from hypothesis import strategies as st
from support import bf16, safetensors

SHORT = bool(os.environ.get("MASKMETER_TEST_SHORT"))


def examples(short, long):
    """In short form always the same ones, so that a change alone can make a test fail."""
    return hypothesis.settings(max_examples=short if SHORT else long, derandomize=SHORT, deadline=None, database=None,
                               suppress_health_check=list(hypothesis.HealthCheck))


TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=40)
HOSTILE = st.one_of(
    TEXT, st.integers().map(str), st.floats().map(repr),
    st.sampled_from(["", " ", "\0", "\r\nX: y", "../..", "%00", "NaN", "1e999", "-0", "9" * 400, "null", "true", "[]", "{}", "a,b",
                     ",", "☃", "\u202e", "'; drop table parts; --", "((((((", "sum(" * 50, "dice(" + "a" * 300 + "=1)", "x" * 5000]),
)


@st.composite
def cases(draw, dtypes=("<f4", "<f8", "<f2"), most_classes=4):
    """(probabilities, index labels) that any dtype of the list holds exactly: multiples of 1/64 that sum to 1."""
    images, classes = draw(st.integers(1, 4)), draw(st.integers(2, most_classes))
    spatial = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    cuts = np.sort(rng.integers(0, 65, (images, classes - 1, *spatial)), axis=1)
    edges = np.concatenate([np.zeros_like(cuts[:, :1]), cuts, np.full_like(cuts[:, :1], 64)], axis=1)
    probs = (np.diff(edges, axis=1) / 64).astype(draw(st.sampled_from(dtypes)))
    label = rng.integers(0, draw(st.integers(1, classes)), (images, *spatial)).astype("u1")
    return probs, label


DTYPES = ["<f8", "<f4", "<f2", "<i8", "<i4", "<i2", "i1", "<u8", "<u4", "<u2", "u1", "?"]


@st.composite
def tensors(draw):
    """Any small tensor, also one that makes no sense."""
    shape = tuple(draw(st.lists(st.integers(0, 5), max_size=6)))
    dtype = draw(st.sampled_from([*DTYPES, "BF16"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = rng.random(shape) * draw(st.sampled_from([1, 2, 300, -1, np.nan, np.inf]))
    with np.errstate(all="ignore"):
        return ("BF16", bf16(values)) if dtype == "BF16" else values.astype(dtype)


@st.composite
def bodies(draw):
    """Bytes that are sent as an upload: whole, senseless or broken."""
    kind = draw(st.sampled_from(["case", "any", "cut", "bytes"]))
    if kind == "bytes":
        return draw(st.binary(max_size=200))
    if kind == "any":
        names = draw(st.lists(st.sampled_from(["pred", "label", "mask", "other"]), unique=True))
        metadata = draw(st.none() | st.dictionaries(st.sampled_from(["maskmeter.scores", "maskmeter.task", "format"]), TEXT))
        return safetensors({name: draw(tensors()) for name in names}, metadata)
    probs, label = draw(cases())
    body = safetensors({"pred": probs, "label": label})
    return body[: draw(st.integers(0, len(body)))] if kind == "cut" else body
