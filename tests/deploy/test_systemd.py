"""test_systemd.py - deploy/systemd, judged by systemd-analyze; and that the server keeps within what its unit allows.

What the unit promises about states, sockets and the watchdog is tests/http/test_service_manager.py.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "http"))

import support  # noqa: E402

FOLDER = ROOT / "deploy" / "systemd"


def analyze(*arguments):
    done = subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def read(path):
    """{section: {name: [value, ...]}}, as systemd reads it: names may repeat."""
    out, section = {}, None
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = out.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            name, value = line.split("=", 1)
            section.setdefault(name, []).append(value)
    return out


@pytest.fixture(scope="module")
def units(tmp_path_factory):
    """The units, with the binary where this machine has it, and the drop-in beside them."""
    folder = tmp_path_factory.mktemp("units")
    shutil.copy(FOLDER / "maskmeter.socket", folder)
    text = (FOLDER / "maskmeter.service").read_text()
    assert text.count("ExecStart=maskmeter ") == 1
    (folder / "maskmeter.service").write_text(text.replace("ExecStart=maskmeter ", f"ExecStart={support.BINARY} "))
    (folder / "maskmeter.service.d").mkdir()
    shutil.copy(FOLDER / "credentials.conf", folder / "maskmeter.service.d")
    return folder


@pytest.mark.parametrize("name", ["maskmeter.service", "maskmeter.socket"])
def test_systemd_has_nothing_to_complain_about(units, name):
    assert analyze("verify", "--man=no", units / name) == (0, "")


def test_it_would_notice(units, tmp_path):
    text = (units / "maskmeter.service").read_text()
    (tmp_path / "maskmeter.service").write_text(text.replace("WatchdogSec=", "WatchDogSec="))
    assert "WatchDogSec" in analyze("verify", "--man=no", tmp_path / "maskmeter.service")[1]


def test_exposure(units):
    """What is left to it: the network, local sockets for the log and notices, and limits of its own."""
    code, text = analyze("security", "--offline=true", "--threshold=14", units / "maskmeter.service")
    assert code == 0, text
    assert float(re.search(r"exposure level for maskmeter.service: ([\d.]+)", text).group(1)) <= 1.3


def test_socket_and_settings_agree():
    """The socket's address is the server's own default, on loopback."""
    service, socket = read(FOLDER / "maskmeter.service")["Service"], read(FOLDER / "maskmeter.socket")["Socket"]
    shown = subprocess.run([support.BINARY, "serve", "--print-config"], capture_output=True, text=True, timeout=30, check=True)
    settings = dict(line.split(" = ", 1) for line in shown.stdout.splitlines())
    assert socket["ListenStream"] == [settings["listen"]]
    assert service["Type"] == ["notify"] and int(service["WatchdogSec"][0]) >= 30
    assert int(service["TimeoutStopSec"][0]) > int(settings["drain-timeout"])


def test_settings_that_are_named_are_there():
    """Each MASKMETER_NAME of the drop-in is a flag of serve, and each credential is loaded before it is named."""
    text = (FOLDER / "credentials.conf").read_text()
    shown = subprocess.run([support.BINARY, "serve", "--help"], capture_output=True, text=True, timeout=30, check=True).stdout
    loaded = set(re.findall(r"LoadCredential=([\w-]+):/", text))
    named = dict(re.findall(r"MASKMETER_(\w+)=%d/([\w-]+)", text))
    assert set(named.values()) == loaded == {"token", "tls-cert", "tls-key"}
    for name in named:
        line = re.search(rf"^\s+--{name.lower().replace('_', '-')} .*$", shown, re.M)
        assert line and "not in this version" not in line.group(), name


def allowed_calls(name, seen=()):
    """System calls of a set of systemd's, those of the sets in it included."""
    calls = set()
    for line in analyze("syscall-filter", name)[1].splitlines()[1:]:
        word = line.strip()
        if word.startswith("@") and word not in seen:
            calls |= allowed_calls(word, (*seen, word))
        elif word and not word.startswith("#"):
            calls.add(word)
    return calls


def test_it_makes_no_system_call_that_the_unit_forbids(tmp_path):
    """Serving, storing, reloading and stopping."""
    allow, deny = read(FOLDER / "maskmeter.service")["Service"]["SystemCallFilter"]
    assert deny.startswith("~")
    permitted = allowed_calls(allow) - allowed_calls(deny[1:])
    assert {"read", "epoll_wait", "prctl"} <= permitted and "mount" not in permitted and "setuid" not in permitted

    class Traced(support.Server):
        def command(self):
            return ["strace", "-f", "-qq", "-o", str(tmp_path / "calls"), *super().command()]

    server = Traced(tmp_path / "data")
    server.score(support.small_file(images=4, spatial=(64, 64)), run="a", step="1")
    server.get("/metrics")
    pid = int((tmp_path / "calls").read_text().split(None, 1)[0])
    for number in (signal.SIGHUP, signal.SIGTERM):
        os.kill(pid, number)
    assert server.wait() == 0
    made = set(re.findall(r"^\d+ +(?:<\.\.\. )?(\w+)[( ]", (tmp_path / "calls").read_text(), re.M))
    assert {"fdatasync", "epoll_ctl", "prctl"} <= made
    made -= {"fchown"} if os.geteuid() == 0 else set()  # SQLite gives files to the owner of their folder, as root only
    assert made <= permitted, made - permitted
