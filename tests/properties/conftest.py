"""conftest.py - the fixtures of the HTTP tests, for tests of what holds for every input."""

import importlib.util
import pathlib
import sys

HTTP = pathlib.Path(__file__).resolve().parents[1] / "http"
sys.path.insert(0, str(HTTP))

_spec = importlib.util.spec_from_file_location("http_fixtures", HTTP / "conftest.py")
_fixtures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fixtures)
server, start, pytest_sessionstart = _fixtures.server, _fixtures.start, _fixtures.pytest_sessionstart
