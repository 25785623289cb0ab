"""test_soak.py - everything at once for a while, at most of what the server can do: nothing grows, nothing is logged.

MASKMETER_SOAK_SECONDS says for how long; 30 minutes in long form.
"""

import gzip
import json
import os
import pathlib
import random
import socket
import threading
import time

import numpy as np
from support import SLOW, eventually, small_file, zstd

SHORT = bool(os.environ.get("MASKMETER_TEST_SHORT"))
SECONDS = float(os.environ.get("MASKMETER_SOAK_SECONDS", 20 if SHORT else 1800))
BUSY = 0.8  # of the time of each client; the rest it sleeps
BODIES = [small_file(), small_file(images=4, classes=4, spatial=(48, 64)), small_file(images=2, classes=2, spatial=(256, 256))]
MOST_SLOPE = 1 << 20  # bytes an hour, of the second half
SETTLED = 600  # from here on, the slope is that of the server and not of its filling caches


class Client(threading.Thread):
    """Does one kind of thing again and again; a wrong answer ends the soak."""

    def __init__(self, server, kind, number, end):
        super().__init__(daemon=True)
        self.server, self.kind, self.number, self.end = server, kind, number, end
        self.session, self.random, self.count, self.failure = server.connect_session(), random.Random(f"{kind.__name__} {number}"), 0, None

    def run(self):
        try:
            while time.monotonic() < self.end:
                start = time.monotonic()
                self.kind(self)
                self.count += 1
                time.sleep((time.monotonic() - start) * (1 - BUSY) / BUSY)
        except Exception as failure:  # noqa: BLE001 - whatever it is, the test tells
            self.failure = f"{self.kind.__name__}: {failure!r}"

    def ask(self, method, path, *allowed, body=None, headers=None, **params):
        answer = self.session.request(method, self.server.url + path, data=body, params=params, timeout=60 * SLOW,
                                      headers={"Content-Type": "application/octet-stream", **(headers or {})} if body else headers)
        assert answer.status_code in (allowed or (200,)), (method, path, params, answer.status_code, answer.text[:300])
        return answer


def score(client):
    body, coding = client.random.choice(BODIES), client.random.choice([None, "gzip", "zstd"])
    packed = {None: lambda b: b, "gzip": lambda b: gzip.compress(b, 1), "zstd": zstd}[coding](body)
    scores = client.random.choice(["dice", "dice,hd95,cross_entropy", "auroc,ssim", "monai.DiceLoss(softmax=true)"])
    include = client.random.choice([{}, {"include": "images,confusion,histogram,explain"}])
    client.ask("POST", "/v1/evaluations", body=packed, headers={"Content-Encoding": coding} if coding else None, scores=scores, **include)


def store(client):
    """Within a fixed set of names, so that the history does not grow."""
    step, part = str(client.random.randrange(20)), str(client.random.randrange(3))
    body = BODIES[client.random.randrange(2)]
    client.ask("POST", "/v1/evaluations", 200, 409, body=body, run=f"run{client.number}", step=step, part=part)


def read(client):
    run = f"run{client.random.randrange(2)}"
    path, params = client.random.choice([
        ("/v1/runs", {}), ("/v1/scores", {}), ("/metrics", {}), ("/", {}), ("/openapi.json", {}), ("/healthz", {}), ("/readyz", {}),
        (f"/v1/runs/{run}/evaluations", {"limit": "5"}), ("/v1/compare", {"base": "run0", "head": "run1", "split": "val", "score": "dice"}),
        ("/v1/evaluations", {"run": run, "step": str(client.random.randrange(20)), "include": "images"}),
        ("/v1/evaluations", {"run": run, "step": str(client.random.randrange(20)), "format": "csv"}),
        ("/v1/grafana/series", {"run": run, "score": "dice"}), ("/v1/grafana/latest", {"score": "dice"}),
        ("/v1/grafana/confusion", {"run": run}), ("/v1/grafana/variables/runs", {}),
    ])
    client.ask("GET", path, 200, 400, 404, **params)


