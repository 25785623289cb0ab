"""test_backup.py - `maskmeter backup` while a server writes, `maskmeter restore`, and what both refuse."""

import os
import pty
import shutil
import signal
import sqlite3
import stat
import subprocess

import pytest
from durable import PARTS, SHORT, Reference, Writers, check_file, database
from support import BINARY, SLOW, Server, eventually, problem

ROUNDS = 3 if SHORT else 50
WRITERS = 4


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return Reference(Server(tmp_path_factory.mktemp("reference")))


@pytest.fixture(scope="module")
def stored(tmp_path_factory, reference):
    """A folder with a history of 40 parts, not in use; and what is in it."""
    server = Server(tmp_path_factory.mktemp("stored"))
    writers = Writers(server, "kept", 1)
    eventually(lambda: len(writers.acknowledged) >= 40, 20)
    writers.stop()
    server.stop()
    return server.data, writers.acknowledged


class database_at(database):
    def __init__(self, path):
        self.path = path


def command(name, *args, code=0, **kwargs):
    done = subprocess.run([BINARY, name, *map(str, args)], capture_output=True, text=True, timeout=60 * SLOW,
                          check=False, **kwargs)  # fmt: skip
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def restored(path, folder):
    """A backup as a history of its own."""
    command("restore", "--data", folder, path)
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# ---------------------------------------------------------------------------------------------------- backup


def test_backup_while_the_server_writes(start, tmp_path, reference):
    """Holds all that was acknowledged before it began, whole parts only, and the server goes on meanwhile."""
    server = start()
    writers = Writers(server, "busy", WRITERS)
    for number in range(ROUNDS):
        before = len(writers.acknowledged)
        eventually(lambda before=before: len(writers.acknowledged) > before + 50, 30)
        with writers.guard:
            acknowledged = set(writers.acknowledged)
        path = tmp_path / f"backup{number}"
        assert "undamaged" in command("backup", "--data", server.data, path)
        with writers.guard:
            sent = len(writers.sent)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert acknowledged
        found = check_file(restored(path, tmp_path / f"restored{number}"), reference, acknowledged)
        assert len(acknowledged) <= found <= sent
    writers.stop()
    assert not [name for name in names(tmp_path) if "partial" in name]
    server.stop()
    check_file(server.data, reference, writers.acknowledged)


def test_restored_history_is_served(start, tmp_path, stored, reference):
    folder, acknowledged = stored
    path = tmp_path / "backup"
    command("backup", f"--data={folder}", path)
    data = restored(path, tmp_path / "new")
    server = start(data=data)
    steps = {step for _, step, _ in acknowledged}
    assert server.get("/v1/runs/kept").json()["evaluations"] == len(steps)
    server.stop()
    assert check_file(data, reference, acknowledged) >= len(acknowledged)


def test_backup_after_a_kill(tmp_path, reference):
    """The log that a killed server left is part of the history; the backup leaves it to the next server."""
    (tmp_path / "data").mkdir()
    server = Server(tmp_path / "data")
    writers = Writers(server, "killed", 2)
    eventually(lambda: len(writers.acknowledged) >= 30, 20)
    server.kill()
    writers.join()
    size = (server.data / "maskmeter.db-wal").stat().st_size
    assert size > 0
    command("backup", "--data", server.data, tmp_path / "copy")
    assert (server.data / "maskmeter.db-wal").stat().st_size == size
    check_file(restored(tmp_path / "copy", tmp_path / "other"), reference, writers.acknowledged)
    again = Server(server.data)
    writers.check(again, reference)
    again.stop()


def test_backup_overwrites_only_when_told(tmp_path, stored):
    folder, _ = stored
    path = tmp_path / "copy"
    path.write_text("precious")
    assert "--force" in command("backup", "--data", folder, path, code=1)
    assert path.read_text() == "precious" and names(tmp_path) == ["copy"]
    command("backup", "--data", folder, "--force", path)
    with database_at(path) as copied:
        assert copied.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    assert names(tmp_path) == ["copy"]


def test_where_nothing_can_be_copied(tmp_path, stored):
    folder, _ = stored
    assert "no history" in command("backup", "--data", tmp_path, tmp_path / "copy", code=1)
    assert "No such file" in command("backup", "--data", folder, tmp_path / "no" / "copy", code=1)
    assert not names(tmp_path)
    for args in ((), ("a", "b"), ("--nonsense", "a"), ("--data",), ("--data=", "a")):
        for name in ("backup", "restore"):
            assert "Try 'maskmeter" in command(name, *args, code=2)


