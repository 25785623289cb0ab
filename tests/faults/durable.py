"""durable.py - what the tests of durability share: parts that are all alike, and what must be there of them."""

import http.client
import json
import os
import sqlite3
import threading

from support import SLOW, safetensors, softmax_case

SHORT = bool(os.environ.get("MASKMETER_TEST_SHORT"))
SCORES = "dice,cross_entropy"
PARTS = 8  # of an evaluation, and kinds of bodies

_probs, _label = softmax_case(images=PARTS, spatial=(8, 10), seed=16)
BODIES = [safetensors({"pred": _probs[n : n + 1], "label": _label[n : n + 1]}) for n in range(PARTS)]


def number_from(name, short, long):
    """How much to do: as the environment says, else by the form of the tests."""
    return int(os.environ.get(name) or (short if SHORT else long))


def target(run, step, part):
    return (f"/v1/evaluations?run={run}&step={step}&part={part}&parts={PARTS}&image_ids=image{part}&scores={SCORES}"
            "&include=images")  # fmt: skip


def send(connection, run, step, part):
    """(status, document) of part number `part`, which has the body and the image id of its number wherever it goes."""
    headers = {"Content-Type": "application/octet-stream"}
    connection.request("POST", target(run, step, part), BODIES[part], headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


class Reference:
    """What a server that nobody disturbs says and stores of the same parts."""

    def __init__(self, server):
        connection = server.connect()
        self.answers = []
        for part in range(PARTS):
            status, document = send(connection, "reference", 0, part)
            assert status == 200, document
            self.answers.append(document["scores"])
        self.rows = [[score["per_image"] for score in answer] for answer in self.answers]
        self.merged = merged(server, "reference", 0)["scores"]
        server.stop()
        self.records, self.values = {}, None
        with database(server.data) as stored:
            for name, record in stored.execute("SELECT name, record FROM parts"):
                self.records[int(name)] = record
            self.values = values_of(stored, "reference", 0)
        assert len(self.records) == PARTS and len(self.values) > PARTS


def merged(server, run, step):
    """The merged evaluation, or None."""
    answer = server.get("/v1/evaluations", run=run, split="val", step=str(step), include="images")
    if answer.status_code == 404:
        return None
    assert answer.status_code == 200, answer.text
    return answer.json()


class database:
    """The file itself, read while no server has it: `with database(folder) as connection`."""

    def __init__(self, folder):
        self.path = folder / "maskmeter.db"

    def __enter__(self):
        self.connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
        return self.connection

    def __exit__(self, *_):
        self.connection.close()


def values_of(stored, run, step):
    """Every value that the charts would show of an evaluation."""
    chosen = "(SELECT e.id FROM evaluations e JOIN runs r ON r.id = e.run WHERE r.name = ? AND e.step = ?)"
    return [
        *stored.execute(f"SELECT position, value, reason FROM scores WHERE evaluation IN {chosen} ORDER BY 1",
                        (run, step)),
        *stored.execute("SELECT position, class, value, reason FROM class_scores"
                        f" WHERE evaluation IN {chosen} ORDER BY 1, 2", (run, step)),
        *stored.execute(f"SELECT class, label, pred FROM class_voxels WHERE evaluation IN {chosen} ORDER BY 1",
                        (run, step)),
    ]  # fmt: skip


def check_evaluation(server, reference, run, step, acknowledged, perhaps):
    """Through HTTP: all that was acknowledged, nothing that was never sent, each image's scores as they were said."""
    document = merged(server, run, step)
    found = [] if document is None else [int(name.removeprefix("image")) for name in document["image_ids"]]
    assert len(found) == len(set(found)), ("twice", run, step, found)
    assert acknowledged <= set(found) <= acknowledged | perhaps, (run, step, acknowledged, found)
    if document is None:
        return
    assert document["evaluation"]["parts_received"] == len(found)
    for index, score in enumerate(document["scores"]):
        assert score["per_image"] == [reference.rows[part][index][0] for part in found], (run, step)
    if len(found) == PARTS:
        assert document["scores"] == reference.merged


def check_file(folder, reference, acknowledged):
    """In the file: sound; every acknowledged (run, step, part) once with its record, byte for byte; merged scores of
    whole evaluations bit for bit.  Returns how many parts there are."""
    with database(folder) as stored:
        assert stored.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert not stored.execute("PRAGMA foreign_key_check").fetchall()
        found = set()
        for run, step, name, record in stored.execute(
            "SELECT r.name, e.step, p.name, p.record FROM parts p JOIN evaluations e ON e.id = p.evaluation"
            " JOIN runs r ON r.id = e.run"
        ):
            key = (run, step, int(name))
            assert key not in found, ("twice", key)
            assert record == reference.records[int(name)], key
            found.add(key)
        assert acknowledged <= found, ("lost", sorted(acknowledged - found))
        wrong = stored.execute(
            "SELECT id FROM evaluations e WHERE parts_received <> (SELECT count(*) FROM parts WHERE evaluation = e.id)"
            " OR images <> parts_received"
        ).fetchall()
        assert not wrong
        full = {(run, step) for run, step, _ in found if all((run, step, part) in found for part in range(PARTS))}
        for run, step in full:
            assert values_of(stored, run, step) == reference.values, (run, step)
    return len(found)


class Writers:
    """Threads that each send evaluation after evaluation of a run until the server is gone or stop() is called.

    acknowledged: what got a 200; sent: what was begun.  A part whose answer never came may be there or not."""

    def __init__(self, server, run, count, first_step=0, allowed=()):
        self.run, self.allowed = run, set(allowed)
        self.guard, self.halt = threading.Lock(), threading.Event()
        self.acknowledged, self.sent, self.refused, self.wrong = set(), set(), [], []
        self.port = server.port
        self.threads = [
            threading.Thread(target=self._write, args=(first_step + number, count), daemon=True)
            for number in range(count)
        ]
        for thread in self.threads:
            thread.start()

    def _write(self, step, stride):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30 * SLOW)
        while not self.halt.is_set():
            for part in range(PARTS):
                if self.halt.is_set():
                    return
                key = (self.run, step, part)
                with self.guard:
                    self.sent.add(key)
                try:
                    status, document = send(connection, *key)
                except (OSError, http.client.HTTPException, ValueError):
                    return  # the server is gone
                with self.guard:
                    if status == 200:
                        self.acknowledged.add(key)
                    elif status in self.allowed:
                        self.refused.append((key, status))
                    else:
                        self.wrong.append((key, status, document))
                        return
            step += stride

    def stop(self):
        self.halt.set()
        return self.join()

    def join(self):
        for thread in self.threads:
            thread.join(60 * SLOW)
            assert not thread.is_alive(), "a request never ended"
        assert not self.wrong, self.wrong[0]
        return self

    def check(self, server, reference):
        """Of the server that runs now."""
        for run, step in sorted({key[:2] for key in self.sent}):
            acknowledged = {part for r, s, part in self.acknowledged if (r, s) == (run, step)}
            sent = {part for r, s, part in self.sent if (r, s) == (run, step)}
            check_evaluation(server, reference, run, step, acknowledged, sent)
