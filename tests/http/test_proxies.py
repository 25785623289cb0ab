"""test_proxies.py - the haproxy and nginx of Debian with the files of deploy/: uploads, addresses, and requests that mean
two things, none of which may reach the server as a second request."""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time

import pytest

import support
from support import ROOT, SLOW, eventually
from test_tls import make_pair

pytestmark = pytest.mark.skipif(
    SLOW > 1 and bool(os.environ.get("MASKMETER_TEST_SHORT")), reason="proxies: tested once in short form"
)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def replace(text, *pairs):
    """Each old text must be there: a file of deploy/ that no longer says it is tested no longer."""
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


class Proxy:
    """A proxy in front of a server, on a port of its own, as its file in deploy/ says but for paths and ports."""

    def __init__(self, name, server, folder):
        self.name, self.server, self.folder, self.port = name, server, folder, free_port()
        cert, key = make_pair(folder, "localhost")
        self.context = ssl.create_default_context(cafile=cert)
        (folder / "both.pem").write_text(cert.read_text() + key.read_text())
        self.command = getattr(self, f"{name}_command")(cert, key)
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder)
        eventually(self.answers, 10)

    def haproxy_command(self, cert, key):
        text = replace(
            (ROOT / "deploy/haproxy/haproxy.cfg").read_text(),
            ("bind :443", f"bind 127.0.0.1:{self.port}"), ("/etc/haproxy/maskmeter.pem", str(self.folder / "both.pem")),
            ("127.0.0.1:8080", f"127.0.0.1:{self.server.port}"), ("log /dev/log local0", "log stdout format raw local0"),
            ("    user haproxy\n    group haproxy\n", ""),
        )
        (self.folder / "haproxy.cfg").write_text(text)
        return ["haproxy", "-db", "-f", self.folder / "haproxy.cfg"]

    def nginx_command(self, cert, key):
        text = replace(
            (ROOT / "deploy/nginx/nginx.conf").read_text(),
            ("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl"), ("        listen [::]:443 ssl;\n", ""),
            ("/etc/nginx/maskmeter.pem", str(cert)), ("/etc/nginx/maskmeter.key", str(key)),
            ("127.0.0.1:8080", f"127.0.0.1:{self.server.port}"), ("/run/nginx.pid", str(self.folder / "pid")),
            ("/var/log/nginx/", f"{self.folder}/"), ("worker_processes auto", "worker_processes 1; daemon off"),
            ("user www-data;", "user root;" if os.getuid() == 0 else ""),
            ("http {\n", "http {\n" + "".join(f"    {kind}_temp_path {self.folder}/{kind};\n" for kind in
                                              ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))),
        )
        (self.folder / "nginx.conf").write_text(text)
        return [shutil.which("nginx") or "/usr/sbin/nginx", "-c", self.folder / "nginx.conf", "-e",
                self.folder / "error.log"]

    def answers(self):
        assert self.process.poll() is None, self.process.stderr.read().decode()
        try:
            return self.ask(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")[0][0] == 200
        except (OSError, IndexError):
            return False

    def connect(self, source="127.0.0.1"):
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=10 * SLOW, source_address=(source, 0))
        return self.context.wrap_socket(sock, server_hostname="localhost")

    def ask(self, data, source="127.0.0.1", quiet=None):
        """The responses to some bytes, until the end, or until nothing has come for `quiet` seconds."""
        with self.connect(source) as sock:
            sock.settimeout(quiet or 10 * SLOW)
            try:
                sock.sendall(data)
            except OSError:
                pass  # refused before everything was read
            got = support.read_all(sock)
        return support.responses(got) if got.startswith(b"HTTP/1.") else [(0, {}, got)] * bool(got)

    def check(self):
        check = ["-c"] if self.name == "haproxy" else ["-t"]
        return subprocess.run([*self.command, *check], capture_output=True, text=True)

    def stop(self):
        self.process.terminate()
        self.process.wait(20 * SLOW)
        self.process.stderr.close()


@pytest.fixture(scope="module", params=["haproxy", "nginx"])
def proxy(request, tmp_path_factory):
    server = support.Server(tmp_path_factory.mktemp("data"), "--trusted-proxies", "127.0.0.1")
    made = Proxy(request.param, server, tmp_path_factory.mktemp(request.param))
    yield made
    made.stop()
    server.stop()


def seen(server):
    """How many requests of clients the server has logged, by route; the proxies' own looks left out."""
    counts = {}
    for line in list(server.log):
        if line["event"] == "request" and line["route"] != "/readyz":
            counts[line["route"]] = counts.get(line["route"], 0) + 1
    return counts