def test_no_room_for_the_copy(tmp_path, stored):
    folder, _ = stored
    limit = f"trap '' XFSZ; ulimit -f 40; exec {BINARY} backup --data {folder} {tmp_path}/copy"
    done = subprocess.run(["sh", "-c", limit], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "cannot" in done.stderr, done
    assert not names(tmp_path)


def test_a_signal_leaves_nothing_behind(tmp_path):
    """Stopped in the middle of a large copy."""
    folder = tmp_path / "data"
    folder.mkdir()
    Server(folder).stop()
    with sqlite3.connect(folder / "maskmeter.db") as large:
        large.execute("PRAGMA synchronous = OFF")
        large.execute("CREATE TABLE filler (bytes BLOB)")
        large.execute("INSERT INTO filler VALUES (zeroblob(400000000))")
    large.close()
    process = subprocess.Popen([BINARY, "backup", "--data", folder, tmp_path / "copy"], stderr=subprocess.PIPE)
    eventually(lambda: any("partial" in name for name in names(tmp_path)))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20 * SLOW)
    assert process.returncode == -signal.SIGTERM
    assert names(tmp_path) == ["data"]


def test_progress_on_a_terminal(tmp_path, stored):
    folder, _ = stored
    mine, theirs = pty.openpty()
    subprocess.run([BINARY, "backup", "--data", folder, tmp_path / "copy"], stderr=theirs, check=True)
    os.close(theirs)
    assert b"100 %" in os.read(mine, 4096)
    os.close(mine)


# --------------------------------------------------------------------------------------------------- restore


@pytest.fixture
def copy(tmp_path, stored):
    path = tmp_path / "copy"
    command("backup", "--data", stored[0], path)
    return path


def test_restore_does_not_touch_a_running_server(start, copy):
    server = start()
    assert "a server uses" in command("restore", "--data", server.data, "--force", copy, code=1)
    problem(server.get("/v1/runs/kept"), 404)


def test_restore_keeps_what_was_there(start, tmp_path, copy, stored, reference):
    """Refused without --force; with it the old history and its log stay beside the new one, whole."""
    server = start()
    writers = Writers(server, "old", 1)
    eventually(lambda: len(writers.acknowledged) >= 20, 20)
    server.kill()
    writers.join()
    server.process = None
    before = names(server.data)
    assert "--force" in command("restore", "--data", server.data, copy, code=1)
    assert names(server.data) == before
    said = command("restore", "--data", server.data, "--force", copy)
    kept = next(path for path in server.data.iterdir() if ".before-" in path.name and not path.name.endswith("-wal"))
    assert str(kept) in said
    check_file(server.data, reference, stored[1])
    old = tmp_path / "old"
    old.mkdir()
    kept.rename(old / "maskmeter.db")
    kept.with_name(kept.name + "-wal").rename(old / "maskmeter.db-wal")
    again = start(data=old)
    writers.check(again, reference)
    again.stop()
    check_file(old, reference, writers.acknowledged)


def spoil_header(path):
    with open(path, "r+b") as file:
        file.write(b"Something else entirely")


def spoil_page(path):
    with open(path, "r+b") as file:
        file.seek(5 * 4096)
        file.write(bytes([0xA5]) * 4096)


def sql(text):
    def change(path):
        with sqlite3.connect(path) as connection:
            connection.executescript(text)
        connection.close()

    return change


@pytest.mark.parametrize("spoil, words", [
    (spoil_header, "damaged, or not a history"),
    (spoil_page, "damaged, or not a history"),
    (lambda path: os.truncate(path, 9 * 4096 + 100), "damaged, or not a history"),
    (lambda path: os.truncate(path, 0), "empty"),
    (lambda path: path.write_bytes(os.urandom(30000)), "damaged, or not a history"),
    (sql("PRAGMA user_version = 1000"), "newer version"),
    (sql("PRAGMA application_id = 7"), "another program"),
    (sql("PRAGMA application_id = 0"), "another program"),
    (lambda path: path.with_name("copy-wal").write_bytes(b"x"), "has a log beside it"),
    (lambda path: path.unlink(), "No such file"),
])  # fmt: skip
def test_a_bad_copy_is_refused(tmp_path, copy, stored, spoil, words):
    """And the history that is there stays as it is, with nothing left beside it."""
    data = tmp_path / "data"
    shutil.copytree(stored[0], data)
    before = {name: (data / name).read_bytes() for name in names(data)}
    spoil(copy)
    assert words in command("restore", "--data", data, "--force", copy, code=1)
    assert {name: (data / name).read_bytes() for name in names(data)} == before
