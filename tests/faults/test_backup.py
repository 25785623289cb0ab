"""test_backup.py - `maskmeter backup` while a server writes, `maskmeter restore`, and what both refuse."""

import hashlib
import os
import pathlib
import pty
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import tempfile

import pytest
from durable import PARTS, SHORT, Reference, Writers, check_file, database
from support import BINARY, SLOW, Server, eventually, problem, small_file
from test_full_disk import may_mount

ROUNDS = 3 if SHORT else 50
WRITERS = 4
GOOD = small_file()


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


@pytest.mark.skipif(not may_mount(), reason="nothing can be mounted here: test_no_room_for_the_copy stands in")
def test_a_full_disk_for_the_copy(tmp_path, stored):
    """It says so, leaves nothing there, and what was there stays."""
    (tmp_path / "disk").mkdir()
    script = ('mount -t tmpfs -o size=128k tmpfs disk && echo precious > disk/copy && "$@" backup --force disk/copy;'
              " echo $?; cat disk/*; ls disk")  # fmt: skip
    data = {**os.environ, "MASKMETER_DATA": str(stored[0])}
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script, "sh", BINARY], capture_output=True, text=True, env=data,
                          cwd=tmp_path, timeout=60 * SLOW, check=False)  # fmt: skip
    assert done.stdout == "1\nprecious\ncopy\n", done
    assert "full" in done.stderr or "No space" in done.stderr, done.stderr


@pytest.mark.parametrize("through", ["itself", "a link"])
def test_no_copy_takes_the_place_of_the_history(start, tmp_path, through):
    """Not even when told: a server would go on in a file that has no name any more."""
    server = start()
    server.score(GOOD, run="before", step=1)
    folder = server.data
    if through == "a link":
        folder = tmp_path / "link"
        folder.symlink_to(server.data)
    for name in ("maskmeter.db", "maskmeter.db-wal", "maskmeter.db-shm", "maskmeter.lock", "admin.sock"):
        before = os.stat(server.data / name).st_ino
        assert "belongs to the history" in command("backup", "--data", server.data, "--force", folder / name, code=1)
        assert os.stat(server.data / name).st_ino == before
    assert not [name for name in names(server.data) if "partial" in name]
    server.score(GOOD, run="after", step=1)
    assert len(server.get("/v1/runs").json()["runs"]) == 2


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "pipe", "socket"])
def test_a_copy_replaces_files_only(tmp_path, stored, kind):
    """A link, or a device, in whose place a copy came would be gone."""
    path, precious = tmp_path / "copy", tmp_path / "precious"
    precious.write_text("precious")
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
    else:
        path.symlink_to(precious if kind == "link" else tmp_path / "nowhere")
    mode, there = os.lstat(path).st_mode, names(tmp_path)
    for force in ([], ["--force"]):
        assert "no file" in command("backup", "--data", stored[0], *force, path, code=1)
    assert os.lstat(path).st_mode == mode and precious.read_text() == "precious"
    assert names(tmp_path) == there


NOBODY = 54321


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_without_permission(stored):
    """To the history, and to the folder of the copy: said, and nothing is left there."""
    binary = os.open(BINARY, os.O_RDONLY)  # the folders on the way to it may be closed to others
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        shutil.copytree(stored[0], folder / "closed")
        shutil.copytree(stored[0], folder / "own")
        for path in (folder / "own", *(folder / "own").iterdir()):
            os.chown(path, NOBODY, NOBODY)
        (folder / "closed").chmod(0o700)
        for data, place, words in (("closed", "own/copy", "closed/maskmeter.db"), ("own", "copy", "copy.partial")):
            done = subprocess.run([f"/proc/self/fd/{binary}", "backup", "--data", data, place], capture_output=True,
                                  text=True, cwd=folder, user=NOBODY, group=NOBODY, extra_groups=[], pass_fds=[binary],
                                  timeout=60 * SLOW, check=False)  # fmt: skip
            assert done.returncode == 1 and words in done.stderr and "Permission denied" in done.stderr, done
        assert not [path for path in folder.rglob("*") if "copy" in path.name]
    os.close(binary)


# ------------------------------------------------------------------------------------------- interrupted


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A history that takes a while to copy, and a copy of it."""
    folder = tmp_path_factory.mktemp("large")
    server = Server(folder / "data")
    server.score(GOOD, run="large", step=1)
    server.stop()
    with sqlite3.connect(folder / "data" / "maskmeter.db") as filled:
        filled.execute("PRAGMA synchronous = OFF")
        filled.execute("CREATE TABLE filler (bytes BLOB)")
        filled.execute("INSERT INTO filler VALUES (zeroblob(400000000))")
    filled.close()
    yield folder
    shutil.rmtree(folder)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def prepare(number, action):
    if number != signal.SIGKILL:
        signal.signal(number, action)


def interrupted(verb, data, path, number, action=signal.SIG_DFL):
    """The exit code, once it was told in the middle of its work."""
    process = subprocess.Popen([BINARY, verb, "--data", data, "--force", path], stderr=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, preexec_fn=lambda: prepare(number, action))  # fmt: skip
    folder = path.parent if verb == "backup" else data
    eventually(lambda: any("partial" in name for name in names(folder)))
    process.send_signal(number)
    process.communicate(timeout=60 * SLOW)
    return process.returncode


ENDINGS = [signal.SIGTERM] if SHORT else [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL]


@pytest.mark.parametrize("number", ENDINGS)
def test_a_copy_that_is_interrupted(tmp_path, large, number):
    """Nothing of it is left, but by a kill, and then under another name; what was to be replaced is as it was."""
    path, data = tmp_path / "copy", large / "data"
    path.write_text("precious")
    before = digest(data / "maskmeter.db")
    assert interrupted("backup", data, path, number) == -number
    assert len(names(tmp_path)) == (2 if number == signal.SIGKILL else 1)
    assert path.read_text() == "precious" and digest(data / "maskmeter.db") == before


@pytest.mark.skipif(SHORT, reason="the long form takes the time for it")
def test_a_signal_that_is_ignored(tmp_path, large):
    """Under nohup a copy goes on when the terminal is gone."""
    assert interrupted("backup", large / "data", tmp_path / "copy", signal.SIGHUP, signal.SIG_IGN) == 0
    assert names(tmp_path) == ["copy"]


@pytest.mark.skipif(SHORT, reason="the long form takes the time for it")
@pytest.mark.parametrize("number", ENDINGS)
def test_a_restore_that_is_interrupted(start, tmp_path, large, stored, number):
    """The history that is there is as it was, and served."""
    copy, data = tmp_path / "copy", tmp_path / "data"
    command("backup", "--data", large / "data", copy)
    shutil.copytree(stored[0], data)
    before = digest(data / "maskmeter.db")
    assert interrupted("restore", data, copy, number) == -number
    assert digest(data / "maskmeter.db") == before
    partial = [name for name in names(data) if "partial" in name]
    assert len(partial) == (number == signal.SIGKILL)
    server = start(data=data)
    assert server.get("/v1/runs/kept").status_code == 200
    server.stop()
    command("restore", "--data", data, "--force", copy)
    assert start(data=data).get("/v1/runs/large").status_code == 200


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


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_what_is_no_file_is_not_restored(tmp_path, kind):
    """Nor waited for."""
    path = tmp_path / "copy"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path = pathlib.Path("/dev/null")
    assert "is no file" in command("restore", "--data", tmp_path / "data", path, code=1)
    assert names(tmp_path / "data") == ["maskmeter.lock"]


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
