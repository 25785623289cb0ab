"""test_checkpoints.py - only the writer ever takes SQLite's checkpoint lock, whatever readers and backups do.

SQLite 3.7.0 to 3.51.2 may lose committed rows when a checkpoint races a write of another connection."""

import itertools
import re
import shutil
import subprocess
import threading
import time

import pytest
from durable import SHORT, Reference, Writers, check_file, number_from
from support import BINARY, SLOW, Server, eventually
from test_syscalls import may_trace

pytestmark = pytest.mark.skipif(may_trace() != "", reason=may_trace() or "it is")

SECONDS = number_from("MASKMETER_TEST_SECONDS", 10, 900)
CHECKPOINT = 121  # the byte of the -shm file that stands for the lock
LOCK = re.compile(r"^(\d+) .*fcntl\(\d+, F_SETLK, \{l_type=F_WRLCK, l_whence=SEEK_SET, l_start=(\d+), l_len=(\d+)")


class Watched(Server):
    """A server of which strace notes every lock."""

    def __init__(self, data, report):
        self.report = report
        super().__init__(data)

    def command(self):
        return watched(self.report, super().command())


def watched(report, command):
    return ["strace", "-f", "-q", "-o", str(report), "-e", "trace=fcntl", "--", *map(str, command)]


def takers(report):
    """{thread: how often} for those that have taken the lock of checkpoints."""
    found = {}
    for line in report.read_text().splitlines():
        match = LOCK.match(line)
        if match and (int(match[2]), int(match[3])) == (CHECKPOINT, 1):
            found[match[1]] = found.get(match[1], 0) + 1
    return found


def stop_watched(server):
    """strace passes no signal on: the server itself is told.  Its first thread."""
    child = subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True, check=True)
    first = child.stdout.split()[0]
    subprocess.run(["kill", "-TERM", first], check=True)
    assert server.wait(60) == 0
    return first


def test_one_connection_does_all_checkpoints(tmp_path):
    (tmp_path / "reference").mkdir()
    reference = Reference(Server(tmp_path / "reference"))
    (tmp_path / "data").mkdir()
    server = Watched(tmp_path / "data", tmp_path / "server.trace")
    halt, copies, reads = threading.Event(), [], itertools.count()

    def back_up():
        for number in itertools.count():
            report = tmp_path / f"backup{number}.trace"
            done = subprocess.run(watched(report, [BINARY, "backup", "--data", server.data, "--force", tmp_path / "copy"]),
                                  capture_output=True, text=True, check=False)  # fmt: skip
            copies.append((report, done.returncode))
            if halt.wait(0.5):
                return

    def read():
        session = server.connect_session()
        while not halt.is_set():
            session.get(server.url + "/v1/runs", timeout=30 * SLOW)
            session.get(server.url + "/v1/runs/busy0/evaluations", timeout=30 * SLOW)
            next(reads)

    threads = [threading.Thread(target=back_up)] + [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    end, acknowledged, number = time.monotonic() + SECONDS, set(), 0
    while time.monotonic() < end:
        writers = Writers(server, f"busy{number}", 4)
        time.sleep(min(3, SECONDS / 4))
        acknowledged |= writers.stop().acknowledged
        log = server.data / "maskmeter.db-wal"
        eventually(lambda log=log: not log.exists() or log.stat().st_size == 0, 10)  # quiet: the log is emptied
        number += 1
    halt.set()
    for thread in threads:
        thread.join()
    first = stop_watched(server)
    checkpoints = takers(server.report)
    checkpoints.pop(first, None)  # opens the history before the writer begins, and closes it after its end
    (often,) = checkpoints.values()  # the writer alone
    assert often >= 2
    assert len(copies) >= 3 and next(reads) > 20
    for report, code in copies:
        assert code == 0
        assert not takers(report)
    check_file(server.data, reference, acknowledged)
    shutil.rmtree(server.data)
