"""test_readme.py - the README says what the program does: its tables are fresh, its commands and files are there."""
import json
import re
import subprocess
import sys

import pytest

from support import BINARY, ROOT, data_file

sys.path.insert(0, str(ROOT / "tests"))
import readme  # noqa: E402

TEXT = readme.README.read_text()


def test_tables_are_fresh():
    assert readme.renewed(TEXT, str(BINARY)) == TEXT, "README.md is stale: run `make readme`"


def test_a_stale_table_is_noticed():
    """Each part that the program writes comes back when a line of it is gone."""
    for name in readme.PARTS:
        start, end = TEXT.index(f"<!-- {name}:"), TEXT.index(f"<!-- /{name} -->")
        lines = TEXT[start:end].splitlines(keepends=True)
        assert len(lines) > 5, name
        stale = TEXT[:start] + "".join(lines[:4] + lines[5:]) + TEXT[end:]
        assert readme.renewed(stale, str(BINARY)) == TEXT, name


def test_every_score_is_named(server):
    """Natural scores have a row; a peer's function stands in the row of its peer."""
    peers = dict(re.findall(r"^\| `(\w+)\.` \| (.*) \|$", TEXT, flags=re.MULTILINE))
    for row in server.get("/v1/scores").json()["scores"]:
        for name in [row["name"], *row["aliases"]]:
            peer, dot, function = name.partition(".")
            if dot:
                assert f"`{function}`" in peers[peer].split(", "), name
            else:
                assert re.search(rf"^\| `{row['name']}`.*`{name}`|^\| `{name}`", TEXT, flags=re.MULTILINE), name


def test_curl_works(server):
    (command,) = re.findall(r"^curl .*?(?<!\\)$", TEXT, flags=re.MULTILINE | re.DOTALL)
    command = command.replace("http://127.0.0.1:8080", server.url)
    out = subprocess.run(f"{command} -sS --fail", shell=True, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    assert [row["name"] for row in json.loads(out)["classes"]] == ["background", "liver", "gallbladder", "kidney_right"]


def test_problem_is_what_is_shown(server):
    (shown,) = map(json.loads, re.findall(r"^{.type.*}$", TEXT, flags=re.MULTILINE))
    answer = server.post(data_file("demo.safetensors")[0], scores="dice,iuo").json()
    assert {**answer, "request_id": shown["request_id"]} == shown


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`)make ([a-z-]+)", TEXT, flags=re.MULTILINE))))
def test_make_targets_exist(target):
    subprocess.run(["make", "-n", "-s", target], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:lib|proto|server|tests|deploy)/[\w./*-]+)`", TEXT))))
def test_files_exist(path):
    assert list(ROOT.glob(path.rstrip("/"))), path


@pytest.mark.parametrize("path", ["Dockerfile", "deploy/compose.yaml", "CHANGELOG.md", "proto/openapi.yaml"])
def test_versions_agree(path):
    (version,) = re.findall(r'#define MM_VERSION "(.*)"', (ROOT / "lib" / "maskmeter.h").read_text())
    assert version in (ROOT / path).read_text()