def delete(client):
    client.ask("DELETE", f"/v1/runs/run{client.random.randrange(2)}", 204, 404)
    time.sleep(0.5)


def mistake(client):
    kind = client.random.randrange(4)
    if kind == 0:
        client.ask("POST", "/v1/evaluations", 400, body=BODIES[0][: client.random.randrange(1, 300)])
    elif kind == 1:
        client.ask("GET", "/v1/runs", 400, nonsense="1")
    elif kind == 2:
        client.ask("GET", "/nowhere", 404, headers={"Authorization": "Bearer mm_wrong"})
    else:
        client.server.raw(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n")


def leave(client):
    """In the middle of a body, or with the answer unread."""
    with socket.create_connection(("127.0.0.1", client.server.port), timeout=30 * SLOW) as sock:
        size = client.random.choice([10**6, len(BODIES[1])])
        head = f"POST /v1/evaluations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\nContent-Length: {size}\r\n\r\n"
        sock.sendall(head.encode() + BODIES[1])
    time.sleep(0.05)


def dawdle(client):
    body = BODIES[0]
    with socket.create_connection(("127.0.0.1", client.server.port), timeout=30 * SLOW) as sock:
        head = f"POST /v1/evaluations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        for piece in (head.encode(), *(body[at : at + 512] for at in range(0, len(body), 512))):
            sock.sendall(piece)
            time.sleep(0.02)
        answer = b""
        while piece := sock.recv(100):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200"), answer[:100]


KINDS = [score, score, store, store, read, read, delete, mistake, leave, dawdle]


def sample(server):
    process = pathlib.Path(f"/proc/{server.process.pid}")
    return time.monotonic(), server.rss(), len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))


def test_soak(start):
    server = start()
    server.get("/healthz")
    at_rest = sample(server)
    end = time.monotonic() + SECONDS
    clients = [Client(server, kind, KINDS[:number].count(kind), end) for number, kind in enumerate(KINDS)]
    for client in clients:
        client.start()
    samples = []
    while any(client.is_alive() for client in clients):
        assert server.process.poll() is None, server.noise[-20:]
        samples.append(sample(server))
        time.sleep(min(1.0, SECONDS / 60))
    assert not [client.failure for client in clients if client.failure]
    assert all(client.count > 0 for client in clients)
    report(clients, samples)
    wrong = [entry for entry in server.log if entry["level"] in ("warning", "error")]
    assert not wrong and not server.noise, (wrong[:5], server.noise[:20])
    metrics = server.metrics()
    assert metrics["maskmeter_memory_used_bytes"] == 0 and metrics["maskmeter_eval_queue_depth"] == 0
    check_flat(samples)
    for client in clients:
        client.session.close()
    eventually(lambda: sample(server)[2] <= at_rest[2] + 2, 20)  # a second reader has opened the history and its log


def slope(samples, column):
    """Per hour, of the second half."""
    half = np.array(samples[len(samples) // 2 :])
    return np.polyfit(half[:, 0], half[:, column], 1)[0] * 3600


def check_flat(samples):
    half = len(samples) // 2
    assert max(row[3] for row in samples[half:]) <= max(row[3] for row in samples[:half]), "threads"
    grown = max(row[1] for row in samples[half:]) - max(row[1] for row in samples[:half])
    assert grown < 32 << 20, grown
    if SECONDS >= SETTLED:
        assert slope(samples, 1) < MOST_SLOPE, slope(samples, 1)


def report(clients, samples):
    requests = sum(client.count for client in clients)
    print(f"\n{SECONDS:.0f} s, {requests} requests; resident {samples[0][1] >> 20} to {samples[-1][1] >> 20} MiB, most "
          f"{max(row[1] for row in samples) >> 20}, slope {slope(samples, 1) / 2**20:.2f} MiB/h; descriptors "
          f"{min(row[2] for row in samples)} to {max(row[2] for row in samples)}, threads {min(row[3] for row in samples)} to "
          f"{max(row[3] for row in samples)}; " + json.dumps({f"{c.kind.__name__}": c.count for c in clients}))