def request(method, target, *headers, body=b""):
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


# --------------------------------------------------------------------------------------- what must get through


def test_the_file_is_taken_without_a_warning(proxy):
    done = proxy.check()
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert not re.search("warn|alert|emerg", said, re.I), said


def test_upload_is_streamed_and_scored(proxy):
    """32 MiB; the server has most of it before the client has sent the rest."""
    body = support.small_file(images=4, classes=8, spatial=(512, 512))
    expected = support.bits(proxy.server.score(body))
    head = request("POST", "/v1/evaluations", "Content-Type: application/octet-stream", f"Content-Length: {len(body)}",
                   "Connection: close")
    with proxy.connect() as sock:
        sock.sendall(head + body[: len(body) // 2])
        eventually(lambda: proxy.server.metrics()["maskmeter_http_inflight_requests"] >= 2)
        sock.sendall(body[len(body) // 2 :])
        [(status, headers, text)] = support.responses(support.read_all(sock))
    assert status == 200
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert support.bits(json.loads(text)) == expected


def test_expect_is_answered(proxy):
    body = support.small_file()
    with proxy.connect() as sock:
        sock.sendall(request("POST", "/v1/evaluations", "Content-Type: application/octet-stream",
                             f"Content-Length: {len(body)}", "Expect: 100-continue", "Connection: close"))
        first = sock.recv(65536)
        assert first.startswith(b"HTTP/1.1 100 ")
        sock.sendall(body)
        rest = first + support.read_all(sock)
    assert [status for status, _, _ in support.responses(rest)] == [100, 200]


def test_too_large_is_refused_before_the_body(proxy):
    [(status, _, _)] = proxy.ask(request("POST", "/v1/evaluations", "Content-Type: application/octet-stream",
                                         f"Content-Length: {5 << 30}"), quiet=2 * SLOW)
    assert status == 413


def test_clients_address_reaches_the_log_and_cannot_be_chosen(proxy):
    for headers in (), ("X-Forwarded-For: 203.0.113.66",), ("Forwarded: for=203.0.113.66", "X-Forwarded-For: unknown"):
        before = len(proxy.server.log)
        proxy.ask(request("GET", "/version", *headers, "Connection: close"), source="127.0.0.9")
        eventually(lambda: any(line.get("route") == "/version" for line in proxy.server.log[before:]))
        [line] = [line for line in proxy.server.log[before:] if line.get("route") == "/version"]
        assert line["address"] == "127.0.0.9"


# ------------------------------------------------------------------------------------- what must not get through

SECOND = b"GET /v1/scores HTTP/1.1\r\nHost: localhost\r\n\r\n"  # which nothing else here asks for
CHUNKED = b"0\r\n\r\n"
POST = ("POST", "/v1/evaluations", "Content-Type: application/octet-stream")

# Of HOSTILE requests: what libmicrohttpd lets no application refuse, and ways to make two servers disagree.
HOSTILE = {
    "NUL in a value": request("GET", "/healthz", "X-A: b\0c"),
    "NUL in a name": request("GET", "/healthz", "X-\0A: b"),
    "NUL in a path": request("GET", "/health\0z"),
    "NUL in a path, then a second request": request("GET", "/healthz\0 HTTP/1.1\r\nHost: localhost\r\n\r\n") + SECOND,
    "empty name, then a second request": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n: x\r\n" + SECOND,
    "empty name alone": b"GET /healthz HTTP/1.1\r\n: x\r\n" + SECOND,
    "bare LF in chunk lines": request(*POST, "Transfer-Encoding: chunked", body=b"1\nx\n0\n\n" + SECOND),
    "bare LF after a size": request(*POST, "Transfer-Encoding: chunked", body=b"0\n\r\n" + SECOND),
    "bare LF in the header": b"GET /healthz HTTP/1.1\nHost: localhost\nContent-Length: %d\n\n" % len(SECOND) + SECOND,
    "bare CR in a value": request("GET", "/healthz", "X-A: b\rContent-Length: 44"),
    "chunk extension over any buffer": request(*POST, "Transfer-Encoding: chunked",
                                               body=b"1;" + b"a" * 200000 + b"\r\nx\r\n" + CHUNKED + SECOND),
    "malformed length": request(*POST, "Content-Length: 4x", body=SECOND),
    "length with a sign": request(*POST, f"Content-Length: +{len(SECOND)}", body=SECOND),
    "negative length": request(*POST, "Content-Length: -1", body=SECOND),
    "hexadecimal length": request(*POST, "Content-Length: 0x2c", body=SECOND),
    "length beyond 64 bits": request(*POST, "Content-Length: 18446744073709551660", body=SECOND),
    "list of lengths": request(*POST, f"Content-Length: 0, {len(SECOND)}", body=SECOND),
    "two spaces in the request line": b"GET  /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "spaces behind the target": b"GET /healthz  HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "tab in the request line": b"GET\t/healthz\tHTTP/1.1\r\nHost: localhost\r\n\r\n",
    "CL.TE": request(*POST, f"Content-Length: {len(CHUNKED + SECOND)}", "Transfer-Encoding: chunked",
                     body=CHUNKED + SECOND),
    "TE.CL": request(*POST, "Transfer-Encoding: chunked", "Content-Length: 4",
                     body=b"%x\r\n" % len(SECOND) + SECOND + b"\r\n" + CHUNKED),
    "two lengths": request(*POST, "Content-Length: 0", f"Content-Length: {len(SECOND)}", body=SECOND),
    "two lengths, the other way": request(*POST, f"Content-Length: {len(SECOND)}", "Content-Length: 0", body=SECOND),
    "TE with a space": request(*POST, "Transfer-Encoding : chunked", f"Content-Length: {len(CHUNKED + SECOND)}",
                               body=CHUNKED + SECOND),
    "TE with a tab": request(*POST, "Transfer-Encoding:\tchunked", f"Content-Length: {len(CHUNKED + SECOND)}",
                             body=CHUNKED + SECOND),
    "TE with a vertical tab": request(*POST, "Transfer-Encoding: \x0bchunked",
                                      f"Content-Length: {len(CHUNKED + SECOND)}", body=CHUNKED + SECOND),
    "TE of two codings": request(*POST, "Transfer-Encoding: gzip, chunked", "Content-Length: 4",
                                 body=CHUNKED + SECOND),
    "TE identity": request(*POST, "Transfer-Encoding: identity", "Content-Length: 0", body=SECOND),
    "two TE": request(*POST, "Transfer-Encoding: chunked", "Transfer-Encoding: x", "Content-Length: 4",
                      body=CHUNKED + SECOND),
    "TE in HTTP/1.0": request(*POST, "Transfer-Encoding: chunked", "Content-Length: 4",
                              body=CHUNKED + SECOND).replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "folded header": request(*POST, "X-A: b", " Content-Length: 0", f"Content-Length: {len(SECOND)}", body=SECOND),
    "folded name": request(*POST, "Transfer-: chunked", " Encoding", f"Content-Length: {len(CHUNKED + SECOND)}",
                           body=CHUNKED + SECOND),
    "length with a space in the name": request(*POST, f"Content-Length : {len(SECOND)}", body=SECOND),
    "length on a GET": request("GET", "/healthz", f"Content-Length: {len(SECOND)}", body=SECOND),
    "line break by percent in the target": request("GET", "/healthz%0d%0aContent-Length:%2044%0d%0a"),
    "second request in the target": request("GET", "/healthz%20HTTP/1.1%0d%0aHost:%20x%0d%0a%0d%0aGET%20/v1/scores"),
    "absolute target": request("GET", "http://localhost/healthz"),
    "no Host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two Hosts": request("GET", "/healthz", "Host: other"),
    "HTTP/0.9": b"GET /healthz\r\n",
    "upgrade to h2c": request("GET", "/healthz", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
                              "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
    "CONNECT": b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "header that the connection drops": request(*POST, "Connection: Content-Length",
                                                f"Content-Length: {len(SECOND)}", body=SECOND),
    "underscore for a dash": request(*POST, f"Content_Length: {len(SECOND)}", "Content-Length: 0"),
}



@pytest.mark.parametrize("kind", HOSTILE)
def test_one_request_is_never_two(proxy, kind):
    """At most one answer, the server has seen at most one request, and the next client gets its own answer."""
    before = seen(proxy.server)
    answers = [answer for answer in proxy.ask(HOSTILE[kind], quiet=0.4 * SLOW) if answer[0] != 100]
    assert len(answers) <= 1, answers
    assert b'"scores"' not in b"".join(body for _, _, body in answers)
    for _ in range(3):  # also on the connections to the server that are kept
        [(status, _, text)] = proxy.ask(request("GET", "/healthz", "Connection: close"))
        assert (status, text) == (200, b'{"status":"ok"}')
    eventually(lambda: seen(proxy.server).get("/healthz", 0) >= before.get("/healthz", 0) + 3)
    time.sleep(0.02)
    after = seen(proxy.server)
    assert after.get("/v1/scores", 0) == before.get("/v1/scores", 0)
    assert sum(after.values()) - sum(before.values()) - 3 <= 1, (before, after)
