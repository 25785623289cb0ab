"""test_hostile_bodies.py - small bodies that would need much: refused before the memory is taken, within a second."""

import gzip
import os
import time

import numpy as np
import pytest
from support import SLOW, Server, frame, problem, safetensors, small_file, zstd

MIB = 2**20
SHORT = bool(os.environ.get("MASKMETER_TEST_SHORT"))
HOLE = 160 * MIB  # what a bomb decodes to
pytestmark = pytest.mark.skipif(SLOW > 1, reason="memory and time of an instrumented process say nothing")


def zeros_file():
    """The header of a true file, and zeros."""
    entry = {"dtype": "U8", "shape": [1, HOLE // 2]}
    header = {
        "pred": {**entry, "data_offsets": [0, HOLE // 2]},
        "label": {**entry, "data_offsets": [HOLE // 2, HOLE]},
    }
    return frame(header, bytes(HOLE))


def label_maps(images, classes):
    label = (np.arange(images * 4) % classes).astype("<u2").reshape(images, 1, 4)
    return safetensors({"pred": label, "label": label}), {"num_classes": str(classes)}


def tensors(count):
    return safetensors({"pred": np.zeros((1, 4), "u1"), "label": np.zeros((1, 4), "u1")} |
                       {f"t{i}": np.zeros(1, "u1") for i in range(count - 2)})  # fmt: skip


@pytest.fixture(scope="module")
def case():
    hole = zeros_file()
    return {
        "zstd, 4000 to 1": (zstd(hole), "zstd", {"num_classes": "2"}, 413),
        "gzip, 1000 to 1": (gzip.compress(hole, 1), "gzip", {"num_classes": "2"}, 413),
        "gzip, members for ever": (gzip.compress(bytes(HOLE // 64), 9) * 64, "gzip", {}, 400),
        "4096 classes of 20000 images": (*label_maps(20000, 4096)[:1], None, label_maps(1, 4096)[1], 413),
        "65536 classes": (label_maps(8, 4096)[0], None, {"num_classes": "65536"}, 400),
        "confusion of 4096 classes": (label_maps(64, 4096)[0], None, {"num_classes": "4096", "include": "confusion"}, 400),
        "64 tensors": (tensors(64), None, {"num_classes": "2"}, 422),
        "65 tensors": (tensors(65), None, {"num_classes": "2"}, 400),
        "header of 64 KiB": (frame(b"{" + b" " * 65534 + b"}"), None, {}, 422),
        "header of 100 MB": ((100 * 10**6).to_bytes(8, "little") + b"{" * 1000, None, {}, 400),
        "sizes that overflow": (
            frame({"pred": {"dtype": "F64", "shape": [2**32, 2**32, 4], "data_offsets": [0, 8]}}, bytes(8)), None, {}, 400),
    }  # fmt: skip


NAMES = [
    "zstd, 4000 to 1", "gzip, 1000 to 1", "gzip, members for ever", "4096 classes of 20000 images",
    "65536 classes", "confusion of 4096 classes", "64 tensors", "65 tensors", "header of 64 KiB", "header of 100 MB",
    "sizes that overflow",
]  # fmt: skip


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A server for each case: its peak is the peak of that case."""
    made = []

    def make():
        made.append(Server(tmp_path_factory.mktemp("data"), "--memory", "128MiB"))
        made[-1].score(small_file())
        return made[-1]

    yield make
    for server in made:
        server.stop()


@pytest.mark.parametrize("name", NAMES)
def test_bounded_before_it_is_taken(case, fresh, name):
    """The answer names the fault, in long form within a second, and the process grew by less than 4 bodies, or what a decoder
    takes."""
    body, coding, params, status = case[name]
    server = fresh()
    before, begun = server.peak(), time.monotonic()
    answer = server.post(body, {"Content-Encoding": coding} if coding else None, **params)
    seconds, grown = time.monotonic() - begun, server.peak() - before
    print(f"\n{name}: {len(body)} bytes, {answer.status_code}, {1e3 * seconds:.0f} ms, grew by {grown / MIB:.1f} MiB: "
          f"{answer.json()['detail']}")  # fmt: skip
    problem(answer, status)
    assert SHORT or seconds < 1
    assert grown < max(4 * len(body), 8 * MIB)
    assert server.metrics()["maskmeter_memory_used_bytes"] == 0
    server.score(small_file())


@pytest.mark.skipif(SHORT, reason="long form")
def test_comparisons_are_bounded(tmp_path):
    """Resampling takes thousands of steps for each value: too many values are refused, fewer classes are not."""
    server = Server(tmp_path, "--memory", "2GiB")
    try:
        body, params = label_maps(1024, 1100)
        server.score(body, run="r", step="1", scores="dice", **params)
        problem(server.get("/v1/compare", base="r", head="r", score="dice"), 413, param="score", says=("1048576",))
        answer = server.get("/v1/compare", base="r", head="r", score="dice(classes=[1,2,3])")
        assert answer.status_code == 200
        assert answer.json()["images"] == 1024
    finally:
        server.stop()
