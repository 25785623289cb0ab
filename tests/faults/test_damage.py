"""test_damage.py - files of the history with flipped bytes: refused with a clear word and left alone, or served."""

import random
import shutil
import subprocess

import pytest
from durable import SHORT, Writers
from support import BINARY, SLOW, Server, eventually

PAGE = 4096
FLIPS_OF_HEADER = 12 if SHORT else 100
FLIPS_OF_PAGES = 12 if SHORT else 300


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A file of the history; and its answers."""
    server = Server(tmp_path_factory.mktemp("good"))
    writers = Writers(server, "run", 2)
    eventually(lambda: len(writers.acknowledged) >= 60, 20)
    writers.stop()
    listing = server.get("/v1/runs").json()
    server.stop()
    return server.data / "maskmeter.db", listing


def offered(tmp_path, path):
    """A folder with that file, and nothing else."""
    folder = tmp_path / "data"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(path, folder / "maskmeter.db")
    return folder


def refused(folder):
    """The server's word; it must have left with 1 and the file as it was."""
    before = (folder / "maskmeter.db").read_bytes()
    done = subprocess.run([BINARY, "serve", "--listen", "127.0.0.1:0", "--data", folder], capture_output=True, text=True,
                          timeout=30 * SLOW, check=False)  # fmt: skip
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert (folder / "maskmeter.db").read_bytes() == before
    return done.stderr


def starts(folder):
    try:
        return Server(folder)
    except AssertionError:
        return None


def judge(folder, listing, where):
    """Refused, or fit to be served: never a crash, and no answer that is made up."""
    server = starts(folder)
    if server is None:
        said = refused(folder)
        assert "maskmeter serve: " in said and "maskmeter.db" in said, (where, said)
        return "refused"
    answer = server.get("/v1/runs")
    assert answer.status_code in (200, 500), (where, answer.text)
    if answer.status_code == 200 and answer.json()["runs"]:
        assert answer.json()["runs"][0]["run"] == listing["runs"][0]["run"], where
    assert server.get("/healthz").status_code == 200
    server.signal(15)
    assert server.wait() in (0, 1), where
    return "served"


def flipped(tmp_path, path, offset, bits):
    folder = offered(tmp_path, path)
    with open(folder / "maskmeter.db", "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ bits]))
    return folder


def test_flipped_bytes_of_the_header(tmp_path, good):
    """All that says what kind of file this is: magic, size of a page, application, version, encoding, number of pages."""
    path, listing = good
    rng = random.Random(3)
    certain = [0, 15, 16, 17, 31, 59, 63, 68, 71]
    others = [offset for offset in range(100) if offset not in certain]
    verdicts = {}
    for offset in certain + rng.sample(others, min(len(others), FLIPS_OF_HEADER - len(certain))):
        verdicts[offset] = judge(flipped(tmp_path, path, offset, 0xFF), listing, offset)
    for offset in (0, 15, 16, 63, 68, 71):
        assert verdicts[offset] == "refused", verdicts


def test_flipped_bytes_of_pages(tmp_path, good):
    """The trees are looked through at the start; what lies in a row is the row's."""
    path, listing = good
    rng, refusals = random.Random(4), 0
    pages = path.stat().st_size // PAGE
    for number in range(FLIPS_OF_PAGES):
        page = rng.randrange(1, pages)
        offset = page * PAGE + (rng.randrange(0, 12) if number % 2 else rng.randrange(0, PAGE))
        refusals += judge(flipped(tmp_path, path, offset, 1 << rng.randrange(8)), listing, offset) == "refused"
    assert refusals > FLIPS_OF_PAGES / 10


@pytest.mark.parametrize("name, words", [
    ("garbage", "damaged"), ("text", "damaged"), ("cut in a page", "damaged"), ("cut between pages", "damaged"),
    ("an image", "damaged"), ("pages swapped", "damaged"),
])
def test_what_is_no_history_is_refused(tmp_path, good, name, words):
    data = good[0].read_bytes()
    other = {
        "garbage": random.Random(5).randbytes(50000),
        "text": b"weights,epoch\n" * 500,
        "cut in a page": data[: 7 * PAGE + 900],
        "cut between pages": data[: 7 * PAGE],
        "an image": b"\x89PNG\r\n\x1a\n" + data[8:],
        "pages swapped": data[: 2 * PAGE] + data[5 * PAGE : 6 * PAGE] + data[3 * PAGE : 5 * PAGE]
        + data[2 * PAGE : 3 * PAGE] + data[6 * PAGE :],
    }[name]  # fmt: skip
    folder = offered(tmp_path, good[0])
    (folder / "maskmeter.db").write_bytes(other)
    assert words in refused(folder)
    assert "backup" in refused(folder)
