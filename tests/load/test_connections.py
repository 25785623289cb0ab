"""test_connections.py - connections in mass: idle, slow in every way, and busy; they cost little and none is stuck.

Times are judged in long form, on a machine that does nothing else."""

import os
import resource
import selectors
import socket
import statistics
import subprocess
import time

import pytest
from support import SLOW, Server, eventually, responses, small_file

SHORT = bool(os.environ.get("MASKMETER_TEST_SHORT")) or SLOW > 1
IDLE = 1000 if SHORT else 10000
MOST_BYTES = 6 << 10  # resident, for each
GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
SMALL = small_file()


@pytest.fixture(autouse=True)
def descriptors():
    """As many as may be had, here and in what is started."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


class Roomy(Server):
    """A server that takes more connections than a small machine would allow."""

    def command(self):
        return [*super().command(), "--max-connections", "12000"]

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


@pytest.fixture
def roomy(tmp_path):
    server = Roomy(tmp_path)
    yield server
    server.stop()


def timed(ask, *args, **params):
    begun = time.monotonic()
    answer = ask(*args, **params)
    assert answer.status_code == 200, answer.text
    return time.monotonic() - begun


def p99(times):
    return statistics.quantiles(times, n=100)[98]


# ---------------------------------------------------------------------------------------------------- idle


@pytest.mark.parametrize("kind", ["idle", "half a header"])
def test_idle_in_mass(roomy, kind):
    """A thousand, or ten, that say nothing or stop in the middle of a header: cheap, and in nobody's way."""
    roomy.score(SMALL, scores="dice")
    files, resident = roomy.open_files(), roomy.rss()
    socks = [socket.create_connection(("127.0.0.1", roomy.port), timeout=30 * SLOW) for _ in range(IDLE)]
    if kind == "half a header":
        for sock in socks:
            sock.sendall(GET[: len(GET) // 2])
    eventually(lambda: roomy.open_files() >= files + IDLE)
    late = p99([timed(roomy.get, "/healthz") for _ in range(500)])
    each = (roomy.rss() - resident) / IDLE
    print(f"\n{IDLE} with {kind}: {each / 1024:.2f} KiB each; /healthz p99 {1e3 * late:.2f} ms")
    if SLOW == 1:
        assert each <= MOST_BYTES
    if not SHORT:
        assert late < 0.05
    if kind == "half a header" and not SHORT:
        assert all(sock.recv(4096).startswith(b"HTTP/1.1 408 ") for sock in socks)
    for sock in socks:
        sock.close()
    eventually(lambda: roomy.open_files() <= files, 5)


# ---------------------------------------------------------------------------------------------------- slow

ATTACKS = {
    "header": ["-H", "-i", "1", "-x", "10", "-u", "{}/healthz"],
    "body": ["-B", "-i", "1", "-x", "10", "-s", "100000", "-f", "application/octet-stream", "-u", "{}/v1/evaluations?scores=dice"],
    "read": ["-X", "-w", "256", "-y", "512", "-n", "1", "-z", "64", "-k", "3", "-u", "{}/v1/scores"],
}
ATTACKERS, ATTACK_SECONDS, ATTACK_RATE = (100, 8, 100) if SHORT else (1000, 60, 200)
CUT_AFTER = {"header": 10, "body": 10, "read": 30}  # seconds of slowness that the server bears


class Attack:
    """slowhttptest against a server of its own, and a good client of that."""

    def __init__(self, kind, folder):
        folder.mkdir()
        self.kind, self.server, self.held = kind, Roomy(folder), []
        self.quiet = p99([self.good_turn() for _ in range(100)])
        self.times, self.files = [], self.server.open_files()
        command = ["slowhttptest", "-c", ATTACKERS, "-l", ATTACK_SECONDS, "-r", ATTACK_RATE, *ATTACKS[kind]]
        self.began = time.monotonic()
        self.process = subprocess.Popen([str(word).format(self.server.url) for word in command], cwd=folder,
                                        stdout=subprocess.DEVNULL)

    def good_turn(self):
        return timed(self.server.get, "/healthz") + timed(self.server.post, SMALL, scores="dice")

    def watch(self):
        """One turn of the good client, and how many descriptors the attack holds; False when it is over."""
        self.times.append(self.good_turn())
        self.held.append((time.monotonic() - self.began, self.server.open_files() - self.files))
        return self.process.poll() is None

    def check(self):
        most = max(held for _, held in self.held)
        last = max(when for when, held in self.held if held > 10)  # the rest are probes and what lingers
        print(f"slow {self.kind}: {len(self.times)} good turns, p99 {1e3 * p99(self.times):.1f} ms, before it "
              f"{1e3 * self.quiet:.1f}; up to {most} descriptors held, until {last:.1f} s")
        assert most >= 0.9 * ATTACKERS  # or it was no attack
        if not SHORT:
            assert p99(self.times) < 0.25
            assert last < ATTACKERS / ATTACK_RATE + CUT_AFTER[self.kind] + 5
        eventually(lambda: self.server.open_files() <= self.files, 5)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.server.stop()


def test_slow_clients(tmp_path):
    """Slow headers, bodies and readers: others do not notice, and in long form they are cut when their time is over."""
    attacks = []
    try:
        for kind in ATTACKS:
            attacks.append(Attack(kind, tmp_path / kind))
        print()
        while any([attack.watch() for attack in attacks]):
            time.sleep(0.05)
        for attack in attacks:
            attack.check()
    finally:
        for attack in attacks:
            attack.end()


# ---------------------------------------------------------------------------------------------------- busy

BUSY = 200
TURNS = 15 if SHORT else 400  # of each


class Busy:
    """A connection that sends its request again as soon as it is answered."""

    def __init__(self, port, request):
        self.request, self.left, self.got = request, TURNS, b""
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=30 * SLOW)
        self.send()

    def send(self):
        self.got, self.since = b"", time.monotonic()
        self.sock.sendall(self.request)

    def receive(self):
        """Seconds that the answer took, once it is whole; else None."""
        piece = self.sock.recv(1 << 16)
        assert piece, "closed"
        self.got += piece
        head, separator, body = self.got.partition(b"\r\n\r\n")
        if not separator or len(body) < int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]):
            return None
        assert responses(self.got)[0][0] == 200, self.got
        self.left -= 1
        return time.monotonic() - self.since


