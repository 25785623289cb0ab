"""test_hostile_reads.py - reads and merges that would need much: within the budget, or refused before it is taken."""

import os
import socket

import numpy as np
import pytest
from support import SLOW, Server, eventually, problem, safetensors

MIB = 2**20
SHORT = bool(os.environ.get("MASKMETER_TEST_SHORT"))
pytestmark = pytest.mark.skipif(SLOW > 1, reason="memory of an instrumented process says nothing")


def wide(images):
    """A small body with as many confusion tables, most of them zeros: a byte each in the history, eight in memory."""
    label = (np.arange(images * 4) % 256).astype("u1").reshape(images, 1, 4)
    return safetensors({"pred": label, "label": label}), {"num_classes": "256", "include": "confusion"}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A folder with evaluations that take some 300 MiB to read, and some 30."""
    data = tmp_path_factory.mktemp("data")
    server = Server(data, "--memory", "1GiB")
    for run, images in (("large", 300), ("small", 30)):
        body, params = wide(images)
        server.score(body, run=run, step="1", scores="dice", **params)
    server.stop()
    return data


def announce(sock, size):
    """An upload of which only the headers come: it is let in."""
    sock.sendall(
        f"POST /v1/evaluations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\n"
        f"Content-Length: {size}\r\nExpect: 100-continue\r\n\r\n".encode()
    )
    assert sock.recv(4096).startswith(b"HTTP/1.1 100")


READS = [
    ("/v1/evaluations", {"step": "1"}),
    ("/v1/evaluations", {"step": "1", "format": "csv"}),
    ("/v1/evaluations", {"step": "1", "include": "confusion"}),
    ("/v1/compare", {"head": "small", "score": "dice"}),
    ("/v1/grafana/confusion", {}),
]


def test_what_never_fits_is_too_large(stored):
    """413 that names the limit, for what this budget can never hold; 503 and Retry-After for what it cannot now."""
    server = Server(stored, "--memory", "64MiB")
    try:
        for path, params in READS:
            key = "base" if "compare" in path else "run"
            answer = server.get(path, **{key: "large"}, **params)
            problem(answer, 413, says=("whole budget leaves",))
            assert "Retry-After" not in answer.headers
        assert server.get("/v1/evaluations", run="small", step="1").status_code == 200
        with socket.create_connection(("127.0.0.1", server.port)) as holder:
            announce(holder, 50000000)
            answer = server.get("/v1/evaluations", run="small", step="1")
            problem(answer, 503)
            assert int(answer.headers["Retry-After"]) >= 1
        eventually(lambda: server.get("/v1/evaluations", run="small", step="1").status_code == 200)
        assert server.peak() < 1.1 * 64 * MIB + 64 * MIB
    finally:
        server.stop()


def test_merges_are_within_the_budget(tmp_path):
    """The writer keeps merged images for the next part of each evaluation, but no more than the budget lets it."""
    server = Server(tmp_path, "--memory", "128MiB")
    count = 8 if SHORT else 40
    body, params = wide(30)
    other = ",".join(f"other/{i}" for i in range(30))
    try:
        for step in range(count):
            server.score(body, run="r", step=str(step), scores="dice", **params)
            server.score(body, run="r", step=str(step), part="1", image_ids=other, scores="dice", **params)
        print(f"\n{2 * count} parts of 30 tables: peak {server.peak() / MIB:.0f} MiB of 128")
        assert server.peak() < 1.1 * 128 * MIB + 64 * MIB
        assert server.metrics()["maskmeter_memory_used_bytes"] == 0
        assert server.metrics()["maskmeter_memory_idle_bytes"] > 8 * MIB  # they are kept
        held = socket.create_connection(("127.0.0.1", server.port))
        announce(held, 110 * MIB)  # and make way
        held.close()
        body, params = wide(60)
        problem(server.post(body, run="r", step="0", part="2", image_ids=",".join(f"2/{i}" for i in range(60)), scores="dice",
                            **params), 413, says=("merging", "whole budget leaves"))  # fmt: skip
    finally:
        server.stop()
