"""test_tokens.py - tokens from the command line to the log: made, listed, revoked at once, asked for where they must be,
limited per address, never told."""

import base64
import concurrent.futures
import datetime
import json
import os
import pathlib
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import time
import zlib

import numpy as np
import pytest
import tokens
from support import BINARY, PATIENCE, SLOW, Server, eventually, problem, responses, safetensors, small_file
from test_scopes import ask
from tokens import bearer, command, create, identity, listed

GOOD = small_file()
BODY = {"Content-Type": "application/octet-stream"}


def status_of(server, token, path="/v1/runs"):
    return server.request("GET", path, headers=bearer(token)).status_code


def serve(*args, env=None):
    """A start that must fail: (exit code, stderr)."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MASKMETER_")}
    done = subprocess.run([str(BINARY), "serve", *map(str, args)], capture_output=True, text=True,
                          env={**clean, **(env or {})}, timeout=30 * SLOW)
    return done.returncode, done.stderr


# --------------------------------------------------------------------------------------------------- command line


def test_life_of_a_token_without_a_server(tmp_path):
    data = tmp_path / "new"  # made by the first create
    done = command(data, "create", "--scope=read,ingest", "--project", "liver", "--label=weekly é", "--expires", "90d")
    token = done.stdout.strip()
    assert token not in done.stderr and identity(token) in done.stderr
    row = listed(data)[identity(token)]
    assert row["scopes"] == "ingest,read" and row["project"] == "liver" and row["label"] == "weekly é"
    assert row["state"] == "live" and row["used"] is None and row["revoked"] is None
    days = (as_seconds(row["expires"]) - as_seconds(row["created"])) / 86400
    assert days == pytest.approx(90, abs=1e-6)
    command(data, "revoke", identity(token))
    row = listed(data)[identity(token)]
    assert row["state"] == "revoked" and row["revoked"]
    assert not (data / "admin.sock").exists()
    for file in data.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600 and token[11:54].encode() not in file.read_bytes()


def as_seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def test_the_list_lines_up(tmp_path):
    create(tmp_path, "read", "--label", "héé", "--project", "p")
    create(tmp_path, "admin", "--label", "x", "--project", "longer-name", "--expires", "2040-01-01T00:00:00Z")
    lines = command(tmp_path, "list").stdout.splitlines()
    assert len(lines) == 3 and "\x1b" not in "".join(lines)
    for title in ("ID", "SCOPES", "PROJECT", "STATE", "CREATED", "EXPIRES", "USED", "LABEL"):
        at = lines[0].index(title)
        assert all(line[at] != " " and (at == 0 or line[at - 1] == " ") for line in lines), title


def test_an_empty_list(tmp_path):
    done = command(tmp_path, "list")
    assert done.stdout == "" and "no tokens" in done.stderr
    assert json.loads(command(tmp_path, "list", "--json").stdout) == {"tokens": []}


@pytest.mark.parametrize(("args", "code", "words"), [
    ((), 2, "must be create, list or revoke"),
    (("make",), 2, "must be create, list or revoke"),
    (("create",), 2, "--scope"),
    (("create", "--scope"), 2, "value is missing"),
    (("create", "--scope", "write"), 1, "scope: must be one or more of ingest,read,admin"),
    (("create", "--scope", "read", "--scope", "read"), 2, "given twice"),
    (("create", "--scope", "read", "more"), 2, "is too much"),
    (("create", "--scope", "read", "--colour", "red"), 2, "no such flag"),
    (("create", "--scope", "read", "--project", "a,b"), 1, "project"),
    (("create", "--scope", "read", "--project", ""), 1, "project"),
    (("create", "--scope", "read", "--project", "x" * 257), 1, "project"),
    (("create", "--scope", "read", "--label", "a\nb"), 2, "control character"),
    (("create", "--scope", "read", "--expires", "soon"), 1, "expires: must be like 90d"),
    (("create", "--scope", "read", "--expires", "0d"), 1, "future"),
    (("create", "--scope", "read", "--expires", "2020-01-01T00:00:00Z"), 1, "future"),
    (("create", "--scope", "read", "--expires", "9999999d"), 1, "expires"),
    (("list", "--scope", "read"), 2, "for create only"),
    (("revoke",), 2, "which token"),
    (("revoke", "mm_00000000"), 1, "no such token"),
    (("revoke", "nonsense"), 1, "no such token"),
])
def test_wrong_usage(tmp_path, args, code, words):
    folder = ("--data", str(tmp_path)) if args else ()
    done = subprocess.run([str(BINARY), "token", *args[:1], *folder, *args[1:]], capture_output=True,
                          text=True, timeout=30 * SLOW)
    assert done.returncode == code and words in done.stderr, done.stderr
    assert done.stdout == ""


def test_help_names_everything():
    done = subprocess.run([str(BINARY), "token", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    for word in ("create", "list", "revoke", "--scope", "--project", "--label", "--expires", "--data", "--json"):
        assert word in done.stdout


def test_lists_of_a_directory_that_is_not_there(tmp_path):
    done = command(tmp_path / "nowhere", "list", code=1)
    assert "there is no directory" in done.stderr and not (tmp_path / "nowhere").exists()


# ---------------------------------------------------------------------------------------------- a running server


def test_changes_hold_at_once(start):
    """An open server closes with its first token; what is revoked is refused, on a connection that is open too."""
    server = start()
    assert status_of(server, None) == 200
    assert status_of(server, "mm_anything") == 200, "a token that is sent to an open server is ignored"
    token = create(server.data)
    assert status_of(server, None) == 401 and status_of(server, token) == 200
    assert server.get("/").status_code == server.get("/healthz").status_code == server.get("/readyz").status_code == 200
    second = create(server.data, "read")
    command(server.data, "revoke", identity(token))
    assert status_of(server, token) == 401 and status_of(server, second) == 200
    command(server.data, "revoke", identity(second))
    assert status_of(server, None) == 401, "a server whose tokens are all revoked is not open again"


def test_tokens_survive_a_restart_and_a_kill(start):
    server = start()
    token, gone = create(server.data), create(server.data)
    command(server.data, "revoke", identity(gone))
    server.kill()
    assert (server.data / "admin.sock").exists(), "what a killed server leaves behind"
    third = create(server.data, "read")  # by the store itself: nobody listens there
    server.start()
    assert [status_of(server, t) for t in (token, gone, third)] == [200, 401, 200]
    assert create(server.data), "the new server took the place of the old socket"


def test_last_use_is_noted_and_stored(start):
    server = start()
    token = create(server.data)
    assert listed(server.data)[identity(token)]["used"] is None
    assert status_of(server, token) == 200
    first = listed(server.data)[identity(token)]["used"]
    time.sleep(0.01)
    status_of(server, token)
    assert first and listed(server.data)[identity(token)]["used"] > first
    server.stop()
    assert listed(server.data)[identity(token)]["used"] == first, "stored once in five minutes"


def test_expiry(start):
    server = start()
    end = int(time.time() + 3 * SLOW)
    token = create(server.data, "read", "--expires", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end)))
    if time.time() < end - 0.5:
        assert status_of(server, token) == 200
    time.sleep(max(0.0, end + 0.05 - time.time()))
    assert problem(server.request("GET", "/v1/runs", headers=bearer(token)), 401)["detail"] == "the token has expired"
    assert listed(server.data)[identity(token)]["state"] == "expired"


def test_many_at_once(start):
    """Sixteen creations and as many uploads side by side: all tokens are different, and all of them work."""
    server = start()
    first = create(server.data)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: create(server.data), range(16)))
    assert len(set(made)) == 16 and len(listed(server.data)) == 17
    assert {status_of(server, token) for token in [first, *made]} == {200}


def test_guests_of_the_socket(start):
    """Its mode; lines without an end, endless lines, nonsense, silence: none hurts, and none is kept for ever."""
    server = start()
    path = server.data / "admin.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_ISSOCK(path.stat().st_mode)

    def say(data, timeout=10):
        with socket.socket(socket.AF_UNIX) as guest:
            guest.settimeout(timeout * SLOW)
            guest.connect(str(path))
            guest.sendall(data)
            out = b""
            while piece := guest.recv(65536):
                out += piece
            return out

    assert b"error" in say(b"nonsense\n") and b"error" in say(b"/create?scope=%zz\n") and b"error" in say(b"\n")
    assert say(b"x" * 4096) == b""
    assert b"error" in say(b"/list?x=1&x=2\n")
    assert json.loads(say(b"/list\n/create?scope=read\n")) == {"tokens": []}, "one request for each connection"
    began = time.monotonic()
    assert say(b"/list") == b"" and time.monotonic() - began < 8 * PATIENCE
    idle = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    for guest in idle:
        guest.connect(str(path))
    assert server.get("/healthz").status_code == 200
    for guest in idle:
        guest.close()
    eventually(lambda: b"tokens" in say(b"/list\n"))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_only_the_owner_is_let_in(start):
    server = start()
    os.chmod(server.data / "admin.sock", 0o666)
    for folder in [server.data, *server.data.parents]:
        if folder == pathlib.Path("/"):
            break
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    script = ("import os, socket, sys; os.setgid(65534); os.setuid(65534); s = socket.socket(socket.AF_UNIX);"
              "s.connect(sys.argv[1]); s.settimeout(20)\n"
              "try:\n s.sendall(b'/list\\n'); print(s.recv(99))\nexcept OSError: print(b'')")
    done = subprocess.run(["/usr/bin/python3", "-c", script, str(server.data / "admin.sock")], capture_output=True,
                          text=True, timeout=60 * SLOW)
    assert done.stdout.strip() == "b''", (done.stdout, done.stderr)
    assert server.get("/v1/runs").status_code == 200


def test_a_path_too_long_for_a_socket(tmp_path):
    data = tmp_path / ("long" * 30) / ("longer" * 20)
    data.mkdir(parents=True)
    server = Server(data)
    token = create(data)
    assert status_of(server, None) == 401 and status_of(server, token) == 200
    server.stop()


# --------------------------------------------------------------------------------------------------------- starting


def test_beyond_loopback_only_with_a_live_token(tmp_path):
    """Refused without one, with the command that makes one, which then works as it was printed."""
    data = tmp_path / "data"
    code, words = serve("--listen", "0.0.0.0:0", "--data", data)
    assert code == 2
    line = re.search(r"^ +maskmeter (token create .*)$", words, flags=re.MULTILINE).group(1)
    assert line == f"token create --data {data} --scope admin,ingest,read"
    gone = create(data)
    command(data, "revoke", identity(gone))
    assert serve("--listen", "0.0.0.0:0", "--data", data)[0] == 2, "a revoked token lets nobody in"
    made = subprocess.run([str(BINARY), *line.split()], capture_output=True, text=True, timeout=30 * SLOW)
    server = Server(data, "--listen", "0.0.0.0:0")
    assert status_of(server, None) == 401 and status_of(server, made.stdout.strip()) == 200
    server.stop()


def test_insecure_open_still_asks_once_there_is_a_token(tmp_path):
    server = Server(tmp_path, "--listen", "0.0.0.0:0", "--insecure-open")
    assert status_of(server, None) == 200
    create(tmp_path)
    assert status_of(server, None) == 401
    server.stop()


def test_bootstrap_file(tmp_path):
    file, data = tmp_path / "secret", tmp_path / "data"
    for _ in range(2):  # the second start finds it and knows it
        server = Server(data, "--listen", "0.0.0.0:0", env={"MASKMETER_BOOTSTRAP_TOKEN_FILE": str(file)})
        token = file.read_text().strip()
        assert tokens.FORM.fullmatch(token) and stat.S_IMODE(file.stat().st_mode) == 0o600
        row = listed(data)
        assert list(row) == [identity(token)] and row[identity(token)]["scopes"] == "ingest,read,admin"
        assert row[identity(token)]["project"] == "default" and row[identity(token)]["label"] == "bootstrap"
        assert status_of(server, token) == 200 and status_of(server, None) == 401
        server.stop()
    # Another store takes the token of the file; an empty file gets one.
    server = Server(tmp_path / "other", "--bootstrap-token-file", str(file))
    assert status_of(server, token) == 200
    server.stop()
    file.write_text("")
    server = Server(tmp_path / "third", "--bootstrap-token-file", str(file))
    assert status_of(server, token) == 401 and status_of(server, file.read_text().strip()) == 200
    command(tmp_path / "third", "revoke", identity(file.read_text()))
    server.stop()
    server.start()
    assert status_of(server, file.read_text().strip()) == 401, "what was revoked stays so"
    server.stop()


@pytest.mark.parametrize(("content", "mode", "words"), [
    (None, 0o644, "its mode is 0644"), (None, 0o660, "its mode is 0660"), ("nonsense", 0o600, "does not hold one token"),
    ("cut", 0o600, "does not hold one token"), ("folder", 0o700, "it is not a file"),
])
def test_bootstrap_files_that_are_refused(tmp_path, content, mode, words):
    file, token = tmp_path / "secret", create(tmp_path / "elsewhere")
    if content == "folder":
        file.mkdir()
    else:
        file.write_text({None: token, "cut": token[:-1]}.get(content, content))
    file.chmod(mode)
    code, said = serve("--data", tmp_path / "data", "--bootstrap-token-file", file)
    assert code == 1 and "bootstrap-token-file: " in said and words in said
    assert token[11:] not in said and token[11:-1] not in said


def test_a_bootstrap_token_of_a_known_id_with_another_secret(tmp_path):
    file = tmp_path / "secret"
    file.write_text(create(tmp_path / "a"))
    file.chmod(0o600)
    with sqlite3.connect(tmp_path / "a" / "maskmeter.db") as db:
        db.execute("UPDATE tokens SET digest = zeroblob(32)")
    code, said = serve("--data", tmp_path / "a", "--bootstrap-token-file", file)
    assert code == 1 and "there is another token " + identity(file.read_text()) in said


# --------------------------------------------------------------------------------------------------------- requests


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server that asks for tokens."""
    data = tmp_path_factory.mktemp("guarded")
    server = Server(data)
    server.token = create(data)
    yield server
    server.stop()


