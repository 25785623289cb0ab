"""fixtures.py - what pytest gives the tests of a server: a server for each file of tests, and servers made to order."""

import pytest

import support


def pytest_sessionstart():
    if not support.BINARY.exists():
        pytest.exit(f"{support.BINARY} is not built: run make", returncode=2)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for all tests of a file; it must stop cleanly after them."""
    running = support.Server(tmp_path_factory.mktemp("data"))
    yield running
    running.stop()


@pytest.fixture
def start(tmp_path):
    """start(*args, data=None, env=None) -> a server of its own, stopped cleanly after the test."""
    servers = []

    def make(*args, data=None, env=None):
        folder = data or tmp_path / f"data{len(servers)}"
        folder.mkdir(exist_ok=True)
        servers.append(support.Server(folder, *args, env=env))
        return servers[-1]

    yield make
    for running in servers:
        running.stop()
