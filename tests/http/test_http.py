"""test_http.py - the protocol: methods, statuses, headers, malformed requests on a raw socket."""

import contextlib
import re
import socket
import subprocess
import time

import pytest
import support
from support import (
    SLOW,
    eventually,
    frame,
    problem,
    read_all,
    responses,
    safetensors,
    small_file,
    softmax_case,
    zstd,
)

GOOD = small_file()
BYTES = "application/octet-stream"
PATHS = ["/healthz", "/livez", "/readyz", "/metrics", "/version", "/openapi.json", "/v1/scores", "/v1/runs"]


def head(target="/v1/evaluations", method="POST", version="HTTP/1.1", **headers):
    """A request head; a header that is None is left out."""
    fields = {"Host": "localhost", "Content-Type": BYTES, "Content-Length": len(GOOD)}
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    lines = [f"{method} {target} {version}"] + [f"{k}: {v}" for k, v in fields.items() if v is not None]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


# ------------------------------------------------------------------------------------------ methods and statuses


@pytest.mark.parametrize("path", PATHS)
def test_other_methods_are_405(server, path):
    for method in ("POST", "PUT", "PATCH", "OPTIONS", "DELETE"):
        answer = server.request(method, path)
        problem(answer, 405)
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}


def test_allow_names_what_a_path_takes(server):
    assert set(server.request("PUT", "/v1/evaluations").headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert set(server.request("POST", "/v1/runs/x").headers["Allow"].split(", ")) == {"DELETE", "GET", "HEAD"}
    for method in ("TRACE", "CONNECT", "BREW", "get"):
        ((status, headers, _),) = responses(
            server.raw(head("/healthz", method, Content_Length=None, Content_Type=None, Connection="close"))
        )
        assert status in (400, 405), method


@pytest.mark.parametrize(
    "path", ["/nowhere", "/v1", "/v1/", "/v1/runs/", "/v1/runs/x/y", "/healthz/", "/V1/runs", "/v2/runs"]
)
def test_404(server, path):
    problem(server.get(path), 404)
    answer = server.request("POST", path, GOOD, {"Content-Type": BYTES})
    problem(answer, 404)


@pytest.mark.parametrize("path", PATHS)
def test_head_is_get_without_a_body(server, path):
    get, answer = server.get(path), server.request("HEAD", path)
    assert (answer.status_code, answer.content) == (get.status_code, b"")
    assert answer.headers["Content-Type"] == get.headers["Content-Type"]
    if path != "/metrics":
        assert answer.headers["Content-Length"] == get.headers["Content-Length"]


def test_head_of_what_is_not_there(server):
    answer = server.request("HEAD", "/v1/runs/nowhere")
    assert (answer.status_code, answer.content) == (404, b"")


def test_unknown_parameters_of_every_route(server):
    for path in PATHS + ["/v1/runs/x", "/v1/runs/x/evaluations", "/v1/evaluations"]:
        problem(server.get(path, nonsense="1"), 400, param="nonsense")


def test_length_is_required(server):
    """411 without a length, also when the body is chunked."""
    for headers in ({}, {"Transfer_Encoding": "chunked"}):
        answer = responses(server.raw(head(Content_Length=None, **headers) + b"0\r\n\r\n"))
        assert answer[0][0] == 411 and b"content-length" in answer[0][2].lower()


def test_too_large(start):
    """413 at the headers, naming the limit; a body at the limit is taken."""
    server = start("--max-body", "1MiB", "--memory", "64MiB")
    document = problem(server.post(bytes(2**20 + 1)), 413)
    assert "1048576" in document["detail"]
    ((status, _, _),) = responses(server.raw(head(Content_Length=2**40)))
    assert status == 413
    probs, label = softmax_case(spatial=(248, 160))
    tensors = {"pred": probs, "label": label}
    padding = 2**20 - len(safetensors(tensors, {"x": ""}, pad=False))
    body = safetensors(tensors, {"x": "x" * padding}, pad=False)
    assert len(body) == 2**20
    assert server.score(body, scores="dice")["images"] == 2


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "multipart/form-data; boundary=x",
                                  "application/x-www-form-urlencoded", "application/octet", ""])
