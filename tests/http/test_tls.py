"""test_tls.py - TLS by the server itself: versions, certificates and their reload, uploads, ends of connections."""

import concurrent.futures
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
import requests

import support
from support import PATIENCE, SLOW, eventually

SHORT = bool(os.environ.get("MASKMETER_TEST_SHORT"))


# ------------------------------------------------------------------------------------------- certificates


EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def make_pair(folder, name):
    """(certificate, key) for localhost, signed by itself."""
    cert, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
    openssl("req", "-x509", *EC, "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout", key, "-out", cert, "-days", "30")
    os.chmod(key, 0o600)
    return cert, key


def make_expired_pair(folder):
    """`openssl req` makes certificates from today on; an authority sets dates."""
    cert, key, request, settings = (folder / f"expired.{kind}" for kind in ("pem", "key", "csr", "cnf"))
    (folder / "index.txt").write_text("")
    settings.write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/index.txt\nrand_serial=yes\nnew_certs_dir={folder}\n"
        "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n"
    )
    openssl("req", *EC, "-subj", "/CN=localhost", "-keyout", key, "-out", request)
    openssl("ca", "-batch", "-selfsign", "-config", settings, "-keyfile", key, "-in", request, "-out", cert,
            "-startdate", "20200101000000Z", "-enddate", "20210101000000Z")
    return cert, key


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return make_pair(tmp_path_factory.mktemp("pair"), "localhost")


def tls_args(pair):
    return "--tls-cert", str(pair[0]), "--tls-key", str(pair[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory, pair):
    running = support.Server(tmp_path_factory.mktemp("data"), *tls_args(pair), start=False)
    running.session.verify = str(pair[0])
    running.start()
    yield running
    running.stop()


@pytest.fixture
def start_tls(tmp_path):
    """start_tls(pair, *args) -> a TLS server of its own, stopped cleanly after the test."""
    servers = []

    def make(pair, *args):
        running = support.Server(tmp_path / f"data{len(servers)}", *tls_args(pair), *args, start=False)
        running.session.verify = str(pair[0])
        servers.append(running)
        return running.start()

    yield make
    for running in servers:
        running.stop()


def context(pair, **settings):
    made = ssl.create_default_context(cafile=pair[0])
    for name, value in settings.items():
        setattr(made, name, value)
    return made


def connect(server, pair, **settings):
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=20 * SLOW)
    return context(pair, **settings).wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False)


