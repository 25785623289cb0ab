"""test_kill.py - kill -9 in the middle of uploads: nothing acknowledged is lost, nothing is there twice or in half."""

import random
import shutil
import sqlite3
import threading
import time

import numpy as np
import pytest
from durable import PARTS, SHORT, Reference, Writers, check_file, database, number_from, send
from support import PATIENCE, SLOW, Server, safetensors

WRITERS = 8
KILLS = number_from("MASKMETER_TEST_KILLS", 50, 1000)
SEED = number_from("MASKMETER_TEST_SEED", 1, 1)
KILLS_A_FILE = 50
LONGEST_MS = 500  # between the server's first word and the kill
RETRIES = 1000
START_SECONDS = 2  # after a kill
LONGEST = (600 if SHORT else 3600) * SLOW  # then no more is begun; too little done is a failure


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return Reference(Server(tmp_path_factory.mktemp("reference")))


class Killing:
    """One file through kill after kill."""

    def __init__(self, folder, reference):
        folder.mkdir()
        self.folder, self.reference = folder, reference
        self.acknowledged, self.kills, self.slowest, self.last = set(), 0, 0.0, None

    def start(self):
        """Starts again, in time, and finds what the writers before the kill were told."""
        began = time.monotonic()
        server = Server(self.folder)
        took = time.monotonic() - began
        self.slowest = max(self.slowest, took)
        assert took < START_SECONDS * PATIENCE, f"{took:.2f} s to start after a kill"
        if self.last is not None:
            self.last.check(server, self.reference)
        return server

    def kill(self, run, seconds):
        server = self.start()
        self.last = Writers(server, run, WRITERS)
        time.sleep(seconds)
        server.kill()
        self.acknowledged |= self.last.join().acknowledged
        self.kills += 1

    def finish(self):
        """How many parts are stored that no writer was told of."""
        self.start().stop()
        return check_file(self.folder, self.reference, self.acknowledged) - len(self.acknowledged)


def test_nothing_acknowledged_is_lost(tmp_path, reference, capfd):
    rng, end = random.Random(SEED), time.monotonic() + LONGEST
    kills, acknowledged, slowest, untold = 0, 0, 0.0, 0
    while kills < KILLS and time.monotonic() < end:
        killing = Killing(tmp_path / f"data{kills}", reference)
        while killing.kills < min(KILLS_A_FILE, KILLS - kills) and time.monotonic() < end:
            killing.kill(f"run{kills + killing.kills}", rng.uniform(0, LONGEST_MS) / 1000)
        untold += killing.finish()
        kills += killing.kills
        acknowledged += len(killing.acknowledged)
        slowest = max(slowest, killing.slowest)
        with capfd.disabled():
            print(f"\n{kills} kills, {acknowledged} parts acknowledged, all there; {untold} more had no answer;"
                  f" slowest start {slowest:.2f} s", end="", flush=True)  # fmt: skip
    assert untold <= kills * WRITERS
    assert kills >= KILLS * 0.8 and acknowledged >= kills * WRITERS, "too slow to have proved anything"


IMAGES, CLASSES = (60, 1000) if SHORT else (number_from("MASKMETER_TEST_IMAGES", 0, 400), 2000)


def sparse_file(images, classes):
    """A voxel per image and class: small to send, and 43 bytes of each in the record."""
    rng = np.random.default_rng(7)
    shape = (images, classes, 1)
    return safetensors({name: rng.integers(0, 2, shape).astype("u1") for name in ("pred", "label")})


