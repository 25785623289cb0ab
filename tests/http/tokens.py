"""tokens.py - what the tests of tokens share: `maskmeter token`, requests with a token, the table of routes."""

import json
import os
import re
import subprocess

from support import BINARY, ROOT, SLOW

EVERYTHING = "ingest,read,admin"
FORM = re.compile(r"mm_[0-9A-Za-z]{8}[0-9A-Za-z_-]{43}[0-9A-Za-z]{6}")


def command(data, *args, code=0):
    """`maskmeter token` on that data folder."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("MASKMETER_")}
    done = subprocess.run([str(BINARY), "token", *args, "--data", str(data)], capture_output=True, text=True, env=env,
                          timeout=30 * SLOW)
    assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
    return done


def create(data, scope=EVERYTHING, *more):
    """A new token."""
    text = command(data, "create", "--scope", scope, *more).stdout
    assert FORM.fullmatch(text.rstrip("\n")) and text.endswith("\n"), text
    return text.rstrip("\n")


def identity(token):
    return token[:11]


def listed(data):
    """{id: row} of the list."""
    return {row["id"]: row for row in json.loads(command(data, "list", "--json").stdout)["tokens"]}


def bearer(token, **more):
    return {**({"Authorization": f"Bearer {token}"} if token else {}), **more}


def routes():
    """[(method, path, scopes)] of server/routes.c; scopes None: open to everybody, "ANY": any token."""
    text = (ROOT / "server" / "routes.c").read_text()
    rows = re.findall(r'\{\s*"(GET|POST|DELETE)",\s*"(/[^"]*)",\s*(\w+),', text)
    assert rows, "the table of routes is not where this helper looks for it"
    return [(method, path, None if word == "OPEN" else word.lower()) for method, path, word in rows]