def upload_head(size, *headers):
    lines = ["POST /v1/evaluations HTTP/1.1", "Host: localhost", "Content-Type: application/octet-stream",
             f"Content-Length: {size}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


# ------------------------------------------------------------------------------------ versions and answers


def test_curl_and_the_header_that_keeps_browsers_on_tls(server, pair):
    for version in "1.2", "1.3":
        out = subprocess.run(
            ["curl", "--silent", "--show-error", "--include", "--noproxy", "*", "--cacert", pair[0],
             f"--tlsv{version}", "--tls-max", version, f"https://localhost:{server.port}/healthz"],
            check=True, capture_output=True, text=True,
        ).stdout
        assert out.startswith("HTTP/1.1 200 ")
        assert "\nStrict-Transport-Security: max-age=31536000" in out


def test_plain_server_does_not_ask_for_tls(start):
    assert "Strict-Transport-Security" not in start().get("/healthz").headers


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version, fine", [("TLSv1", False), ("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
def test_versions(server, pair, version, fine):
    wanted = context(pair)
    wanted.set_ciphers("ALL:@SECLEVEL=0")
    wanted.minimum_version = wanted.maximum_version = ssl.TLSVersion[version]
    with socket.create_connection(("127.0.0.1", server.port), timeout=10 * SLOW) as plain:
        if not fine:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                wanted.wrap_socket(plain, server_hostname="localhost")
            return
        with wanted.wrap_socket(plain, server_hostname="localhost") as sock:
            assert sock.version() == version.replace("_", ".")


def test_sslscan_sees_new_versions_and_good_ciphers_alone(server):
    out = subprocess.run(["sslscan", "--no-colour", f"localhost:{server.port}"], check=True, capture_output=True,
                         text=True, timeout=60 * SLOW).stdout
    versions = dict(re.findall(r"^((?:SSL|TLS)v[\d.]+)\s+(enabled|disabled)$", out, re.M))
    assert versions == {"SSLv2": "disabled", "SSLv3": "disabled", "TLSv1.0": "disabled", "TLSv1.1": "disabled",
                        "TLSv1.2": "enabled", "TLSv1.3": "enabled"}
    ciphers = re.findall(r"^(?:Preferred|Accepted)\s+TLSv1\.\d\s+\d+ bits\s+(\S+)", out, re.M)
    assert ciphers
    for cipher in ciphers:
        assert re.match("TLS_|ECDHE-", cipher) and re.search("GCM|CCM|CHACHA20", cipher), cipher
    assert "Secure session renegotiation supported" not in out
    assert not re.search(r" vulnerable", out.replace("not vulnerable", ""))


def test_renegotiation_ends_the_connection(server):
    """A client that asks for it again and again would have the server sign for nothing."""
    client = subprocess.Popen(["openssl", "s_client", "-tls1_2", "-connect", f"127.0.0.1:{server.port}"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    seen = b""
    while b"Secure Renegotiation IS supported" not in seen or b"---" not in seen.rsplit(b"Start Time", 1)[-1]:
        seen += client.stdout.read1(65536) or pytest.fail(seen.decode())
    client.stdin.write(b"R\n")
    client.stdin.flush()
    assert b"RENEGOTIATING" in client.stdout.read()  # up to its end, with the standard input still open
    client.stdin.close()
    client.wait(20 * SLOW)
    assert server.get("/healthz").status_code == 200


# What testssl takes for dangers and why they are none here.
HARMLESS = {
    "secure_client_renego",  # it is offered, but ends the connection: the test above
    "BREACH",  # answers are compressed, but no answer holds a secret
}


@pytest.mark.skipif(SHORT, reason="some minutes: the long form")
def test_testssl_finds_nothing_that_matters(server, tmp_path):
    report = tmp_path / "report.csv"
    subprocess.run(["testssl", "--warnings", "off", "--quiet", "--color", "0", "--ip", "127.0.0.1", "-p", "-s", "-f", "-U",
                    "--csvfile", report, f"https://localhost:{server.port}"], capture_output=True, timeout=900 * SLOW)
    rows = [line.strip('"').split('","') for line in report.read_text().splitlines()[1:]]
    found = {row[0]: (row[3], row[4]) for row in rows}
    for version in "SSLv2", "SSLv3", "TLS1", "TLS1_1":
        assert found[version][1].startswith("not offered"), found[version]
    for version in "TLS1_2", "TLS1_3":
        assert found[version][1].startswith("offered"), found[version]
    bad = [row for row in rows if row[3] in ("LOW", "MEDIUM", "HIGH", "CRITICAL") and row[0] not in HARMLESS]
    assert bad == []


def test_upload_of_64_mib_has_the_same_bits(server, start):
    case = support.small_file(images=4, classes=8, spatial=(512, 1000))
    assert len(case) > 64 << 20
    plain, secret = start().score(case), server.score(case)
    assert support.bits(plain) == support.bits(secret)


def test_pipelined_and_kept_connections(server, pair):
    with connect(server, pair) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
        got = b""
        while got.count(b'{"status":"ok"}') < 3:
            got += sock.recv(65536)
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        rest = b"".join(iter(lambda: sock.recv(65536), b""))  # raises when the end is not TLS's own
    assert [status for status, _, _ in support.responses(got + rest)] == [200] * 4


def test_clients_that_end_their_side(server, pair):
    """After two requests both are answered; in the middle of a body, by TLS or by TCP alone, nothing is left of it."""
    body = support.small_file()
    upload = upload_head(len(body)) + body
    with connect(server, pair) as sock:
        sock.sendall(upload + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with socket.socket(fileno=os.dup(sock.fileno())) as plain:
            plain.shutdown(socket.SHUT_WR)
        got = b"".join(iter(lambda: sock.recv(65536), b""))
    assert [status for status, _, _ in support.responses(got)] == [200, 200]
    before = server.metrics()["maskmeter_http_inflight_requests"]
    for end in "tls", "tcp":
        with connect(server, pair) as sock:
            sock.sendall(upload[:-100])
            if end == "tls":
                sock.unwrap()
            else:
                with socket.socket(fileno=os.dup(sock.fileno())) as plain:
                    plain.shutdown(socket.SHUT_WR)
            eventually(lambda: server.metrics()["maskmeter_http_inflight_requests"] == before, 1.5)
            eventually(lambda: server.metrics()["maskmeter_memory_used_bytes"] == 0, 1)


def test_refused_upload_is_answered(server, pair):
    """The answer arrives although the body is on its way."""
    with connect(server, pair) as sock:
        sock.sendall(upload_head(8 << 20, "Content-Encoding: br"))
        try:
            for _ in range(128):
                sock.sendall(bytes(65536))
        except OSError:
            pass
        got = b""
        try:
            while b"\r\n\r\n" not in got:
                got += sock.recv(65536) or pytest.fail("no answer")
        except ssl.SSLEOFError:
            pass
    assert got.startswith(b"HTTP/1.1 415 ")


# ------------------------------------------------------------------------------- starting and certificates


def serve(tmp_path, *args):
    """(exit code, what was said) of a server that must not start."""
    done = subprocess.run([support.BINARY, "serve", "--listen", "127.0.0.1:0", "--data", tmp_path / "data", *args],
                          capture_output=True, text=True, timeout=30 * SLOW)
    return done.returncode, done.stderr


def test_what_cannot_be_served_is_said(tmp_path, pair):
    cert, key = pair
    other, other_key = make_pair(tmp_path, "other")
    expired = make_expired_pair(tmp_path)
    words = tmp_path / "words"
    words.write_text("no certificate, no key\n")
    for chosen, says in [
        ((tmp_path / "missing", key), "tls-cert: cannot read"),
        ((cert, tmp_path / "missing"), "tls-key: cannot read"),
        ((words, key), "holds no chain of PEM certificates"),
        ((cert, words), "holds no PEM key"),
        ((cert, other_key), "does not belong to the certificate"),
        ((other, key), "does not belong to the certificate"),
        (expired, "has expired"),
    ]:
        code, text = serve(tmp_path, *tls_args(chosen))
        assert code == 1 and says in text, (code, text)
    for half in ("--tls-cert", cert), ("--tls-key", key):
        code, text = serve(tmp_path, *half)
        assert code == 2 and "tls-cert and tls-key go together" in text


def test_key_that_others_may_read_is_warned_of(tmp_path, start_tls):
    pair = make_pair(tmp_path, "exposed")
    os.chmod(pair[1], 0o644)
    running = start_tls(pair)
    eventually(lambda: any(line["event"] == "key_exposed" for line in running.log))


def test_healthcheck(server, pair, start, tmp_path):
    def healthcheck(port, *args):
        return subprocess.run([support.BINARY, "healthcheck", "--listen", f"127.0.0.1:{port}", *args],
                              capture_output=True, timeout=30 * SLOW).returncode

    plain = start()
    assert healthcheck(server.port, *tls_args(pair)) == 0
    assert healthcheck(server.port) == 1
    assert healthcheck(plain.port, *tls_args(pair)) == 1
    settings = tmp_path / "settings"
    settings.write_text(f"tls-cert = {pair[0]}\ntls-key = {pair[1]}\nlisten = 127.0.0.1:{server.port}\n")
    done = subprocess.run([support.BINARY, "healthcheck", "--config", settings], timeout=30 * SLOW)
    assert done.returncode == 0


def subject(server):
    """The name in the certificate of a new connection."""
    unchecked = ssl._create_unverified_context()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20 * SLOW) as plain:
        with unchecked.wrap_socket(plain) as sock:
            text = ssl.DER_cert_to_PEM_cert(sock.getpeercert(binary_form=True))
    return subprocess.run(["openssl", "x509", "-noout", "-subject"], input=text, capture_output=True, text=True,
                          check=True).stdout.split("=")[-1].strip()


def test_reload_under_load_fails_no_request(tmp_path, start_tls):
    """New certificates while others ask, on new connections and on kept ones; a bad pair keeps the old one."""
    pairs = [make_pair(tmp_path, f"number{i}") for i in range(4)]
    current = tmp_path / "cert", tmp_path / "key"
    trusted = tmp_path / "all"
    trusted.write_text("".join(cert.read_text() for cert, _ in pairs))

    def install(pair):
        for source, target in zip(pair, current):
            shutil.copy(source, target)

    install(pairs[0])
    running = start_tls(current)
    running.session.verify = str(trusted)
    done, counts, failures = threading.Event(), [0] * 4, []

    def ask(which):
        try:
            session = running.connect_session()
            session.verify = str(trusted)
            while not done.is_set():
                if which % 2:
                    session = running.connect_session()
                    session.verify = str(trusted)
                assert session.get(running.url + "/healthz", timeout=20 * SLOW).status_code == 200
                counts[which] += 1
        except Exception as failure:
            failures.append(failure)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for i in range(12):
        install(pairs[(i + 1) % 4])
        running.signal(signal.SIGHUP)
        eventually(lambda: sum(line["event"] == "certificate_reloaded" for line in running.log) == i + 1)
        assert subject(running) == f"number{(i + 1) % 4}"
    shutil.copy(pairs[1][1], current[1])  # a key of another certificate
    running.signal(signal.SIGHUP)
    eventually(lambda: any(line["event"] == "certificate_kept" and line["level"] == "error" for line in running.log))
    assert subject(running) == "number0"
    time.sleep(0.2)
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert min(counts) > 5, counts


def test_hangup_of_a_plain_server_changes_nothing(start):
    running = start()
    running.signal(signal.SIGHUP)
    assert running.get("/healthz").status_code == 200


# -------------------------------------------------------------------------------------- ends of connections


def test_neither_kind_is_spoken_on_the_other_port(server, start, pair):
    """And what comes slowly is cut at the deadline, with no plain byte on a TLS connection."""
    plain = start()
    hello = ssl.MemoryBIO()
    begun = context(pair).wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        begun.do_handshake()
    hello = hello.read()

    def end_of(port, data):
        begin = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), timeout=30 * SLOW) as sock:
            sock.sendall(data)
            return support.read_all(sock), time.monotonic() - begin

    def end_inside(*data):
        begin = time.monotonic()
        with connect(server, pair) as sock:
            for piece in data:
                sock.sendall(piece)
            try:
                got = sock.recv(65536)
            except ssl.SSLError as error:  # an end without farewell, but no noise
                got = error.reason if isinstance(error, ssl.SSLEOFError) is False else b""
            return got or b"", time.monotonic() - begin

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        request = pool.submit(end_of, server.port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        half_hello = pool.submit(end_of, server.port, hello[: len(hello) // 2])
        to_plain = pool.submit(end_of, plain.port, hello)
        half_header = pool.submit(end_inside, b"GET /healthz HTTP/1.1\r\nHost: loc")
        half_body = pool.submit(end_inside, upload_head(1000), bytes(10))
    got, seconds = request.result()
    assert b"HTTP" not in got and seconds < 5 * PATIENCE
    got, seconds = half_hello.result()
    assert got == b"" and 9 < seconds < 13 * PATIENCE
    got, seconds = to_plain.result()
    assert got[:12] in (b"", b"HTTP/1.1 400", b"HTTP/1.1 408") and seconds < 13 * PATIENCE
    for cut in half_header, half_body:
        got, seconds = cut.result()
        assert got == b"" and 9 < seconds < 13 * PATIENCE, (got, seconds)
    for running in server, plain:
        assert running.get("/healthz").status_code == 200


def test_half_handshakes_cost_nothing(start_tls, pair):
    """libmicrohttpd asks to be run again and again while a handshake waits for the client."""
    running = start_tls(pair)

    def seconds():
        with open(f"/proc/{running.process.pid}/stat") as file:
            return sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")

    socks = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(50)]
    for sock in socks:
        sock.sendall(b"\x16\x03\x01")
    time.sleep(0.5)
    before = seconds()
    time.sleep(2)
    used = seconds() - before
    assert running.get("/healthz").status_code == 200
    for sock in socks:
        sock.close()
    assert used < 0.4 * SLOW, used


def test_client_that_leaves_in_an_upload_is_noticed(server, pair):
    before = server.metrics()["maskmeter_http_inflight_requests"]
    for farewell in True, False:
        sock = connect(server, pair)
        sock.sendall(upload_head(64 << 20))
        for _ in range(48):
            sock.sendall(bytes(65536))
        eventually(lambda: server.metrics()["maskmeter_http_inflight_requests"] == before + 1)
        if not farewell:
            sock = socket.socket(fileno=sock.detach())
        sock.close()
        eventually(lambda: server.metrics()["maskmeter_http_inflight_requests"] == before, 1.5)


def test_drain_lets_uploads_end(pair, start_tls):
    running = start_tls(pair)
    body = support.small_file(images=2, spatial=(256, 256))
    head = upload_head(len(body)).replace(b"/v1/evaluations", b"/v1/evaluations?run=drain&step=1")
    socks = [connect(running, pair) for _ in range(10)]
    for sock in socks:
        sock.sendall(head + body[: len(body) // 2])
    eventually(lambda: running.metrics()["maskmeter_http_inflight_requests"] == 1 + len(socks))
    running.session.close()
    running.signal(signal.SIGTERM)
    eventually(lambda: any(line["event"] == "draining" for line in running.log))
    for sock in socks:
        sock.sendall(body[len(body) // 2 :])
    for sock in socks:
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
        assert support.responses(answer)[0][0] == 200
        sock.close()
    assert running.wait() == 0
