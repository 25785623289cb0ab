"""prometheus.py - Debian's own Prometheus, with the shipped configuration, scraping a server of the tests."""

import json
import pathlib
import re
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request

from support import ROOT, SLOW

FOLDER = ROOT / "deploy" / "prometheus"


def promtool(*arguments, stdin=None):
    """Its output; it must have nothing to complain about."""
    done = subprocess.run(["promtool", *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def with_token(configuration, folder, token):
    """The configuration, with the file of its token in that folder."""
    file = pathlib.Path(folder) / "token"
    file.write_text(token + "\n")
    text, found = re.subn(r"credentials_file: /etc/maskmeter/prometheus\b", f"credentials_file: {file}", configuration)
    assert found == 1
    return text


class Prometheus:
    """The files of deploy/prometheus, with the server's address and token in them and more haste."""

    def __init__(self, folder, port, token="none"):
        self.folder = pathlib.Path(folder)
        every = f"{int(250 * max(1, SLOW / 4))}ms"
        shutil.copy(FOLDER / "rules.yaml", self.folder)
        text, found = re.subn(r'"maskmeter:8080"', f'"127.0.0.1:{port}"', (FOLDER / "prometheus.yaml").read_text())
        assert found == 1
        text = with_token(text, self.folder, token)
        text = re.sub(r"(scrape_interval|scrape_timeout|evaluation_interval): \d+s", rf"\1: {every}", text)
        (self.folder / "prometheus.yaml").write_text(text)
        command = ["prometheus", f"--config.file={self.folder}/prometheus.yaml", f"--storage.tsdb.path={self.folder}/data",
                   "--web.listen-address=127.0.0.1:0", "--log.format=json"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.log, self.url = [], None
        for line in self.process.stderr:
            self.log.append(line)
            listening = re.search(r'"address":"(127\.0\.0\.1:[1-9]\d*)"', line)
            if listening:
                self.url = f"http://{listening.group(1)}"
                break
        assert self.url, "".join(self.log)
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True)
        self.reader.start()

    def get(self, path, **params):
        """The data of an answer of its API, or None while it is not ready."""
        query = urllib.parse.urlencode(params)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=10) as answer:
                document = json.load(answer)
        except urllib.error.HTTPError as failure:
            if failure.code == 503:
                return None
            raise AssertionError(failure.read().decode()) from failure
        assert document["status"] == "success"
        return document["data"]

    def query(self, expression):
        """[(labels, value)] now."""
        data = self.get("query", query=expression)
        return [(row["metric"], float(row["value"][1])) for row in data["result"]] if data else []

    def query_range(self, expression, seconds=10, step=1):
        """[(labels, [[time in s, value as text]])]"""
        now = time.time()
        data = self.get("query_range", query=expression, start=now - seconds, end=now, step=step)
        return [(row["metric"], row["values"]) for row in data["result"]]

    def until(self, expression, true=bool, seconds=15):
        """Waits for a result of which `true` is true."""
        end = time.monotonic() + seconds * SLOW
        while True:
            found = self.query(expression)
            if true(found):
                return found
            assert time.monotonic() < end, (expression, found, self.log[-3:])
            time.sleep(0.1)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(30) == 0
        self.reader.join(5)
        self.process.stderr.close()
