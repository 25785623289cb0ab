"""test_limits.py - how many connections there may be, in all and of one address, and whose word about addresses counts."""

import socket
import subprocess

import pytest

import support
from support import SLOW, eventually


def is_open(sock):
    """Does the server answer on it?"""
    try:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return sock.recv(65536).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


def connect(running, host="127.0.0.1"):
    return socket.create_connection((host, running.port), timeout=10 * SLOW)


def refused(running, limit):
    return running.metrics()[f'maskmeter_http_connections_refused_total{{limit="{limit}"}}']


def test_too_many_are_closed_at_once_and_the_others_live(start):
    running = start("--max-connections", "5")
    assert running.get("/healthz").status_code == 200  # on a connection that is kept
    socks = [connect(running) for _ in range(4)]
    assert all(map(is_open, socks))
    for count in range(1, 30):
        with connect(running) as sock:
            assert not is_open(sock)
        assert refused(running, "all") == count
    assert all(map(is_open, socks))
    socks.pop().close()
    eventually(lambda: running.metrics()["maskmeter_http_connections"] == 4)
    with connect(running) as sock:
        assert is_open(sock)
    assert refused(running, "address") == 0
    for sock in socks:
        sock.close()


@pytest.fixture
def own_address():
    """An address of this machine that is not loopback; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has loopback alone")
        return sock.getsockname()[0]


def test_one_address_has_its_share(start, own_address):
    """Loopback may have all, another address what is set, by default a quarter; as a trusted proxy it may have all."""
    for arguments, share in [(["--max-connections-per-address", "3"], 3), (["--max-connections", "16"], 4)]:
        running = start("--listen", "0.0.0.0:0", "--insecure-open", *arguments)
        socks = [connect(running, own_address) for _ in range(share)]
        assert all(map(is_open, socks))
        with connect(running, own_address) as sock:
            assert not is_open(sock)
        assert refused(running, "address") == 1
        near = [connect(running) for _ in range(share + 3)]
        assert all(map(is_open, near + socks))
        socks.pop().close()
        eventually(lambda: is_open(connect(running, own_address)))
        for sock in near + socks:
            sock.close()
    running = start("--listen", "0.0.0.0:0", "--insecure-open", "--max-connections-per-address", "1",
                    "--trusted-proxies", f"{own_address}, 2001:db8::/32")
    socks = [connect(running, own_address) for _ in range(5)]
    assert all(map(is_open, socks))
    for sock in socks:
        sock.close()


def logged_address(running, *headers):
    before = len(running.log)
    lines = ["GET /version HTTP/1.1", "Host: localhost", *headers, "Connection: close"]
    [(status, _, _)] = support.responses(running.raw(("\r\n".join(lines) + "\r\n\r\n").encode()))
    assert status == 200
    eventually(lambda: any(line.get("route") == "/version" for line in running.log[before:]))
    return [line["address"] for line in running.log[before:] if line.get("route") == "/version"][0]


def test_nobody_is_believed_unless_trusted(start):
    running = start()
    assert logged_address(running, "X-Forwarded-For: 203.0.113.9") == "127.0.0.1"
    assert logged_address(running, "Forwarded: for=203.0.113.9") == "127.0.0.1"


def test_the_nearest_untrusted_address_is_the_client(start):
    running = start("--trusted-proxies", "127.0.0.0/8, 10.0.0.0/8, fd00::/8")
    for headers, address in [
        ([], "127.0.0.1"),
        (["X-Forwarded-For: 203.0.113.9"], "203.0.113.9"),
        (["x-forwarded-for: 203.0.113.9:4711"], "203.0.113.9"),
        (["X-Forwarded-For: [2001:db8::9]:4711"], "2001:db8::9"),
        (["X-Forwarded-For: 198.51.100.1, 203.0.113.9, 10.0.0.7"], "203.0.113.9"),
        # haproxy's `option forwardfor` adds a header of its own behind those of the client
        (["X-Forwarded-For: 198.51.100.1", "X-Other: a", "X-Forwarded-For: 203.0.113.9"], "203.0.113.9"),
        (["X-Forwarded-For: 203.0.113.9, 10.0.0.8", "X-Forwarded-For: 10.0.0.7"], "203.0.113.9"),
        (["X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: unknown"], "127.0.0.1"),
        (["X-Forwarded-For: 203.0.113.9, nonsense, 10.0.0.7"], "10.0.0.7"),
        (["X-Forwarded-For: fd00::1"], "fd00::1"),
        (["Forwarded: for=203.0.113.9"], "127.0.0.1"),
    ]:
        assert logged_address(running, *headers) == address, headers


@pytest.mark.parametrize("list", ["10.0.0.0/33", "10.0.0.1/8", "proxy.example", "10.0.0.0/8,,::1", "unix"])
def test_a_list_that_is_none_is_refused(tmp_path, list):
    done = subprocess.run([support.BINARY, "serve", "--data", tmp_path / "data", "--trusted-proxies", list],
                          capture_output=True, text=True, timeout=20 * SLOW)
    assert done.returncode == 2 and "trusted-proxies: " in done.stderr