def test_media_types(server, kind):
    answer = server.request("POST", "/v1/evaluations", GOOD, {"Content-Type": kind})
    problem(answer, 415)
    assert set(answer.headers["Accept-Post"].split(", ")) == {"application/octet-stream", "application/x-safetensors"}


def test_missing_media_type(server):
    ((status, headers, _),) = responses(server.raw(head(Content_Type=None, Connection="close") + GOOD))
    assert status == 415 and "accept-post" in headers


@pytest.mark.parametrize("kind", ["application/octet-stream", "application/x-safetensors", "APPLICATION/Octet-Stream",
                                  "application/octet-stream; charset=binary"])
def test_media_types_that_are_taken(server, kind):
    assert server.request("POST", "/v1/evaluations", GOOD, {"Content-Type": kind}).status_code == 200


def test_codings_are_case_insensitive(server):
    for coding in ("zstd", "ZSTD", "Zstd"):
        assert server.post(zstd(GOOD), {"Content-Encoding": coding}).status_code == 200
    assert server.post(GOOD, {"Content-Encoding": "identity"}).status_code == 200


def test_body_on_get(server):
    for method, target in (("GET", "/healthz"), ("DELETE", "/v1/runs/x"), ("HEAD", "/healthz")):
        answer = server.raw(head(target, method, Content_Length=4, Content_Type=None, Connection="close") + b"body")
        assert answer.startswith(b"HTTP/1.1 400 "), method


# ------------------------------------------------------------------------------------------ headers of answers


