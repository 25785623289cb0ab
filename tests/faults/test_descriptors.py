"""test_descriptors.py - more clients than there are descriptors: accepting waits, what is open works, nothing spins."""

import os
import resource
import socket
import time

import pytest
import support
from support import SLOW, eventually, responses, small_file

GOOD = small_file()
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Narrow(support.Server):
    """A server that may open few descriptors."""

    def __init__(self, data, files):
        self.files = files
        super().__init__(data)

    def command(self):
        return ["prlimit", f"--nofile={self.files}:{self.files}", *super().command()]

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def check_rest(server, seconds):
    """For so long it takes less than 5 % of a processor."""
    begin, used = time.monotonic(), server.cpu()
    time.sleep(seconds)
    assert (server.cpu() - used) / (time.monotonic() - begin) < 0.05 * SLOW


@pytest.fixture
def narrow(tmp_path):
    server = Narrow(tmp_path, 64)
    yield server
    server.stop()


def test_more_clients_than_descriptors(narrow):
    """Those beyond wait or are turned away, at under 5 % of a processor; the store and the log go on; it recovers."""
    assert narrow.score(GOOD, scores="dice", run="before", step=1)["images"] == 2
    before = narrow.open_files()
    for _ in range(5):
        socks = [socket.create_connection(("127.0.0.1", narrow.port)) for _ in range(120)]
        time.sleep(0.3)
        check_rest(narrow, 1)
        answer = narrow.post(GOOD, scores="dice", run="during", step=1)  # over a connection from before
        assert answer.status_code == 200, answer.text
        assert narrow.log[-1]["event"] == "request"
        for sock in socks:
            sock.close()
        eventually(lambda: narrow.open_files() <= before, 3)
    with socket.create_connection(("127.0.0.1", narrow.port), timeout=5 * SLOW) as sock:
        sock.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert responses(support.read_all(sock))[0][0] == 200
    assert {row["run"] for row in narrow.get("/v1/runs").json()["runs"]} == {"before", "during"}


def limit(server, files):
    """From now on it may have so many descriptors; those beyond stay open."""
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (files, 64))


def test_no_descriptor_for_the_first_client(narrow):
    """Without a connection that could close, the one who waits is not asked for again and again; nor is he forgotten."""
    begun = narrow.open_files()
    limit(narrow, 8)
    with socket.create_connection(("127.0.0.1", narrow.port), timeout=5 * SLOW) as sock:
        sock.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        time.sleep(0.2)
        check_rest(narrow, 2)
        assert narrow.open_files() == begun
        limit(narrow, 64)
        assert responses(support.read_all(sock))[0][0] == 200


def test_no_descriptor_for_the_operator(narrow):
    """The socket for the operator of this machine waits in the same way, while others are connected."""
    assert narrow.get("/healthz").status_code == 200
    begun = narrow.open_files()
    limit(narrow, 8)
    with socket.socket(socket.AF_UNIX) as operator:
        operator.connect(str(narrow.data / "admin.sock"))
        operator.settimeout(5 * SLOW)
        operator.sendall(b"/list\n")
        time.sleep(0.2)
        check_rest(narrow, 2)
        assert narrow.open_files() == begun
        limit(narrow, 64)
        assert support.read_all(operator)
