"""conftest.py - a browser for each test, and what every test promises: no console message, no request to elsewhere."""

import pathlib
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "http"))

from fixtures import pytest_sessionstart, server, start  # noqa: E402, F401

MISSING = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
try:
    import selenium  # noqa: F401
except ImportError:
    MISSING.append("selenium")


def pytest_collection_modifyitems(items):
    if MISSING:
        reason = f"this machine has no {', '.join(MISSING)}: `make deps` installs them on Debian"
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    """The source of axe-core, which `npm ci` fetches in the version of package-lock.json."""
    folder, here = tmp_path_factory.mktemp("axe"), pathlib.Path(__file__).resolve().parent
    for name in ("package.json", "package-lock.json"):
        shutil.copy(here / name, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=120)
    except FileNotFoundError:
        pytest.skip("this machine has no npm, which fetches axe-core")
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as failure:
        pytest.skip(f"npm could not fetch axe-core: {(failure.stderr or '').strip()[-300:]}")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture(scope="session")
def idle():
    """Browsers that no test uses: starting one takes seconds."""
    drivers = []
    yield drivers
    for driver in drivers:
        driver.quit()


@pytest.fixture
def visit(idle):
    """visit(server, address="", width=1280, height=900, scheme="light") -> a page that shows the server."""
    from browser import Page, start_browser

    pages = []

    def open_page(server, address="", **options):
        pages.append(Page(idle.pop() if idle else start_browser(), server.url, **options))
        pages[-1].open(address)
        return pages[-1]

    yield open_page
    try:
        for page in pages:
            page.check()
    finally:
        for page in pages:
            page.leave()
            idle.append(page.driver)
