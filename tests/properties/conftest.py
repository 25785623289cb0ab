"""conftest.py - the fixtures of the HTTP tests, for tests of what holds for every input."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "http"))

from fixtures import pytest_sessionstart, server, start  # noqa: E402, F401
