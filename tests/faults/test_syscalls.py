"""test_syscalls.py - each system call of a start, a commit and an end killed or failed once, by strace.

After each of them the server starts again, finds every part that had its 200, whole, and takes new ones."""

import itertools
import shutil
import signal
import subprocess

import pytest
from durable import SHORT, Reference, check_evaluation, check_file, send
from support import SLOW, Server, eventually

CALLS = ["pwrite64", "fdatasync", "ftruncate", "unlink", "fsync", "rename", "openat"]


def may_trace():
    if shutil.which("strace") is None:
        return "this machine has no strace"
    tried = subprocess.run(["strace", "-f", "-e", "trace=none", "true"], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"tracing is not allowed here: {tried.stderr.strip()[:100]}"


pytestmark = pytest.mark.skipif(may_trace() != "", reason=may_trace() or "it is")


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return Reference(Server(tmp_path_factory.mktemp("reference")))


def places(last):
    """Which of the calls: all of them, or in the short form the first ones and some that lie further and further."""
    if not SHORT:
        return itertools.count(1)
    chosen = [1, 2, 3, 5, 9, 17, 33, 65]
    return iter([n for n in chosen if n <= last])


class Traced(Server):
    """A server that strace starts: its start is disturbed."""

    def __init__(self, data, inject, report):
        self.inject, self.report = inject, report
        super().__init__(data)

    def command(self):
        call = self.inject.split(":")[0]
        return ["strace", "-f", "-q", "-o", str(self.report), "-e", f"trace={call}", "-e", f"inject={self.inject}",
                "--", *super().command()]  # fmt: skip


class Disturbance:
    """strace on a server that runs: its next calls are counted from now."""

    def __init__(self, server, inject, report):
        self.report = report
        call = inject.split(":")[0]
        self.process = subprocess.Popen(
            ["strace", "-f", "-p", str(server.process.pid), "-o", str(report), "-e", f"trace={call}", "-e",
             f"inject={inject}"], stderr=subprocess.PIPE, text=True)  # fmt: skip
        line = self.process.stderr.readline()
        assert "attached" in line, line

    def end(self):
        """Did it happen?"""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.wait(1)

    def wait(self, seconds=10):
        """Until the server has ended."""
        try:
            self.process.communicate(timeout=seconds * SLOW)
        except subprocess.TimeoutExpired:  # it may wait for ever for a thread that was killed
            self.process.kill()
            self.process.communicate()
        return happened(self.report)


def happened(report):
    text = report.read_text() if report.exists() else ""
    return "INJECTED" in text or "killed by SIGKILL" in text


def try_to_send(server, run, part):
    connection = server.connect()
    try:
        return send(connection, run, 0, part)
    except Exception:  # noqa: BLE001  # whatever a server that dies looks like from outside
        return None, None
    finally:
        connection.close()


def check_after(folder, reference, acknowledged, perhaps):
    """Starts again: what must be there is, and one more part is taken."""
    server = Server(folder)
    check_evaluation(server, reference, "run", 0, set(acknowledged), set(perhaps))
    assert send(server.connect(), "after", 0, 0)[0] == 200
    server.stop()
    check_file(folder, reference, {("run", 0, part) for part in acknowledged} | {("after", 0, 0)})


def fresh_folder(tmp_path):
    folder = tmp_path / "data"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (tmp_path / "report").unlink(missing_ok=True)
    return folder


def disturbed_commit(tmp_path, reference, inject, judge):
    """One commit with one fault; strace may not come to tell of a kill.  judge(server, status, document) is asked of what was answered, and returns which
    parts were acknowledged meanwhile.  (did the fault happen, the status)"""
    folder = fresh_folder(tmp_path)
    server = Server(folder)
    assert send(server.connect(), "run", 0, 0)[0] == 200
    disturbance = Disturbance(server, inject, tmp_path / "report")
    status, document = try_to_send(server, "run", 1)
    more = []
    try:
        if status is not None:
            more = judge(server, status, document) or []
    finally:
        hit = disturbance.end()
    if status in (200, 507) and server.process.poll() is None:
        server.stop()
    hit = server.wait() == -signal.SIGKILL or hit
    there = [0, *more] + [1] * (status == 200)
    check_after(folder, reference, there, there if status == 507 else [*there, 1])
    return hit, status


def all_places(tmp_path, reference, call, how, judge, least):
    """Each place in turn, until there is none left; the statuses of those where it happened."""
    statuses = []
    for number in places(200):
        hit, status = disturbed_commit(tmp_path, reference, f"{call}:{how}:when={number}", judge)
        if not hit:
            break
        statuses.append(status)
    assert len(statuses) >= least, (call, statuses)
    assert statuses[0] != 200  # the first one is before the answer
    return statuses


# ---------------------------------------------------------------------------------------------------- commit


def ends_or_succeeds(server, status, document):
    if status != 200:  # else the fault came later, or not at all
        assert status >= 500, (status, document)
        assert server.wait() == 1
        assert any(entry.get("event") == "store_failed" for entry in server.log)


@pytest.mark.parametrize("call, least", [("pwrite64", 5), ("fdatasync", 1)])
def test_killed_at_a_call_of_a_commit(tmp_path, reference, call, least):
    def judge(server, status, document):
        assert status == 200, (status, document)

    all_places(tmp_path, reference, call, "signal=SIGKILL", judge, least)


def test_failed_sync_ends_the_server(tmp_path, reference):
    """Never a 200 for what may be lost; the process ends with 1 and says why."""
    all_places(tmp_path, reference, "fdatasync", "error=EIO", ends_or_succeeds, 1)


def test_failed_write_ends_the_server(tmp_path, reference):
    """A disk that fails, rather than one that is full: nobody knows what the file holds."""
    all_places(tmp_path, reference, "pwrite64", "error=EIO", ends_or_succeeds, 5)


@pytest.mark.parametrize("how", ["error=ENOSPC", "retval=0"])
def test_no_room_is_507_and_passes(tmp_path, reference, how):
    """ENOSPC, and a write that takes no byte: 507 with Retry-After, reads go on, and another part is taken later."""

    def judge(server, status, document):
        assert status in (200, 507), (status, document)
        answer = server.get("/v1/evaluations", run="run", split="val", step="0")
        assert answer.json()["evaluation"]["parts_received"] == (2 if status == 200 else 1)
        if status == 200:
            return []
        eventually(lambda: send(server.connect(), "run", 0, 2)[0] == 200)
        return [2]

    all_places(tmp_path, reference, "pwrite64", how, judge, 5)


# ----------------------------------------------------------------------------------------- start and end


def killed_folder(tmp_path):
    """With one part, in a log that nobody has emptied."""
    folder = fresh_folder(tmp_path)
    server = Server(folder)
    assert send(server.connect(), "run", 0, 0)[0] == 200
    server.kill()
    return folder


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("make, parts", [(fresh_folder, []), (killed_folder, [0])], ids=["new", "after-a-kill"])
def test_killed_at_a_call_of_the_start(tmp_path, reference, call, make, parts):
    """Of `openat` there are so many before the first of the history that only the long form comes to those."""
    for number in places(17 if call == "pwrite64" else 3):
        folder = make(tmp_path)
        try:
            server = Traced(folder, f"{call}:signal=SIGKILL:when={number}", tmp_path / "report")
        except AssertionError:
            server = None  # it did not live to listen
        if server is not None:
            kill_traced(server)
        check_after(folder, reference, parts, parts)
        if server is not None:
            break


def kill_traced(server):
    """The server itself; strace ends after it."""
    subprocess.run(["pkill", "-KILL", "-P", str(server.process.pid)], check=True)
    server.wait()


@pytest.mark.parametrize("call", ["pwrite64", "fdatasync", "ftruncate", "unlink"])
def test_killed_at_a_call_of_the_end(tmp_path, reference, call):
    """SIGTERM empties the log into the file: a moment like any other."""
    for number in places(9):
        folder = fresh_folder(tmp_path)
        server = Server(folder)
        for part in (0, 1):
            assert send(server.connect(), "run", 0, part)[0] == 200
        disturbance = Disturbance(server, f"{call}:signal=SIGKILL:when={number}", tmp_path / "report")
        server.signal(signal.SIGTERM)
        disturbance.wait()
        hit = server.wait() == -signal.SIGKILL
        check_after(folder, reference, [0, 1], [0, 1])
        if not hit:
            break
