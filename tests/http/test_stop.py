"""test_stop.py - signals: what is in flight ends well, new uploads are sent elsewhere, the second signal is the last word."""

import concurrent.futures
import os
import signal
import socket
import threading
import time

import numpy as np
from support import DATA, PATIENCE, SLOW, eventually, problem, read_all, responses, safetensors, small_file

SHORT = bool(os.environ.get("MASKMETER_TEST_SHORT"))
ROUNDS = 1 if SHORT or SLOW > 1 else 20
GOOD = small_file()
SLOWLY = "classes=a,b&scores=hd95,assd,surface_dice"


def head(target, size):
    """Of an upload."""
    return (f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
            f"Content-Length: {size}\r\n").encode()


def noise(side, seed=3):
    """A file of many small surfaces, which take long to compare."""
    rng = np.random.default_rng(seed)
    label, pred = ((rng.random((1, side, side, side)) < 0.3).astype("u1") for _ in range(2))
    return safetensors({"pred": pred, "label": label})


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=60 * SLOW)


def in_flight(server):
    """Without the one who asks."""
    return server.metrics()["maskmeter_http_inflight_requests"] - 1


def slow_upload(server, body, run, results, pieces=8, pause=0.1):
    """Sends a body slowly and keeps the status line it got; nothing when the server went away."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30 * SLOW) as sock:
        sock.sendall(head(f"/v1/evaluations?run={run}&step=0", len(body)) + b"Connection: close\r\n\r\n")
        step = len(body) // pieces + 1
        try:
            for begin in range(0, len(body), step):
                sock.sendall(body[begin : begin + step])
                time.sleep(pause)
        except OSError:
            pass
        results.append(read_all(sock).split(b"\r\n")[0])


def test_sigterm_drains(start):
    """Uploads in flight are finished, stored and answered; then the server leaves with 0."""
    server = start()
    body, results = (DATA / "demo.safetensors").read_bytes(), []
    threads = [
        threading.Thread(target=slow_upload, args=(server, body, f"drain{n}", results), daemon=True) for n in range(10)
    ]
    for thread in threads:
        thread.start()
    eventually(lambda: server.metrics()["maskmeter_http_inflight_requests"] > 10)
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    for thread in threads:
        thread.join(10)
    assert results == [b"HTTP/1.1 200 OK"] * 10
    assert not server.noise
    again = start(data=server.data)
    assert {row["run"] for row in again.get("/v1/runs").json()["runs"]} == {f"drain{n}" for n in range(10)}


def test_whatever_is_in_flight_ends_well(start):
    """Fifty uploads, of which some have sent half, some are computed or wait for that, and one has another request behind
    it: all are answered and stored, /readyz says 503, and the server leaves with 0."""
    for turn in range(ROUNDS):
        server = start("--drain-delay", "1", "--threads", "1")
        slow, socks, halves = noise(60), [], []
        for i in range(10):  # suspended
            socks.append(connect(server))
            socks[-1].sendall(head(f"/v1/evaluations?{SLOWLY}&run=slow{i}&step=1", len(slow)) + b"\r\n" + slow)
        socks[0].sendall(head("/v1/evaluations?run=behind&step=1", len(GOOD)) + b"\r\n" + GOOD)
        for i in range(40):  # their second half comes when the server is about to stop
            whole = head(f"/v1/evaluations?run=half{i}&step=1", len(GOOD)) + b"\r\n" + GOOD
            socks.append(connect(server))
            socks[-1].sendall(whole[: 300 + 10 * turn])
            halves.append((socks[-1], whole[300 + 10 * turn :]))
        eventually(lambda: server.metrics()['maskmeter_admission_total{result="admitted"}'] >= len(socks))
        assert in_flight(server) >= len(halves)
        server.signal(signal.SIGTERM)
        eventually(lambda: server.get("/readyz").status_code == 503)
        server.session.close()
        for sock, rest in halves:
            sock.sendall(rest)
        with concurrent.futures.ThreadPoolExecutor(len(socks)) as pool:
            answers = [responses(got) for got in pool.map(read_all, socks)]
        assert server.wait() == 0 and not server.noise
        assert [statuses[0][0] for statuses in answers] == [200] * 50
        assert all(statuses[-1][1]["connection"].lower() == "close" for statuses in answers[10:])
        assert all(len(statuses) == 1 for statuses in answers[1:])
        for sock in socks:
            sock.close()
        stored = {f"slow{i}" for i in range(10)} | {f"half{i}" for i in range(40)}
        stored |= {"behind"} if [status for status, _, _ in answers[0]] == [200, 200] else set()
        again = start(data=server.data)
        assert {row["run"] for row in again.get("/v1/runs", limit="100").json()["runs"]} == stored
        again.stop()


def test_a_second_signal_while_all_wait(start):
    """At once, with 1, whatever is computed, half sent or behind another: nothing aborts."""
    slow = noise(60 if SHORT or SLOW > 1 else 100)
    for _ in range(ROUNDS):
        server = start("--threads", "1")
        socks = [connect(server) for _ in range(50)]
        for i, sock in enumerate(socks):
            whole = head(f"/v1/evaluations?{SLOWLY}&run=r&step={i}", len(slow)) + b"\r\n" + slow
            sock.sendall(whole if i % 5 == 0 else whole[:2000])
        socks[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        eventually(lambda: in_flight(server) >= 40)
        server.session.close()
        server.signal(signal.SIGTERM)
        eventually(lambda: any(line["event"] == "draining" for line in server.log))
        begin = time.monotonic()
        server.signal(signal.SIGTERM)
        assert server.wait() == 1 and time.monotonic() - begin < 2 * PATIENCE
        assert not server.noise and server.log[-1]["event"] == "killed"
        for sock in socks:
            sock.close()
        start(data=server.data).stop()


def test_readiness_while_draining(start):
    """Within the drain delay /readyz says 503, new uploads are sent elsewhere, and reading and liveness stay."""
    server = start("--drain-delay", "4")
    assert server.get("/readyz").status_code == 200
    server.signal(signal.SIGTERM)
    eventually(lambda: server.get("/readyz").status_code == 503, 1)
    assert server.get("/readyz").json()["checks"]["draining"] == "yes"
    assert server.get("/healthz").status_code == 200
    answer = server.post(GOOD)
    problem(answer, 503)
    assert int(answer.headers["Retry-After"]) >= 1
    assert server.get("/v1/runs").json() == {"runs": [], "next": None}
    assert server.wait() == 0


def test_idle_connections_do_not_hold_the_drain(start):
    server = start()
    connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
    connections[0].sendall(b"GET /heal")
    begin = time.monotonic()
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert time.monotonic() - begin < 12 * PATIENCE
    for connection in connections:
        connection.close()


def test_interrupt_is_as_sigterm(start):
    server = start()
    server.signal(signal.SIGINT)
    assert server.wait() == 0
