"""test_page.py - the built-in page as files: headers, names, what they refer to; and `maskmeter demo`, which fills it.

What the page does in a browser is tested in tests/browser.
"""

import hashlib
import re
import subprocess

import pytest
import requests
from support import BINARY, ROOT, SLOW, problem

PAGE = ROOT / "server" / "page"
POLICY = {
    "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "connect-src": "'self'",
    "img-src": "'self' data:", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'",
}


def links(text):
    return sorted(set(re.findall(r'"(/page/[^"]*)"', text)))


@pytest.fixture(scope="module")
def files(server):
    """{address: answer} of everything that the page refers to, and what that refers to."""
    found, left = {}, ["/"]
    while left:
        address = left.pop()
        found[address] = server.get(address)
        assert found[address].status_code == 200, address
        left += [link for link in links(found[address].text) if link not in found]
    return found


def test_the_document(server):
    answer = server.get("/")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache" and answer.headers["X-Content-Type-Options"] == "nosniff"
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy == POLICY


def test_every_source_is_served_under_a_name_of_its_content(files):
    sources = {path.name for path in PAGE.iterdir() if path.suffix in (".js", ".css", ".svg")}
    sources |= {"uPlot.iife.min.js", "uPlot.min.css", "LICENSE"}
    digests = {re.search(r"\.([0-9a-f]{16})", address).group(1) for address in files if address != "/"}
    served = {re.sub(r"\.[0-9a-f]{16}", "", address.rsplit("/", 1)[1]) for address in files if address != "/"}
    assert served == sources and len(digests) == 1
    for address, answer in files.items():
        if address != "/":
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_types(files):
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    for address, answer in files.items():
        for suffix, kind in kinds.items():
            if address.endswith(suffix):
                assert answer.headers["Content-Type"].split(";")[0] == kind


def test_nothing_comes_from_elsewhere(files):
    """No address of another origin, no script or style inside the document, nothing that makes markup of text."""
    document = files["/"].text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\son\w+=|javascript:", document)
    for address, answer in files.items():
        if "uPlot" not in address and "LICENSE" not in address:
            assert set(re.findall(r"https?://[^\s\"'`<>]+", answer.text)) <= {"http://www.w3.org/2000/svg"}, address
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", answer.text)


def test_tags_and_gzip(server, files):
    for address, whole in files.items():
        plain = server.request("GET", address, headers={"Accept-Encoding": "identity"})
        packed = server.request("GET", address, headers={"Accept-Encoding": "gzip"})
        assert plain.text == packed.text == whole.text
        assert (packed.headers.get("Content-Encoding") == "gzip") == (len(plain.content) > 1024)
        again = server.request("GET", address, headers={"If-None-Match": plain.headers["ETag"]})
        assert again.status_code == 304 and again.content == b""
    head = server.request("HEAD", "/")
    assert head.status_code == 200 and head.content == b""


def test_other_names_are_not_there(server):
    for name in ("page.js", "..%2Froutes.c", "nowhere", "%00", ""):
        assert server.request("GET", "/page/" + name).status_code in (400, 404)
    problem(server.get("/page/page.js"), 404, says="load it again")


def test_uplot_is_the_one_that_its_table_names():
    rows = re.findall(r"\| SHA-256 \| `([0-9a-f]{64})` (\S+)", (PAGE / "uplot" / "README.md").read_text())
    assert {name for _, name in rows} == {"uPlot.iife.min.js", "uPlot.min.css", "LICENSE"}
    for digest, name in rows:
        assert hashlib.sha256((PAGE / "uplot" / name).read_bytes()).hexdigest() == digest


# ---------------------------------------------------------------------------------------------------- demo


def demo(*args, code=0):
    done = subprocess.run([str(BINARY), "demo", *args], capture_output=True, text=True, timeout=60 * SLOW)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done


def test_demo_fills_two_runs(start):
    server = start()
    assert server.url + "/" in demo("--url", server.url, "--steps=4").stdout
    runs = {row["run"]: row for row in server.get("/v1/runs").json()["runs"]}
    assert {name: row["tags"]["network"] for name, row in runs.items()} == {"demo-small": "small", "demo-large": "large"}
    for name in runs:
        rows = server.get(f"/v1/runs/{name}/evaluations").json()["evaluations"]
        assert [row["step"] for row in sorted(rows, key=lambda row: row["time"])] == [50, 100, 150, 200]
        dice = [row["scores"]["dice"] for row in sorted(rows, key=lambda row: row["step"])]
        assert dice == sorted(dice) and dice[-1] > dice[0] + 0.1
    demo("--url", server.url, "--steps=4")
    assert {row["run"]: row["evaluations"] for row in server.get("/v1/runs").json()["runs"]} == {name: 4 for name in runs}


def test_demo_with_pauses_goes_on_now(start):
    server = start()
    demo("--url", server.url, "--steps=2", "--pause=1")
    times = {
        (run, row["step"]): row["time"]
        for run in ("demo-small", "demo-large") for row in server.get(f"/v1/runs/{run}/evaluations").json()["evaluations"]
    }
    order = sorted(times, key=times.get)
    assert [step for _, step in order] == [50, 50, 100, 100]


@pytest.mark.parametrize("args", [
    ["--steps=0"], ["--steps=x"], ["--steps=1001"], ["--pause=-1"], ["--pause"], ["--url=ftp://x"], ["--nonsense=1"], ["file"],
])
def test_demo_flags(args):
    assert "--help" in demo(*args, code=2).stderr


def test_demo_failures(start):
    assert "--steps" in demo("--help").stdout
    assert demo("--url=http://127.0.0.1:1", code=1).stderr
    server = start("--max-classes", "2")
    assert "400" in demo("--url", server.url, code=1).stderr
    assert requests.get(server.url + "/v1/runs").json()["runs"] == []
