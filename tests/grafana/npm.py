"""npm.py - Grafana's own libraries, from the npm registry, in a folder of the build; and how they are called."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = pathlib.Path(os.environ.get("MASKMETER_NODE", HERE.parents[1] / "build" / "grafana")).resolve()
LISTS = ("package.json", "package-lock.json")
SOURCES = ("grafana.mjs", "infinity.mjs")
REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"
# Grafana's libraries are written for browsers.
BROWSER = "globalThis.window = globalThis; Object.defineProperty(globalThis, 'navigator', " \
          "{ value: { language: 'en', languages: ['en'], userAgent: '' }, configurable: true });"


# npm's words for a registry that is not there, or that another one answers for.
CUT_OFF = "code (ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT" \
          "|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT_LOCALLY|UNABLE_TO_VERIFY_LEAF_SIGNATURE)"


class Failed(Exception):
    pass


class Unreachable(Failed):
    """The registry did not answer."""


def call(*command, **kwargs):
    try:
        done = subprocess.run(command, cwd=FOLDER, check=True, capture_output=True, text=True, timeout=600, **kwargs)
        return done.stdout
    except FileNotFoundError as failure:
        raise Failed(f"there is no {command[0]}; Debian's packages are nodejs and npm") from failure
    except subprocess.CalledProcessError as failure:
        said = (failure.stderr or failure.stdout).strip()
        cut_off = re.search(CUT_OFF, said)
        raise (Unreachable if cut_off else Failed)(f"{' '.join(command)}: {said[-2000:]}") from failure
    except subprocess.TimeoutExpired as failure:
        took = f"{' '.join(command)} took more than 10 minutes"
        raise (Unreachable if command[0] == "npm" else Failed)(took) from failure


def install():
    """`npm ci` when the lists differ from those of last time; then the bundle."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    mark = FOLDER / "installed"
    want = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in LISTS)).hexdigest()
    if not mark.exists() or mark.read_text() != want:
        mark.unlink(missing_ok=True)
        for name in LISTS:
            shutil.copy(HERE / name, FOLDER)
        call("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
        mark.write_text(want)
    for name in SOURCES:
        shutil.copy(HERE / name, FOLDER)
    call("node_modules/.bin/esbuild", "grafana.mjs", "--bundle", "--platform=node", "--format=esm",
         "--conditions=import", "--log-level=error", "--outfile=bundle.mjs", f"--banner:js={REQUIRE} {BROWSER}")


def grafana(**document):
    """What @grafana/data makes of it: see grafana.mjs."""
    return json.loads(call("node", "bundle.mjs", input=json.dumps(document)))


def type_check(sources):
    """The complaints of the TypeScript compiler about {file name: text}; none is good."""
    folder = FOLDER / "types"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, text in sources.items():
        (folder / name).write_text(text)
    options = "--noEmit --strict --skipLibCheck --module esnext --moduleResolution bundler".split()
    command = ["node_modules/.bin/tsc", *options, *(f"types/{name}" for name in sources)]
    return subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=300).stdout