def test_kill_around_a_large_record(tmp_path, capfd):
    """A record of megabytes is there as a whole or not at all, wherever in its commit the kill comes."""
    body = sparse_file(IMAGES, CLASSES)
    query = {"run": "large", "pred_kind": "masks", "task": "multilabel", "scores": "dice"}
    server = Server(tmp_path)
    began = time.monotonic()
    expected = server.score(body, step=0, **query)["scores"]
    took, whole, slowest = time.monotonic() - began, {0}, 0.0
    for step, share in enumerate([0.5, 0.9, 0.99, 1.0] if SHORT else [0.3, 0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05], 1):
        answers = []
        sender = threading.Thread(target=lambda step=step: answers.append(answer_of(server, body, step=step, **query)))
        sender.start()
        time.sleep(share * took)
        server.kill()
        sender.join()
        began = time.monotonic()
        server = Server(tmp_path)
        slowest = max(slowest, time.monotonic() - began)
        there = server.get("/v1/evaluations", run="large", split="val", step=str(step))
        assert there.status_code == 200 if answers == [200] else there.status_code in (200, 404), (step, answers)
        if there.status_code == 200:
            assert there.json()["scores"] == expected
            whole.add(step)
    listed = server.get("/v1/runs/large/evaluations").json()["evaluations"]
    assert {row["step"] for row in listed} == whole
    server.stop()
    with database(tmp_path) as stored:
        assert stored.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        records = [record for (record,) in stored.execute("SELECT length(record) FROM parts")]
    assert len(records) == len(whole) and len(set(records)) == 1
    with capfd.disabled():
        print(f"\na record of {records[0] / 1e6:.1f} MB, {len(whole)} of {step + 1} there, start within {slowest:.2f} s", end="")


def answer_of(server, *args, **kwargs):
    """The status; None when the server is gone."""
    try:
        return server.post(*args, **kwargs).status_code
    except OSError:
        return None


FILE_MB, LOG_MB = 640, 500
FILL = [
    "INSERT INTO runs (project, name, created, updated) VALUES ('default', :run, 1, 1)",
    "INSERT INTO splits SELECT id, 'val', 1, 1, 1 FROM runs WHERE name = :run",
    "INSERT INTO evaluations (run, split, step, time, classes, class_count, task, threshold, scores, weights)"
    " SELECT id, 'val', 1, 1, 'a,b', 2, 0, 0.5, 'dice', '' FROM runs WHERE name = :run",
]
PART = ("INSERT INTO parts (evaluation, name, images, received, record)"
        " SELECT e.id, ?, 1, 1, ? FROM evaluations e JOIN runs r ON r.id = e.run WHERE r.name = ?")  # fmt: skip


def fill(stored, run, megabytes):
    for statement in FILL:
        stored.execute(statement, {"run": run})
    for number in range(megabytes * 10):
        stored.execute(PART, (str(number), random.randbytes(100_000), run))
        if number % 100 == 99:
            stored.commit()
    stored.commit()


@pytest.mark.skipif(SHORT, reason="the long form writes more than a gigabyte")
def test_start_with_a_long_log(tmp_path, capfd):
    """A large file, and all that a backup of it had kept in the log: served in time, and the first upload is taken."""
    server = Server(tmp_path / "data")
    server.stop()
    stored = sqlite3.connect(server.data / "maskmeter.db")
    stored.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 0")
    fill(stored, "file", FILE_MB)
    stored.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    fill(stored, "log", LOG_MB)
    left = tmp_path / "left"
    left.mkdir()
    for name in ("maskmeter.db", "maskmeter.db-wal"):
        shutil.copy(server.data / name, left / name)  # as a kill leaves them
    stored.close()
    shutil.rmtree(server.data)
    assert (left / "maskmeter.db-wal").stat().st_size > LOG_MB * 1e6
    began = time.monotonic()
    server = Server(left)
    started = time.monotonic() - began
    assert send(server.connect(), "after", 0, 0)[0] == 200
    taken = time.monotonic() - began
    assert {row["run"] for row in server.get("/v1/runs").json()["runs"]} == {"file", "log", "after"}
    server.stop()
    shutil.rmtree(left)
    with capfd.disabled():
        print(f"\n{LOG_MB} MB of log: started in {started:.2f} s, the first part taken after {taken:.2f} s", end="")
    assert started < START_SECONDS * PATIENCE


def test_retries_of_one_part(start, reference):
    """The same part a thousand times from 32 clients: one part, and the same merged bits."""
    server = start()
    turns, guard, answers = iter(range(RETRIES)), threading.Lock(), []

    def client():
        connection = server.connect()
        while True:
            with guard:
                if next(turns, None) is None:
                    return
            answers.append(send(connection, "again", 0, 3))

    threads = [threading.Thread(target=client) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == RETRIES
    for status, document in answers:
        assert status == 200 and document["scores"] == reference.answers[3]
        assert document["evaluation"]["parts_received"] == 1
    connection = server.connect()
    for part in range(PARTS):
        assert send(connection, "again", 0, part)[0] == 200
    server.stop()
    everything = {("again", 0, part) for part in range(PARTS)}
    assert check_file(server.data, reference, everything) == PARTS
