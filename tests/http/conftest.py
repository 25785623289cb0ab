"""conftest.py - the fixtures of fixtures.py, which other folders of tests use too."""

from fixtures import pytest_sessionstart, server, start  # noqa: F401
