"""test_memory.py - one large upload peaks below its body plus 64 MiB, and a hundred in a row leave memory flat."""

import numpy as np
import pytest
from support import SLOW, Server, eventually, frame, problem, safetensors, small_file, zstd

SIDE = 256
MIB = 2**20
USED = "maskmeter_memory_used_bytes"
pytestmark = pytest.mark.skipif(SLOW > 1, reason="memory of an instrumented process says nothing")


@pytest.fixture(scope="module")
def large():
    """A 272 MiB file: 4 classes of float32 and a label of bytes on 256^3 voxels."""
    probs = np.empty((1, 4, SIDE, SIDE, SIDE), "<f4")
    ramp = (np.arange(SIDE, dtype="<f4") / SIDE).reshape(SIDE, 1, 1)
    probs[0, 0], probs[0, 1] = 0.5 * ramp, 0.5 - 0.5 * ramp
    probs[0, 2:] = 0.25
    label = np.zeros((1, SIDE, SIDE, SIDE), "u1")
    label[:, : SIDE // 2] = 1
    label[:, :, SIDE // 2 :] += 2
    body = safetensors({"pred": probs, "label": label})
    assert 272 * MIB <= len(body) < 272 * MIB + 4096
    return body


@pytest.fixture
def roomy(tmp_path):
    server = Server(tmp_path, "--memory", "1GiB")
    yield server
    server.stop()


def test_peak_of_a_large_upload(roomy, large):
    """The buffer of the body is the only large thing, whether it is stored or not."""
    roomy.score(large, run="large", step="1", include="images,confusion")
    assert roomy.peak() < len(large) + 64 * MIB, f"{roomy.peak() / MIB:.0f} MiB"


def test_a_hundred_in_a_row_leave_memory_flat(roomy, large):
    """100 large ones, with small and bad ones between them."""
    bad = frame({"pred": {"dtype": "F32", "shape": [2**20], "data_offsets": [0, 2**22]}}, bytes(2**22))
    small = small_file()
    for _ in range(3):
        roomy.score(large, scores="dice")
    before = roomy.rss()
    for turn in range(100):
        roomy.score(large, scores="dice")
        assert roomy.post(bad).status_code == 422
        roomy.score(small, run="flat", step=str(turn), scores="dice,cross_entropy")
    assert abs(roomy.rss() - before) < 8 * MIB, f"{before / MIB:.0f} to {roomy.rss() / MIB:.0f} MiB"
    assert roomy.peak() < len(large) + 64 * MIB


def test_the_budget_is_kept(tmp_path, large):
    """What does not fit into the budget is refused at the headers: 413 when it never will, else 503 and Retry-After."""
    server = Server(tmp_path, "--memory", "320MiB", "--max-body", "280MiB")
    holder = server.connect()
    try:
        holder.putrequest("POST", "/v1/evaluations?scores=dice")
        holder.putheader("Content-Type", "application/octet-stream")
        holder.putheader("Content-Length", str(len(large)))
        holder.endheaders()
        holder.send(large[: 8 * MIB])
        eventually(lambda: server.metrics()[USED] > len(large))
        answer = server.announce(len(large))
        problem(answer, 503)
        assert int(answer.headers["Retry-After"]) >= 1
        problem(server.announce(400 * MIB), 413)
        holder.send(large[8 * MIB :])
        assert holder.getresponse().status == 200
        assert server.metrics()[USED] == 0
        assert server.metrics()["maskmeter_memory_limit_bytes"] == 320 * MIB
        assert server.peak() < 320 * MIB + 64 * MIB
        assert server.score(small_file())["images"] == 2
    finally:
        holder.close()
        server.stop()


def test_what_can_never_be_scored_is_too_large(tmp_path):
    """Distances may take more than the whole budget: 413, since trying again is in vain; the server goes on."""
    label = np.zeros((1, 96, 256, 256), "u1")
    label[0, :64] = 1
    body = safetensors({"pred": label, "label": label})
    server = Server(tmp_path, "--memory", "64MiB")
    try:
        assert server.score(body, num_classes="2", scores="dice")["scores"][0]["value"] == 1.0
        problem(server.post(body, num_classes="2", scores="hd95"), 413, says=("budget",))
        assert server.score(small_file(), scores="hd95")["images"] == 2
        assert server.metrics()[USED] == 0
    finally:
        server.stop()


def test_zstd_needs_no_more_than_its_file(tmp_path):
    """A body that is compressed 400 to 1 takes the memory of what it holds, not twice that."""
    label = np.zeros((64, 256, 256), "u1")
    label[:, :128] = 1
    body = safetensors({"pred": label, "label": label})
    server = Server(tmp_path, "--memory", "128MiB")
    try:
        for _ in range(3):
            answer = server.score(zstd(body), {"Content-Encoding": "zstd"}, num_classes="2", scores="dice")
            assert answer["scores"][0]["value"] == 1
        assert server.peak() < len(body) + 80 * MIB
    finally:
        server.stop()


def long_name(letter, number):
    return letter * 240 + str(number)


def test_long_names_of_an_export_are_counted(tmp_path):
    """A row of CSV repeats the names of run, image and class: its text may be many times as large as the values."""
    rng = np.random.default_rng(1)
    label = rng.integers(0, 16, (6000, 1, 4)).astype("u1")
    names = ",".join(long_name("c", number) for number in range(16))
    body = safetensors({"pred": label, "label": label}, {"maskmeter.classes": names})
    server = Server(tmp_path, "--memory", "160MiB")
    try:
        params = {"run": long_name("r", 1), "split": long_name("s", 1), "step": "1"}
        server.score(body, scores="dice,iou", **params)
        assert server.get("/v1/evaluations", include="images", **params).status_code == 200
        for answer_format in ("nnunet", "grand-challenge", "mlflow"):
            answer = server.get("/v1/evaluations", format=answer_format, **params)
            assert answer.status_code == 200, answer.text
        before = server.peak()
        answer = server.get("/v1/evaluations", format="csv", **params)
        problem(answer, 413, says=("export",))
        assert server.peak() < before + 64 * MIB
        assert server.metrics()[USED] == 0
    finally:
        server.stop()


def test_records_that_do_not_fit_are_not_read(tmp_path):
    """An evaluation of many parts outgrows the budget: it is refused before its records are in memory."""
    rng = np.random.default_rng(1)
    label = rng.integers(0, 64, (400, 1, 2)).astype("u1")
    body = safetensors({"pred": label, "label": label})
    server = Server(tmp_path, "--memory", "256MiB")
    try:
        for part in range(8):
            server.score(body, run="r", step="1", part=str(part), num_classes="64", scores="dice")
        server.stop()
        server.args = ["--memory", "64MiB"]
        server.start()
        before = server.peak()
        for path, params in (
            ("/v1/evaluations", {"run": "r", "step": "1"}),
            ("/v1/grafana/images", {"run": "r", "score": "dice"}),
            ("/v1/compare", {"base": "r", "head": "r", "score": "dice"}),
        ):
            answer = server.get(path, **params)
            problem(answer, 413, says=("reading", "budget"))
        assert server.peak() < before + 16 * MIB
        assert server.metrics()[USED] == 0
    finally:
        server.stop()
