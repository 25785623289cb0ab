"""test_full_disk.py - a disk of 4 MiB that fills up: 507, reads go on, and no restart is needed afterwards.

The log of the server lies on the same disk.  Where nothing can be mounted, a limit on the size of files stands in."""

import resource
import subprocess

import numpy as np
import pytest
from durable import SHORT, Reference, check_evaluation, database, send
from support import SLOW, Server, eventually, problem, safetensors

ROUNDS = 2 if SHORT else 10
SIZE = 4 << 20
LARGE = safetensors({  # a record of some 40 KB
    "pred": np.random.default_rng(1).random((400, 1, 2, 2), dtype="<f4"),
    "label": np.random.default_rng(2).integers(0, 2, (400, 1, 2, 2)).astype("u1"),
})  # fmt: skip


def may_mount():
    mount = "mount -t tmpfs tmpfs /mnt"
    return subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return Reference(Server(tmp_path_factory.mktemp("reference")))


class SmallDisk(Server):
    """A server whose data and log are on a disk of its own, in a mount name space of its own."""

    def command(self):
        script = f'mount -t tmpfs -o size={SIZE},mode=0700 tmpfs "{self.data}" && exec "$@" 2> "{self.data}/log"'
        return ["unshare", "-rm", "sh", "-c", script, "sh", *super().command()]

    def start(self):
        self.process = subprocess.Popen(self.command())
        self.reader = None
        eventually(self._listens, 20)
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def _listens(self):
        assert self.process.poll() is None
        words = [line for line in self.log_text().splitlines() if '"listening"' in line]
        if words:
            self.port = int(words[0].split('"address":"127.0.0.1:')[1].split('"')[0])
        return bool(words)

    def log_text(self):
        path = self.inside("log")
        return path.read_text() if path.exists() else ""

    def inside(self, name):
        return self.data.__class__(f"/proc/{self.process.pid}/root{self.data}") / name

    def wait(self, timeout=30):
        return self.process.wait(timeout * SLOW)


@pytest.fixture
def small(tmp_path):
    if not may_mount():
        pytest.skip("nothing can be mounted here: test_limit_on_the_size_of_files stands in")
    folder = tmp_path / "small"
    folder.mkdir()
    server = SmallDisk(folder)
    yield server
    server.stop()


def large(server, run, step):
    return server.post(LARGE, run=run, step=str(step), scores="dice", classes="organ")


def fill_with_parts(server, run):
    """Until one is refused as it should be; how many were taken."""
    for step in range(1000):
        answer = large(server, run, step)
        if answer.status_code != 200:
            problem(answer, 507)
            assert int(answer.headers["Retry-After"]) > 0
            return step
    raise AssertionError("the disk never became full")


def check_full(server, reference, run, count):
    """What a full disk must not change."""
    assert server.get("/healthz").status_code == 200
    answer = server.get("/readyz")
    assert answer.status_code in (200, 503)  # there may be room for less than a part
    assert answer.json()["checks"]["disk"] == "low"
    if answer.status_code == 503:
        assert answer.json()["checks"]["store"] == "full" and int(answer.headers["Retry-After"]) > 0
    assert server.get(f"/v1/runs/{run}").json()["evaluations"] == count
    for step in range(0, count, 7):
        assert server.get("/v1/evaluations", run=run, split="val", step=str(step)).json()["images"] == 400
    check_evaluation(server, reference, "small", 0, {0, 1}, set())


def fill_the_rest(server):
    """Not a byte is left for the log, nor for the history's files."""
    with open(server.inside("filler"), "wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4096))
        except OSError:
            pass
        try:
            while True:
                filler.write(b"x")
        except OSError:
            pass


def works_again(server, run, step):
    eventually(lambda: server.get("/readyz").status_code == 200, 10)
    eventually(lambda: large(server, run, step).status_code == 200, 10)


def test_full_disk(small, reference):
    for part in (0, 1):
        assert send(small.connect(), "small", 0, part)[0] == 200
    pid = small.process.pid
    for number in range(ROUNDS):
        run = f"run{number}"
        count = fill_with_parts(small, run)
        assert count > 3
        fill_the_rest(small)
        assert large(small, run, count).status_code == 507
        check_full(small, reference, run, count)
        small.inside("filler").unlink()
        assert small.request("DELETE", f"/v1/runs/{run}").status_code == 204  # room is made, not only given back
        works_again(small, f"kept{number}", 0)
    runs = {row["run"] for row in small.get("/v1/runs").json()["runs"]}
    assert runs == {"small"} | {f"kept{number}" for number in range(ROUNDS)}
    assert small.process.pid == pid and small.process.poll() is None
    assert large(small, "log", 0).status_code == 200
    check_log(small)


def check_log(server):
    """Lines that found no room are missing; none is half there for ever, and the log goes on."""
    before = len(server.log_text())
    server.get("/v1/runs/no-such-run")
    eventually(lambda: len(server.log_text()) > before)


def test_space_that_comes_from_elsewhere(small, reference):
    """Somebody else filled the disk: nothing is written meanwhile, not even by a DELETE; then all goes on."""
    for part in (0, 1):
        assert send(small.connect(), "small", 0, part)[0] == 200
    count = 4
    for step in range(count):
        assert large(small, "some", step).status_code == 200
    fill_the_rest(small)
    eventually(lambda: large(small, "some", count).status_code == 507, 10)
    check_full(small, reference, "some", count)
    small.inside("filler").unlink()
    works_again(small, "some", count)


# ------------------------------------------------------------------------------------- a limit on sizes


def test_limit_on_the_size_of_files(start, reference):
    """The system takes a part of a write and refuses the rest, wherever in the log the limit lies."""
    server = start()
    for part in (0, 1):
        assert send(server.connect(), "small", 0, part)[0] == 200
    refused = 0
    for number, more in enumerate(range(100, 40000, 4000 if SHORT else 400)):
        size = (server.data / "maskmeter.db-wal").stat().st_size
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size + more, resource.RLIM_INFINITY))
        answer = large(server, "limited", number)
        assert answer.status_code in (200, 507), answer.text
        refused += answer.status_code == 507
        check_evaluation(server, reference, "small", 0, {0, 1}, set())
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert large(server, "limited", number).status_code == 200
    assert refused > 5
    server.stop()
    with database(server.data) as stored:
        assert stored.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert stored.execute("SELECT count(*) FROM parts").fetchone() == (number + 3,)
