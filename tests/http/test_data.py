"""test_data.py - the test data are the files that the manifest and the licences speak of, bit for bit."""

import hashlib

from support import DATA, EXPECTED, MANIFEST

TEXTS = {"MANIFEST.json", "EXPECTED.json", "LICENSES.md", "LICENSE-Apache-2.0.txt"}


def test_every_file_is_listed_and_unchanged():
    assert {path.name for path in DATA.iterdir()} == set(MANIFEST) | TEXTS
    for name, entry in MANIFEST.items():
        data = (DATA / name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (entry["bytes"], entry["sha256"]), name


def test_every_request_body_has_expected_numbers():
    assert set(EXPECTED) == {name for name in MANIFEST if ".safetensors" in name}


def test_licences_of_all_files_are_here():
    assert {entry["licence"] for entry in MANIFEST.values()} == {"Apache-2.0", "CC0-1.0"}
    text = (DATA / "LICENSES.md").read_text()
    assert "Apache-2.0" in text and "CC0 1.0" in text
    assert "Apache License" in (DATA / "LICENSE-Apache-2.0.txt").read_text()