def test_none_is_stuck(roomy):
    """Half of the connections wait for what is computed, and are suspended meanwhile; the other half need not."""
    head = ("POST /v1/evaluations?scores=dice HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\n"
            f"Content-Length: {len(SMALL)}\r\n\r\n").encode()
    selector, times = selectors.DefaultSelector(), {head + SMALL: [], GET: []}
    requests, begun = list(times), time.monotonic()
    for i in range(BUSY):
        busy = Busy(roomy.port, requests[i % 2])
        selector.register(busy.sock, selectors.EVENT_READ, busy)
    while selector.get_map():
        ready = selector.select(10 * SLOW)
        assert ready, f"stuck: {len(selector.get_map())}"
        for busy in (key.data for key, _ in ready):
            seconds = busy.receive()
            if seconds is None:
                continue
            times[busy.request].append(seconds)
            if busy.left > 0:
                busy.send()
            else:
                selector.unregister(busy.sock)
                busy.sock.close()
    uploads, gets = times.values()
    print(f"\n{BUSY * TURNS} requests of {BUSY} connections in {time.monotonic() - begun:.1f} s: uploads took "
          f"{1e3 * statistics.mean(uploads):.1f} ms, at most {1e3 * max(uploads):.0f}; others "
          f"{1e3 * statistics.mean(gets):.1f} ms, at most {1e3 * max(gets):.0f}")
    assert len(uploads) == len(gets) == BUSY * TURNS // 2
    if not SHORT:
        assert max(uploads + gets) < 5