@pytest.mark.parametrize(("value", "status"), [
    ("Bearer {}", 200), ("bearer {}", 200), ("BEARER {}", 200), ("Bearer  {}", 401), ("Bearer\t{}", 401), ("Bearer", 401),
    ("Bearer ", 401), ("{}", 401), ("Basic {}", 401), ("Token {}", 401), ("Bearer {}x", 401), ("Bearer {},{}", 401),
    ('Bearer "{}"', 401), ("Bearer {} {}", 401), ("", 401),
])
def test_forms_of_the_header(guarded, value, status):
    text = value.replace("{}", guarded.token)
    answer = ask(guarded, "GET", "/v1/runs", None, headers={"Authorization": text})
    assert answer.status_code == status, answer.text


def test_two_authorization_headers(guarded):
    line = f"Authorization: Bearer {guarded.token}\r\n"
    head = f"GET /v1/runs HTTP/1.1\r\nHost: localhost\r\n{line}{line}\r\n"
    assert [status for status, _, _ in responses(guarded.raw(head.encode()))] == [400]


@pytest.mark.parametrize("kind", ["none", "unknown", "malformed", "revoked"])
def test_before_the_body_is_sent(guarded, kind):
    """Expect: 100-continue is answered by 401, and by no 100; the body is never asked for."""
    revoked = create(guarded.data)
    command(guarded.data, "revoke", identity(revoked))
    other = create(guarded.data.parent / "elsewhere")
    line = {"none": "", "unknown": f"Authorization: Bearer {other}\r\n", "malformed": "Authorization: Bearer mm_\r\n",
            "revoked": f"Authorization: Bearer {revoked}\r\n"}[kind]
    for length in (1000, 10**7):
        head = (f"POST /v1/evaluations HTTP/1.1\r\nHost: localhost\r\n{line}Content-Type: application/octet-stream\r\n"
                f"Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n")
        (status, headers, _), = responses(guarded.raw(head.encode(), timeout=2))
        assert status == 401 and headers["www-authenticate"] == 'Bearer realm="maskmeter"'


