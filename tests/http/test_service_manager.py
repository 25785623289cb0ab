"""test_service_manager.py - serve as systemd starts it: a socket that is handed over, notices of state, the watchdog."""

import fcntl
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import time

import pytest
import support
from support import SLOW, eventually

# What systemd does between fork and exec: the socket becomes descriptor 3, and the process learns that it is meant.
HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = sys.argv[2] if sys.argv[2] != "own" else str(os.getpid())
os.execv(sys.argv[3], sys.argv[3:])
"""


class Notices:
    """The manager's end: (time, lines) of each notice, in the order of their coming."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.env = {"NOTIFY_SOCKET": str(path)}

    def next(self, seconds=10):
        """{name: value} of the next notice."""
        self.socket.settimeout(seconds * SLOW)
        text = self.socket.recv(4096).decode()
        return dict(line.split("=", 1) for line in text.split("\n"))

    def until(self, name):
        while True:
            notice = self.next()
            if name in notice:
                return notice

    def waiting(self):
        """How many notices have come that nobody has read; they are read now."""
        count = 0
        while select.select([self.socket], [], [], 0)[0]:
            self.socket.recv(4096)
            count += 1
        return count


@pytest.fixture
def notices(tmp_path):
    listening = Notices(tmp_path / "notify")
    yield listening
    listening.socket.close()


