"""test_sbom.py - what `make sbom` writes: valid by SPDX's own schema, and in agreement with the binary and the files."""

import copy
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

import jsonschema
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("MASKMETER_BIN", ROOT / "build" / "maskmeter")).resolve()
SCHEMA = (ROOT / "tests" / "deploy" / "spdx-2.3.json").read_bytes()


def write():
    env = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    command = [sys.executable, ROOT / "tests" / "sbom.py", BINARY]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.fixture(scope="module")
def text():
    return write()


@pytest.fixture(scope="module")
def document(text):
    return json.loads(text)


@pytest.fixture(scope="module")
def packages(document):
    return {package["name"]: package for package in document["packages"]}


def complaints(document):
    return [error.message for error in jsonschema.Draft7Validator(json.loads(SCHEMA)).iter_errors(document)]


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sum_of(item):
    return {row["algorithm"]: row["checksumValue"] for row in item["checksums"]}["SHA256"]


def test_it_follows_the_specification(document):
    assert hashlib.sha256(SCHEMA).hexdigest() in (ROOT / "tests/deploy/SOURCES.md").read_text()
    assert complaints(document) == []
    wrong = copy.deepcopy(document)
    del wrong["creationInfo"]["created"]
    wrong["packages"][0]["checksums"][0]["algorithm"] = "CRC32"
    wrong["relationships"][0]["relationshipType"] = "NEEDS"
    assert len(complaints(wrong)) == 3


def test_names_are_one_each_and_relations_hold_on_to_something(document):
    """Which the schema cannot say."""
    ids = [item["SPDXID"] for item in (document, *document["packages"], *document["files"])]
    assert len(set(ids)) == len(ids)
    linked = {document["SPDXID"]}
    for relation in document["relationships"]:
        assert {relation["spdxElementId"], relation["relatedSpdxElement"]} <= set(ids)
        linked.add(relation["relatedSpdxElement"])
    assert linked == set(ids)


def test_it_describes_this_binary(document, packages):
    version = subprocess.run([BINARY, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    assert packages["maskmeter"]["versionInfo"] in version and packages["maskmeter"]["licenseDeclared"] == "Apache-2.0"
    assert sum_of(packages["maskmeter"]) == sha256(BINARY) and sha256(BINARY) in document["documentNamespace"]


def test_every_library_is_listed(document, packages):
    """As the loader itself tells: with a version, and for those that we link a licence."""
    traced = subprocess.run([BINARY, "--version"], env={**os.environ, "LD_TRACE_LOADED_OBJECTS": "1"}, capture_output=True,
                            text=True, timeout=30, check=True).stdout
    loaded = dict(re.findall(r"(\S+\.so\S*) => (/\S+)", traced))
    assert set(packages) == {"maskmeter", "uPlot", *loaded} and len(loaded) >= 9
    for name, path in loaded.items():
        assert sum_of(packages[name]) == sha256(pathlib.Path(path)) and re.search(r"\d", packages[name]["versionInfo"])
    linked = {relation["relatedSpdxElement"] for relation in document["relationships"]
              if (relation["spdxElementId"], relation["relationshipType"]) == ("SPDXRef-maskmeter", "DYNAMIC_LINK")}
    asked = subprocess.run(["readelf", "-dW", BINARY], capture_output=True, text=True, timeout=30, check=True).stdout
    assert linked == {f"SPDXRef-{name}" for name in re.findall(r"\(NEEDED\).*\[(.+)\]", asked)}
    for package in packages.values():
        if package["SPDXID"] in linked:
            assert package["licenseDeclared"] != "NOASSERTION", package["name"]


def test_files_of_others_are_listed(document, packages):
    files = {file["fileName"]: file for file in document["files"]}
    folder = ROOT / "server" / "page" / "uplot"
    assert set(files) == {f"./server/page/uplot/{path.name}" for path in folder.iterdir() if path.name != "README.md"}
    for name, file in files.items():
        assert sum_of(file) == sha256(ROOT / name) and file["licenseConcluded"] == "MIT"
    assert packages["uPlot"]["versionInfo"] in (folder / "README.md").read_text()


def test_the_same_binary_gives_the_same_text(text):
    assert write() == text
