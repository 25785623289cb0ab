"""test_start.py - a start that lacks memory, threads or random bytes: it serves, or it says why not and ends."""

import json
import os
import pathlib
import queue
import resource
import signal
import subprocess
import tempfile
import threading

import fail
import pytest
import support
from support import SLOW, small_file
from test_malloc import SEED, SHORT, choose

STARTS = 12 if SHORT else 400  # of each kind and mode


class Start:
    """One try to start a server."""

    def __init__(self, folder, env=None, before=None, args=(), binary=None):
        """binary: a descriptor of it, for who may not reach it by its name."""
        program = str(support.BINARY) if binary is None else f"/proc/self/fd/{binary}"
        command = [program, "serve", "--listen", "127.0.0.1:0", "--data", "data", "--threads", "3", *args]
        clean = {key: value for key, value in os.environ.items() if not key.startswith("MASKMETER_")}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, preexec_fn=before, cwd=folder,
                                        pass_fds=() if binary is None else (binary,),
                                        env={**clean, "OMP_WAIT_POLICY": "passive", **(env or {})}, text=True)
        self.lines, self.port, heard = [], None, queue.Queue()
        self.reader = threading.Thread(target=self._read, args=(heard,), daemon=True)
        self.reader.start()
        try:
            self.port = heard.get(timeout=20 * SLOW)
        except queue.Empty:
            self.process.kill()
            raise AssertionError(f"it neither serves nor ends: {self.lines}") from None

    def _read(self, heard):
        for line in self.process.stderr:
            self.lines.append(line)
            if '"listening"' in line:
                heard.put(int(json.loads(line)["address"].rsplit(":", 1)[1]))
        heard.put(None)

    def request(self, path, body=None):
        session = support.requests.Session()
        session.trust_env = False
        headers = {"Content-Type": "application/octet-stream"} if body else None
        return session.request("POST" if body else "GET", f"http://127.0.0.1:{self.port}{path}", data=body, headers=headers, timeout=20 * SLOW)

    def end(self):
        """-> the exit code; a server that serves is asked to end."""
        if self.port is not None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20 * SLOW)
        self.reader.join()
        self.process.stderr.close()
        return code


def serves_or_explains(start, where):
    """-> whether it serves."""
    if start.port is not None:
        body = small_file(images=4, classes=4, spatial=(48, 64))
        assert start.request("/healthz").status_code == 200
        for query in ("", "?run=a&step=1", "?include=images,histogram,explain"):
            answer = start.request("/v1/evaluations" + query, body)
            assert answer.status_code == 200, (where, answer.text)
        assert start.end() == 0, (where, start.lines)
        return True
    code = start.end()
    assert code in (1, 2), (where, code, start.lines)
    assert start.lines and start.lines[-1].strip(), where
    return False


@pytest.mark.parametrize("forever", [False, True], ids=["once", "forever"])
@pytest.mark.parametrize("kind", [fail.MEMORY, fail.THREAD, fail.RANDOM], ids=["memory", "thread", "random"])
def test_failing_starts(tmp_path, kind, forever):
    faults = fail.Faults(tmp_path)
    faults.arm(kinds=kind)
    first = Start(tmp_path, faults.environment())
    count = faults.disarm()
    assert serves_or_explains(first, "undisturbed")
    outcomes = []
    for nth in choose(count + 1, f"start {kind} {forever}", STARTS):
        faults.arm(nth, forever, kind)
        start = Start(tmp_path, faults.environment())
        faults.disarm()
        outcomes.append(serves_or_explains(start, (nth, count, SEED)))
    assert any(outcomes), "the last is never reached: it serves"
    assert not all(outcomes), "nothing failed"


def test_no_random_bytes_while_it_serves(tmp_path):
    """Requests have no name then, and no token is made; all else is as ever."""
    faults = fail.Faults(tmp_path)
    start = Start(tmp_path, faults.environment())
    faults.arm(1, True, fail.RANDOM)
    names = [start.request("/healthz").headers.get("X-Request-Id") for _ in range(40)]
    assert names[-1] is None  # once those that had been drawn are used up
    drawn = [name for name in names if name is not None]
    assert len(set(drawn)) == len(drawn)
    assert start.request("/v1/evaluations?run=a&step=1", small_file()).status_code == 200
    command, data = [str(support.BINARY), "token"], ["--data", str(tmp_path / "data")]
    refused = subprocess.run([*command, "create", *data, "--scope", "read"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1 and "random" in refused.stderr, refused
    assert faults.disarm() > 1
    assert start.request("/healthz").headers["X-Request-Id"] not in drawn
    listed = subprocess.run([*command, "list", *data], capture_output=True, text=True, check=True)
    assert "mm_" not in listed.stdout, listed.stdout
    assert start.end() == 0, start.lines


THREADS = 3 - 1 + 6  # beside the first: of the team, libuv's four, compute's, the history's


class Nobody(Start):
    """A start by a user who has no other process, and may have so many threads."""

    USER = 54321

    def __init__(self, folder, most):
        os.chown(folder, self.USER, self.USER)
        binary = os.open(support.BINARY, os.O_RDONLY)  # the folders on the way to it may be closed to others

        def become():
            resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
            os.setgid(self.USER)
            os.setuid(self.USER)

        try:
            super().__init__(folder, before=become, binary=binary)
        finally:
            os.close(binary)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who has no other process")
@pytest.mark.parametrize("most", [1, 2, THREADS, THREADS + 1])
def test_few_threads_are_allowed(most):
    """pthread_create() fails where the system says so: it names the threads that it cannot start, or has enough."""
    with tempfile.TemporaryDirectory() as folder:  # those of pytest are closed to others
        start = Nobody(pathlib.Path(folder), most)
        assert serves_or_explains(start, most) == (most > THREADS), start.lines
    if most <= THREADS:
        assert f"cannot start {THREADS} threads" in start.lines[-1], start.lines


@pytest.mark.parametrize("mebibytes", [16, 48, 96, 160, 256, 512])
def test_little_address_space(tmp_path, mebibytes):
    """It starts and answers as far as it goes, or says why not."""
    size = mebibytes << 20
    start = Start(tmp_path, before=lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size)), args=("--memory", "64MiB"))
    if start.port is None:
        serves_or_explains(start, mebibytes)
        return
    for body in (small_file(), small_file(images=4, classes=4, spatial=(256, 256))):
        for query in ("", "?run=a&step=1", "?scores=hd95,auroc&include=images,histogram"):
            answer = start.request("/v1/evaluations" + query, body)
            assert answer.status_code in (200, 409, 503), (mebibytes, query, answer.text)
    for path in ("/healthz", "/v1/scores", "/v1/runs", "/metrics", "/openapi.json"):
        assert start.request(path).status_code in (200, 503), (mebibytes, path)
    assert start.end() == 0, (mebibytes, start.lines)