class Activated(support.Server):
    """Starts with a socket of ours as its descriptor 3."""

    def __init__(self, data, given, *args, count=1, pid="own", **kwargs):
        self.given, self.pid, self.inherits = given, pid, [given.fileno()]
        super().__init__(data, *args, env={"LISTEN_FDS": str(count), **kwargs.pop("env", {})}, **kwargs)

    def command(self):
        return [sys.executable, "-c", HAND_OVER, str(self.given.fileno()), self.pid, *super().command()]

    def refusal(self):
        """(exit code, what it says) of a start that is refused."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("MASKMETER_")}
        done = subprocess.run(self.command(), env={**clean, **self.env}, pass_fds=self.inherits, text=True,
                              capture_output=True, timeout=30 * SLOW, check=False)
        return done.returncode, done.stderr


def listening(address="127.0.0.1", family=socket.AF_INET):
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.bind((address, 0))
    sock.listen(16)
    return sock


# ------------------------------------------------------------------------------------------------ the socket


def test_a_socket_that_is_handed_over_wins(tmp_path):
    """A client that came before the server was there is answered: nothing is lost while it starts again."""
    with listening() as given, socket.create_connection(given.getsockname()) as early:
        early.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        for _ in range(2):
            server = Activated(tmp_path, given, "--listen", "127.0.0.1:1")
            assert server.port == given.getsockname()[1]
            assert server.get("/healthz").status_code == 200
            server.stop()
        early.settimeout(10 * SLOW)
        assert early.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_the_rule_of_loopback_holds_for_it(tmp_path):
    with listening("0.0.0.0") as given:
        code, text = Activated(tmp_path, given, start=False).refusal()
        assert code != 0 and "loopback" in text and "0.0.0.0" in text
        server = Activated(tmp_path, given, "--insecure-open")
        assert server.get("/healthz").status_code == 200
        server.stop()
    with listening() as given:
        server = Activated(tmp_path, given)
        assert server.request("GET", "/healthz", headers={"Host": "example.org"}).status_code == 403
        server.stop()


def test_what_was_meant_for_another_process_is_left_alone(tmp_path):
    with listening() as given:
        server = Activated(tmp_path, given, pid=str(os.getpid()))
        assert server.port != given.getsockname()[1]
        server.stop()


@pytest.mark.parametrize("kind, says", [
    ("datagram", "TCP"), ("local", "TCP"), ("silent", "does not listen"), ("file", "not a socket"), ("two", "more than one"),
])
def test_other_things_are_refused(tmp_path, kind, says):
    make = {
        "datagram": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "local": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
        "silent": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "file": lambda: open(tmp_path / "file", "wb"),
        "two": listening,
    }
    with make[kind]() as given:
        code, text = Activated(tmp_path, given, start=False, count=2 if kind == "two" else 1).refusal()
        assert code == 2 and says in text


# ---------------------------------------------------------------------------------------------------- notices


def test_its_states_are_told_in_order(tmp_path, notices):
    server = support.Server(tmp_path / "data", "--drain-delay", "3", "--drain-timeout", "7", env=notices.env)
    notice = notices.next()
    assert notice == {"READY": "1", "STATUS": f"serving on 127.0.0.1:{server.port}"}
    assert server.get("/readyz").status_code == 200
    before = time.clock_gettime(time.CLOCK_MONOTONIC)
    server.signal(signal.SIGHUP)
    notice = notices.next()
    assert notice["RELOADING"] == "1"
    assert before <= int(notice["MONOTONIC_USEC"]) * 1e-6 <= time.clock_gettime(time.CLOCK_MONOTONIC)
    assert notices.next()["READY"] == "1"
    server.signal(signal.SIGTERM)
    notice = notices.next()
    assert notice["STOPPING"] == "1" and notice["STATUS"] == "draining"
    assert int(notice["EXTEND_TIMEOUT_USEC"]) >= (3 + 7) * 1_000_000
    assert server.wait() == 0
    assert notices.waiting() == 0


def test_nobody_is_told_before_it_serves(tmp_path, notices):
    """A start that fails was never ready."""
    (tmp_path / "file").write_text("")
    done = subprocess.run([support.BINARY, "serve", "--listen", "127.0.0.1:0", "--data", tmp_path / "file"],
                          env={**os.environ, **notices.env}, capture_output=True, timeout=30 * SLOW, check=False)
    assert done.returncode == 1 and notices.waiting() == 0


@pytest.mark.parametrize("name", ["", "nonsense", "/nonexistent/socket", "@nobody-listens-here", "/" + "x" * 200])
def test_a_manager_that_is_not_there_changes_nothing(tmp_path, name):
    server = support.Server(tmp_path, env={"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "100000"})
    assert server.get("/healthz").status_code == 200
    server.stop()


# --------------------------------------------------------------------------------------------------- watchdog

LIMIT = max(0.4 * SLOW, 1.2)  # seconds


def test_the_watchdog_is_kept_quiet_by_the_turning_loop(tmp_path, notices):
    """More often than it asks for, also while nobody asks the server anything, and while it drains."""
    env = {**notices.env, "WATCHDOG_USEC": str(int(LIMIT * 1e6))}
    server = support.Server(tmp_path / "data", "--drain-delay", str(int(2 * LIMIT) + 1), env=env)
    notices.until("WATCHDOG")
    began = time.monotonic()
    for _ in range(4):
        notices.until("WATCHDOG")
    assert time.monotonic() - began < 4 * LIMIT
    server.signal(signal.SIGTERM)
    notices.until("STOPPING")
    notices.until("WATCHDOG")
    assert server.wait() == 0


def test_a_loop_that_is_stuck_is_silent(tmp_path, notices):
    """The process lives, and its other threads go on, but nobody reads its log: the loop waits in write()."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("MASKMETER_")}
    env |= {**notices.env, "WATCHDOG_USEC": str(int(LIMIT * 1e6))}
    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096)
    process = subprocess.Popen([support.BINARY, "serve", "--listen", "127.0.0.1:0", "--data", tmp_path / "data"], env=env,
                               stderr=theirs)
    os.close(theirs)
    try:
        port = int(notices.until("READY")["STATUS"].rsplit(":", 1)[1])
        asking = socket.create_connection(("127.0.0.1", port))
        asking.settimeout(LIMIT)
        with pytest.raises(TimeoutError):
            while True:
                asking.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                asking.recv(4096)
        notices.waiting()
        time.sleep(3 * LIMIT)
        assert notices.waiting() == 0 and process.poll() is None
        os.set_blocking(ours, False)
        drained = queue.SimpleQueue()

        def pings_again():
            try:
                drained.put(os.read(ours, 65536))
            except BlockingIOError:
                pass
            return notices.waiting() > 0

        eventually(pings_again)
        assert not drained.empty()
        asking.close()
    finally:
        process.kill()
        process.wait()
        os.close(ours)
