"""test_clock.py - the clock jumps under a running server: times are the clock's, deadlines are not."""

import datetime
import glob
import time

import pytest
import tokens
from support import Server, small_file

LIBRARY = next(iter(sorted(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1"))), None)
JUMPS = {
    "a day ahead": "+1d", "a day back": "-1d", "2038": "@2038-01-19 03:14:05", "an hour, as in spring": "+1h", "an hour back, as in autumn": "-1h",
}


class Clock:
    """What a server with this environment takes for the time of day; the monotonic clock stays as it is."""

    def __init__(self, folder):
        self.path = folder / "clock"
        self.set("+0")
        # MONOTONIC_FIX: what the library guesses of waits on that clock is wrong on a busy machine; they need no mending
        self.environment = {"FAKETIME_FORCE_MONOTONIC_FIX": "0", "LD_PRELOAD": LIBRARY, "FAKETIME_TIMESTAMP_FILE": str(self.path), "FAKETIME_NO_CACHE": "1",
                            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "TZ": "UTC"}

    def set(self, text):
        self.path.write_text(text + "\n")


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def expected(jump):
    if jump.startswith("@"):
        return datetime.datetime.fromisoformat(jump[1:] + "+00:00").timestamp()
    return time.time() + int(jump[:-1]) * {"d": 86400, "h": 3600}[jump[-1]]


@pytest.mark.skipif(LIBRARY is None, reason="this machine has no libfaketime: `make deps` installs it on Debian")
@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
def test_a_clock_that_jumps(tmp_path, jump):
    clock, body = Clock(tmp_path), small_file()
    server = Server(tmp_path / "data", env=clock.environment)
    try:
        server.score(body, run="before", step="1")
        uploading, idle = server.connect(), server.connect()
        idle.request("GET", "/healthz")
        idle.getresponse().read()
        uploading.putrequest("POST", "/v1/evaluations?run=during&step=1")
        for name, value in (("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))):
            uploading.putheader(name, value)
        uploading.endheaders()
        uploading.send(body[:100])
        clock.set(jump)
        used = server.status("Threads"), processor(server)
        time.sleep(0.7)  # the look at deadlines comes every 250 ms
        uploading.send(body[100:])
        assert uploading.getresponse().status == 200, "the upload was cut"
        idle.request("GET", "/healthz")
        assert idle.getresponse().status == 200, "the idle connection was cut"
        times = {row["run"]: seconds(row["created"]) for row in server.get("/v1/runs").json()["runs"]}
        assert abs(times["before"] - time.time()) < 60
        assert abs(times["during"] - expected(jump)) < 60
        assert used[0] == server.status("Threads") and processor(server) - used[1] < 0.5, "it runs without a pause"
        stamp = server.log[-1]["time"]
        assert abs(seconds(stamp) - expected(jump)) < 60
        assert server.get("/readyz").status_code == 200
        uploading.close()
        idle.close()
    finally:
        server.stop()


@pytest.mark.skipif(LIBRARY is None, reason="this machine has no libfaketime: `make deps` installs it on Debian")
def test_a_token_that_expires(tmp_path):
    """It goes by the time of day: what that says is over is refused, and once it is set back it is not over."""
    clock = Clock(tmp_path)
    server = Server(tmp_path / "data", env=clock.environment)
    try:
        token = tokens.create(server.data, "read", "--expires", "1d")
        forever = tokens.create(server.data, "read")
        for jump, status in ("+0", 200), ("+23h", 200), ("+25h", 401), ("-1d", 200), ("@2038-01-19 03:14:05", 401):
            clock.set(jump)
            assert server.request("GET", "/v1/runs", headers=tokens.bearer(token)).status_code == status, jump
            assert server.request("GET", "/v1/runs", headers=tokens.bearer(forever)).status_code == 200, jump
    finally:
        server.stop()


@pytest.mark.skipif(LIBRARY is None, reason="this machine has no libfaketime: `make deps` installs it on Debian")
def test_the_limit_of_bad_tokens_is_no_matter_of_the_clock(tmp_path):
    """Who has sent too many waits as long when the time of day jumps, and no longer."""
    clock = Clock(tmp_path)
    server = Server(tmp_path / "data", env=clock.environment)
    try:
        tokens.create(server.data, "read")
        bad = tokens.bearer("mm_nonsense")
        for _ in range(20):
            assert server.request("GET", "/v1/runs", headers=bad).status_code == 401
        for jump in "+0", "+1d", "-1d":
            clock.set(jump)
            answer = server.request("GET", "/v1/runs", headers=bad)
            assert answer.status_code == 429 and int(answer.headers["Retry-After"]) <= 180, jump
    finally:
        server.stop()


def processor(server):
    """Seconds of processor time so far."""
    fields = open(f"/proc/{server.process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100