def test_request_ids(server):
    """Every answer has its own; a valid traceparent gives the trace's, a malformed one is ignored."""
    ids = [server.get("/healthz").headers["X-Request-Id"] for _ in range(20)]
    assert len(set(ids)) == 20 and all(re.fullmatch("[0-9a-f]{32}", i) for i in ids)
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = server.request("GET", "/healthz", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    assert answer.headers["X-Request-Id"] == trace
    for bad in (f"00-{trace}", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"ff-{trace}-00f067aa0ba902b7-01",
                f"00-{trace.upper()}-00f067aa0ba902b7-01", "x" * 200):
        answer = server.request("GET", "/healthz", headers={"traceparent": bad})
        assert answer.headers["X-Request-Id"].lower() != trace
    assert server.get("/nowhere").json()["request_id"] not in ids


def test_the_log_has_one_line_per_request(server):
    identity = server.get("/v1/runs", limit="3").headers["X-Request-Id"]
    eventually(lambda: any(entry.get("request_id") == identity for entry in server.log))
    entry = next(entry for entry in server.log if entry.get("request_id") == identity)
    assert entry["status"] == 200 and entry["method"] == "GET"


def test_nothing_is_told_that_is_not_needed(server):
    """No Server version, no CORS; what is reflected is escaped and cannot be taken for a page."""
    answer = server.request("GET", "/v1/runs", headers={"Origin": "http://evil.example"})
    assert "Server" not in answer.headers
    assert not any(name.lower().startswith("access-control-") for name in answer.headers)
    answer = server.request("OPTIONS", "/v1/evaluations", headers={
        "Origin": "http://evil.example", "Access-Control-Request-Method": "POST"})
    assert not any(name.lower().startswith("access-control-") for name in answer.headers)
    answer = server.get("/v1/runs", **{'"<script>\\': "1"})
    assert answer.headers["Content-Type"] == "application/problem+json" and answer.json()["param"] == '"<script>\\'


def test_keep_alive(server):
    """Many requests over one connection, good and bad ones mixed; each gets its own answer."""
    connection = server.connect()
    for turn in range(5):
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b'{"status":"ok"}'
        connection.request("POST", f"/v1/evaluations?step={turn}&run=keep", GOOD, {"Content-Type": BYTES})
        answer = connection.getresponse()
        assert answer.status == 200 and answer.read()
        connection.request("POST", "/v1/evaluations", GOOD[:-1], {"Content-Type": BYTES})
        answer = connection.getresponse()
        assert answer.status == 400 and answer.read()
    connection.close()


def test_pipelined(server):
    one = head("/healthz", "GET", Content_Length=None, Content_Type=None)
    last = head("/version", "GET", Content_Length=None, Content_Type=None, Connection="close")
    answers = responses(server.raw(one * 5 + head() + GOOD + last))
    assert [status for status, _, _ in answers] == [200] * 7
    assert b'"scores"' in answers[5][2] and b'"version"' in answers[6][2]


# ------------------------------------------------------------------------------------------ Expect: 100-continue


def expect(server, **headers):
    """What arrives within half a second of a head that asks first."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=0.5 * SLOW) as sock:
        sock.sendall(head(Expect="100-continue", **headers))
        first = read_all(sock)
        if first.startswith(b"HTTP/1.1 100 "):
            sock.settimeout(10 * SLOW)
            sock.sendall(GOOD)
            with contextlib.suppress(OSError):  # the server may have answered and closed already
                sock.shutdown(socket.SHUT_WR)
            first += read_all(sock)
        return first


def test_continue(server):
    answer = expect(server, Connection="close")
    assert answer.startswith(b"HTTP/1.1 100 ") and answer.count(b"HTTP/1.1 200 ") == 1


@pytest.mark.parametrize("headers, status", [
    ({"Content_Type": "text/plain"}, 415), ({"Content_Encoding": "br"}, 415), ({"Content_Length": 2**50}, 413),
    ({"target": "/nowhere"}, 404), ({"target": "/healthz"}, 405), ({"target": "/v1/evaluations?task=x"}, 400),
    ({"target": "/v1/evaluations?nonsense=x"}, 400), ({"target": "/v1/evaluations?scores=dyce"}, 400),
])
def test_early_refusal(server, headers, status):
    """What can be known at the headers is answered there: no 100, and no body has to be sent."""
    answer = expect(server, **headers)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()) or (
        status == 415 and answer.startswith(b"HTTP/1.1 400 ")
    ), answer[:200]
    assert b"100 Continue" not in answer


# ------------------------------------------------------------------------------------------ hosts and versions

GET = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:{port}", "127.0.0.1", "127.0.0.1:{port}", "[::1]", "[::1]:{port}", "LOCALHOST"]
)
def test_hosts_of_loopback(server, host):
    request = GET.replace("localhost", host.format(port=server.port)) + "Connection: close\r\n\r\n"
    assert server.raw(request.encode()).startswith(b"HTTP/1.1 200 ")


def test_http_1_0(server):
    answer = server.raw(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert b" 200 " in answer.split(b"\r\n")[0] and answer.endswith(b'{"status":"ok"}')


# ------------------------------------------------------------------------------------------ starting


def test_listening_beyond_loopback_must_be_spelled_out(tmp_path):
    """Without tokens an open address is refused, naming the flag."""
    command = [support.BINARY, "serve", "--listen", "0.0.0.0:0", "--data", tmp_path]
    run = subprocess.run(command, stderr=subprocess.PIPE, timeout=20, check=False)
    assert run.returncode == 2 and b"insecure-open" in run.stderr


def test_port_that_is_taken(start, tmp_path):
    server = start()
    command = server.command()
    command[command.index("127.0.0.1:0")] = f"127.0.0.1:{server.port}"
    command[command.index(str(server.data))] = str(tmp_path)
    run = subprocess.run(command, stderr=subprocess.PIPE, timeout=20, check=False)
    assert run.returncode == 1 and str(server.port).encode() in run.stderr


def test_frame_is_what_the_format_says():
    """The helper of these tests writes what FORMAT.md describes: length, header, data."""
    assert frame("{}", b"x") == b"\x02\0\0\0\0\0\0\0{}x"
