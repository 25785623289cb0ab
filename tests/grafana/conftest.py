"""conftest.py - fixtures: Grafana's libraries from npm, and a server whose store is seeded."""

import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / folder) for folder in ("http", "deploy")]

import npm  # noqa: E402
import seed  # noqa: E402
import support  # noqa: E402


def pytest_sessionstart(session):
    if not support.BINARY.exists():
        pytest.exit(f"{support.BINARY} is not built: run make", returncode=2)
    try:
        npm.install()
    except npm.Unreachable as failure:
        session.config.cut_off = str(failure)
    except npm.Failed as failure:
        pytest.exit(f"Grafana's libraries could not be installed: {failure}", returncode=2)


def pytest_collection_modifyitems(config, items):
    """On a machine that npm's registry cannot be reached from, these tests say so and do not run."""
    for item in items:
        if hasattr(config, "cut_off") and HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=f"npm's registry does not answer: {config.cut_off[-300:]}"))


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A server with the runs of seed.py; it must stop cleanly after all tests."""
    running = support.Server(tmp_path_factory.mktemp("data"))
    seed.fill(running)
    yield running
    running.stop()