def test_a_body_that_comes_anyway_is_not_scored(guarded):
    answer = ask(guarded, "POST", "/v1/evaluations", None, GOOD, BODY, run="sneaked", step="1")
    assert answer.status_code == 401
    assert guarded.request("GET", "/v1/runs/sneaked", headers=bearer(guarded.token)).status_code == 404


def test_unknown_and_wrong_secret_look_the_same(guarded):
    """A right id with another secret is told as an id that nobody has."""
    forged = forge(identity(guarded.token), b"\1" * 32)
    nobody = forge("mm_00000000", b"\1" * 32)
    answers = [ask(guarded, "GET", "/v1/runs", token) for token in (forged, nobody)]
    assert answers[0].json()["detail"] == answers[1].json()["detail"]
    assert {answer.status_code for answer in answers} == {401}


def forge(id_text, secret):
    """A well-formed token, as the header of server/tokens.h describes it."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    text = id_text + base64.urlsafe_b64encode(secret).decode().rstrip("=")
    number, check = zlib.crc32(text.encode()), ""
    for _ in range(6):
        check = digits[number % 62] + check
        number //= 62
    return text + check


def test_host_names_are_free_once_tokens_protect(guarded, start):
    """Without tokens only the names of this machine are taken, against pages that rebind theirs; with tokens such a page
    has none, and a proxy sends its own name."""
    foreign = {"Host": "lab.example"}
    assert start().request("GET", "/v1/runs", headers=foreign).status_code == 403
    assert guarded.request("GET", "/v1/runs", headers=bearer(guarded.token, **foreign)).status_code == 200
    assert ask(guarded, "GET", "/v1/runs", None, headers=foreign).status_code == 401


# ------------------------------------------------------------------------------------------------------------ limits


def test_bad_tokens_are_limited_by_address(start):
    """Ten thousand of them: 429 after twenty, with Retry-After, counted; whoever came from there before goes on, and so
    do others elsewhere."""
    count = 1_000 if os.environ.get("MASKMETER_TEST_SHORT") or SLOW > 1 else 10_000
    server = start()
    known, late = create(server.data), create(server.data)
    assert status_of(server, known) == 200
    session, statuses = server.connect_session(), []
    waits = set()
    for i in range(count):
        bad = forge(f"mm_{i:08d}", i.to_bytes(32, "big"))
        answer = session.get(server.url + "/v1/runs", headers=bearer(bad))
        statuses.append(answer.status_code)
        waits.add(int(answer.headers.get("Retry-After", 0)))
    session.close()
    assert statuses[:20] == [401] * 20
    limited = statuses.count(429)
    assert set(statuses[20:]) <= {401, 429} and statuses.count(401) <= 20 * (1 + len(waits) // 50 + count // 5000)
    assert max(waits) <= 180 and statuses[20] == 429  # spread, so that not all come back at once
    assert status_of(server, known) == 200, "a token that came from there before is still looked at"
    answer = server.request("GET", "/v1/runs", headers=bearer(late))
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) > 0
    assert ask(server, "GET", "/v1/runs", late).status_code == 200, "another address is unharmed"
    assert server.get("/healthz").status_code == 200
    metrics = server.request("GET", "/metrics", headers=bearer(known)).text
    counted = dict(re.findall(r'maskmeter_auth_failures_total\{reason="(\w+)"\} (\d+)', metrics))
    assert int(counted["limited"]) == limited + 1 and int(counted["unknown"]) == statuses.count(401)
    server.stop()
    assert not any(re.search(r"mm_\d{8}[A-Za-z]", json.dumps(line)) for line in server.log)


# ------------------------------------------------------------------------------------------------------------ secrets


def test_secrets_are_never_told(start):
    """A token where it does not belong: path, query, header, body. Neither log nor answer shows its secret."""
    server = start("--log-level", "debug")
    token, answers = create(server.data), []
    secret = token[11:54]
    ok = bearer(token)
    for path in (f"/v1/runs/{token}", f"/{token}", f"/page/{token}", f"/v1/runs?{token}=1", f"/v1/runs?token={token}",
                 f"/v1/runs?cursor={token}", f"/v1/evaluations?run=x&step=1&include={token}",
                 f"/v1/evaluations?run={token}&step=1", f"/v1/evaluations?run=x&step={token}",
                 f"/v1/evaluations?run=x&step=1&scores={token}", f"/v1/compare?base={token}&head=y&score=dice"):
        for headers in (ok, {}, bearer("x" + token)):
            answers.append(server.request("GET", path, headers=headers))
    for headers in ({"X-Token": token}, {"Traceparent": token}, {"Cookie": token}, {"Accept": token}, {token: token},
                    {"Authorization": f"Basic {token}"}):
        answers.append(server.request("GET", "/v1/runs", headers=headers))
    zeros = np.zeros((1, 2, 4), "f4")
    bodies = [safetensors({token: zeros}), safetensors({"pred": zeros, "label": zeros}, {f"maskmeter.{token}": "1"}),
              safetensors({"pred": zeros, "label": zeros}, {"maskmeter.task": token}),
              safetensors({"pred": zeros, "label": zeros}, {"maskmeter.scores": token}), token.encode()]
    answers += [server.request("POST", "/v1/evaluations", body, bearer(token, **BODY)) for body in bodies]
    for data in (f"GET /{token} HTTP/9.9\r\n\r\n", f"{token}\r\n\r\n", f"GET / HTTP/1.1\r\n{token}\r\n\r\n"):
        assert secret not in server.raw(data.encode(), timeout=1).decode("latin-1")
    for answer in answers:
        assert secret not in answer.text and secret not in str(answer.headers), answer.text
    server.stop()
    text = json.dumps(server.log) + "".join(server.noise)
    assert secret not in text and secret[:20] not in text
    used = [line for line in server.log if line["event"] == "request" and line["token"] != "none"]
    assert used and {line["token"] for line in used} == {identity(token)}


def test_request_lines_name_token_project_and_address(start):
    server = start()
    token = create(server.data, tokens.EVERYTHING, "--project", "liver")
    status_of(server, token)
    status_of(server, None)
    command(server.data, "revoke", identity(token))
    status_of(server, token)
    server.stop()
    lines = [line for line in server.log if line["event"] == "request" and line["route"] == "/v1/runs"]
    assert [(line["status"], line["token"], line["project"]) for line in lines] == [
        (200, identity(token), "liver"), (401, "none", None), (401, identity(token), "liver")]
    assert {line["address"] for line in lines} == {"127.0.0.1"}
    events = [line for line in server.log if line["event"].startswith("token_")]
    assert [line["event"] for line in events] == ["token_created", "token_revoked"]
    assert all(line["token"] == identity(token) and line["project"] == "liver" for line in events)


AWKWARD = ['a"b', "a\\b", "<b>x</b>", "../../etc/passwd", "x\u202egnp", "\U0001F600", "a'b--", "{}", "%s%n", "a b"]


def test_awkward_names_give_one_log_line(start):
    """Of projects and labels, which the log shows; and names with line ends are refused before anything shows them."""
    server = start()
    for name in AWKWARD:
        token = create(server.data, tokens.EVERYTHING, "--project", name, "--label", name)
        assert listed(server.data)[identity(token)]["project"] == name
        answer = server.request("POST", "/v1/evaluations", GOOD, bearer(token, **BODY), run=name, step="1")
        assert answer.status_code == 200 and answer.json()["evaluation"]["run"] == name
        rows = server.request("GET", "/v1/runs", headers=bearer(token)).json()["runs"]
        assert [row["run"] for row in rows] == [name]
    for name in ("a\r\nb", "a\nX-Evil: 1", "a\0b"):
        answer = server.request("GET", "/v1/evaluations", headers=bearer(token), run=name, step="1")
        assert answer.status_code == 400 and "X-Evil" not in answer.headers
    server.stop()
    assert not server.noise
    assert {line["project"] for line in server.log if line["event"] == "request"} >= set(AWKWARD)


# --------------------------------------------------------------------------------------------------------------- CORS

EVIL, PAGE = "https://evil.example", "https://lab.example"
PREFLIGHT = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}


def cors(answer):
    return {name for name in answer.headers if name.lower().startswith("access-control-")}


@pytest.mark.parametrize("args", [(), ("--cors-origin", PAGE)])
def test_foreign_pages(start, args):
    server = start(*args)
    token = create(server.data)
    for origin in (EVIL, "null", PAGE + ".evil.example", PAGE.upper(), PAGE + "/", "http://lab.example"):
        answer = server.request("OPTIONS", "/v1/runs", headers={"Origin": origin, **PREFLIGHT})
        assert answer.status_code == 405 and not cors(answer)
        answer = server.request("GET", "/v1/runs", headers=bearer(token, Origin=origin))
        assert answer.status_code == 200 and not cors(answer)


def test_the_configured_page(start):
    server = start("--cors-origin", PAGE)
    token = create(server.data)
    answer = server.request("OPTIONS", "/v1/evaluations", headers={"Origin": PAGE, **PREFLIGHT})
    assert answer.status_code == 204 and answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    for headers, status in ((bearer(token), 200), ({}, 401)):
        answer = server.request("GET", "/v1/runs", headers={**headers, "Origin": PAGE})
        assert answer.status_code == status and answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert "Origin" in answer.headers["Vary"] and "Access-Control-Allow-Credentials" not in answer.headers
    assert "Origin" in server.request("GET", "/v1/runs", headers=bearer(token)).headers["Vary"]
    assert server.request("OPTIONS", "/v1/runs", headers={"Origin": PAGE}).status_code == 405, "no preflight"


@pytest.mark.parametrize("origin", ["*", "lab.example", "https://", "https://lab.example/", "https://a.example,https://b"])
def test_origins_that_are_none(tmp_path, origin):
    code, words = serve("--data", tmp_path, "--cors-origin", origin)
    assert code == 2 and "cors-origin" in words


# ------------------------------------------------------------------------------------------------------------ clients


def client(*args, env=None, code=0):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MASKMETER_")}
    done = subprocess.run([str(BINARY), *args], capture_output=True, text=True, timeout=60 * SLOW,
                          env={**clean, **(env or {})})
    assert done.returncode == code, (args, done.stdout, done.stderr)
    return done


def test_push_and_demo_show_their_token(guarded, tmp_path):
    file, secret = tmp_path / "one.safetensors", tmp_path / "token"
    file.write_bytes(GOOD)
    secret.write_text(guarded.token + "\n")
    push = ("push", f"--url={guarded.url}", "--run=pushed", "--step=1", str(file))
    assert "HTTP 401" in client(*push, code=1).stderr
    client(*push, env={"MASKMETER_TOKEN": guarded.token})
    client(*push, f"--token-file={secret}")
    client(*push, f"--token-file={secret}", env={"MASKMETER_TOKEN": "nonsense"})
    client("demo", f"--url={guarded.url}", "--steps=1", f"--token-file={secret}")
    client("demo", f"--url={guarded.url}", "--steps=1", env={"MASKMETER_TOKEN": guarded.token})
    runs = guarded.request("GET", "/v1/runs", headers=bearer(guarded.token)).json()["runs"]
    assert {"pushed", "demo-small", "demo-large"} <= {row["run"] for row in runs}
    for args, env in (((f"--token-file={tmp_path}/none",), {}), ((), {"MASKMETER_TOKEN": guarded.token[:-1]})):
        done = client(*push, *args, env=env, code=2)
        assert "token" in done.stderr and guarded.token[11:-1] not in done.stderr
    client("healthcheck", "--listen", f"127.0.0.1:{guarded.port}")


def test_signals_do_not_lose_a_token_on_its_way(tmp_path):
    """A server that is stopped while tokens are made: what was printed is there."""
    server = Server(tmp_path)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(subprocess.run, [str(BINARY), "token", "create", "--scope", "read", "--data", str(tmp_path)],
                            capture_output=True, text=True, timeout=60 * SLOW) for _ in range(12)]
        time.sleep(0.05)
        server.signal(signal.SIGTERM)
        made = [job.result().stdout.strip() for job in jobs]
    assert server.wait() == 0
    there = listed(tmp_path)
    assert all(identity(token) in there for token in made if token)
