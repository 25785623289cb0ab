"""demo.py - what `make demo` shows: two runs of twenty steps, uploaded in parts, and one answer in full.

Usage: demo.py MASKMETER FOLDER

Only the standard library is needed.  The runs stay in FOLDER, for the page that `make run` serves.  The data are real
(tests/data/LICENSES.md); the weaker predictions of the steps before the last are the real ones with patches exchanged.
"""
import datetime
import functools
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

DATA = pathlib.Path("tests/data")
PARTS = [f"dsb2d_probs_{size}" for size in ("256x256", "512x640", "512x680", "519x253")]
CLASSES = "background,nucleus,boundary"
SCORES = "dice,iou,recall,cross_entropy"
STEPS = range(100, 2001, 100)
SHOWN = (100, 500, 2000)
MINUTES = 3  # between steps; their times are made up
# run: how far it gets, and the share of patches that are still exchanged before each step
RUNS = {"nuclei-small": (0.06, 0.80), "nuclei": (0.0, 0.72)}
PATCH = 16
PAGE = "http://127.0.0.1:8080"

VOLUME = "tests/data/demo.safetensors"
QUERY = "classes=background,liver,gallbladder,kidney_right&scores=dice,tversky_loss(alpha=0.3,beta=0.7)"


@functools.cache
def plain_bytes(name):
    """A safetensors file of tests/data, decoded."""
    path = DATA / f"{name}.safetensors"
    if path.exists():
        return path.read_bytes()
    return subprocess.run(["zstd", "-dcq", f"{path}.zst"], check=True, stdout=subprocess.PIPE).stdout


def weaken(data, fraction, seed):
    """The file with that fraction of the patches of `pred` (F16 [N,C,H,W]) swapped in pairs, all classes together."""
    data, dice = bytearray(data), random.Random(seed)
    (size,) = struct.unpack_from("<Q", data)
    pred = json.loads(data[8 : 8 + size])["pred"]
    start, (images, classes, height, width) = 8 + size + pred["data_offsets"][0], pred["shape"]
    for image in range(images):
        corners = [(y, x) for y in range(0, height - PATCH, PATCH) for x in range(0, width - PATCH, PATCH)]
        chosen = dice.sample(corners, int(len(corners) * fraction) // 2 * 2)
        for one, other in zip(chosen[::2], chosen[1::2]):
            for plane in range(image * classes, (image + 1) * classes):
                for row in range(PATCH):
                    a, b = (start + 2 * ((plane * height + y + row) * width + x) for y, x in (one, other))
                    data[a : a + 2 * PATCH], data[b : b + 2 * PATCH] = data[b : b + 2 * PATCH], data[a : a + 2 * PATCH]
    return bytes(data)


class Server:
    """The real server on a free port, its history in `folder`."""

    def __init__(self, binary, folder):
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--data", folder]
        self.process, words = subprocess.Popen(command, stderr=subprocess.PIPE, text=True), ""
        for line in self.process.stderr:
            words = line if line.strip() else words
            if '"event":"listening"' in line:
                self.url = "http://" + json.loads(line)["address"]
                return
        sys.exit(f"{words.strip()}\nThe server did not start: exit code {self.process.wait()}.  Is `make run` running?  "
                 "Then stop it first.")

    def evaluation(self, **params):
        with urllib.request.urlopen(f"{self.url}/v1/evaluations?{urllib.parse.urlencode(params)}") as answer:
            return json.load(answer)

    def stop(self):
        self.process.terminate()
        self.process.stderr.read()
        return self.process.wait()


def show(text):
    print("\n$ " + text, flush=True)


def push(binary, url, folder, run, step, now, quiet):
    """Uploads all parts of a step with `maskmeter push`, which prints the merged evaluation."""
    end, decay = RUNS[run]
    share = end + 0.6 * decay ** STEPS.index(step) if step != STEPS[-1] else end
    time = now - datetime.timedelta(minutes=MINUTES * (len(STEPS) * (len(RUNS) - list(RUNS).index(run)) - STEPS.index(step)))
    tags = f"--tags=network={'small' if run.endswith('small') else 'large'},data=cell nuclei"
    flags = [f"--run={run}", f"--step={step}", f"--classes={CLASSES}", f"--scores={SCORES}"]
    files = []
    for part in PARTS:
        files.append(os.path.join(folder, part + ".safetensors"))
        pathlib.Path(files[-1]).write_bytes(weaken(plain_bytes(part), share, seed=step))
    if not quiet:
        show("maskmeter push " + " ".join(flags[:3]) + f" \\\n    {flags[3]} dsb2d_probs_*.safetensors   # {len(files)} parts")
    out = subprocess.DEVNULL if quiet else None
    command = [binary, "push", f"--url={url}", *flags, tags, f"--time={time:%Y-%m-%dT%H:%M:%SZ}", *files]
    subprocess.run(command, check=True, stdout=out)


def progress(server):
    """The dice of each class at some steps, read back from the history."""
    dice = [server.evaluation(run="nuclei", split="val", step=step, scores="dice")["scores"][0] for step in SHOWN]
    rows = [*zip(CLASSES.split(","), zip(*(score["per_class"] for score in dice)))]
    rows.append(("mean", [score["value"] for score in dice]))
    print("  %-12s" % "dice" + "".join("%11s" % f"step {step}" for step in SHOWN))
    for name, values in rows:
        bars = "".join("▁▂▃▄▅▆▇█"[min(7, int(8 * value))] for value in values)
        print("  %-12s" % name + "".join("%11.4f" % value for value in values) + "   " + bars)


def curl(url):
    header = "Content-Type: application/octet-stream"
    return f"curl -sS --data-binary @{VOLUME} -H '{header}' \\\n    '{url}/v1/evaluations?{QUERY}'"


def layout(value, indent=""):
    """JSON in lines of at most 118 columns where its values allow that."""
    line = json.dumps(value)
    if len(indent) + len(line) <= 118 or not isinstance(value, (dict, list)) or not value:
        return line
    inner = indent + "  "
    if isinstance(value, dict):
        rows = [f"{json.dumps(key)}: {layout(member, inner)}" for key, member in value.items()]
    else:
        rows = [layout(member, inner) for member in value]
    brackets = "{}" if isinstance(value, dict) else "[]"
    return brackets[0] + f",\n{inner}".join(["\n" + inner + rows[0], *rows[1:]]) + f"\n{indent}" + brackets[1]


def demo(binary, server, folder):
    print("\nTwo networks learn to find cell nuclei.  At each of 20 steps they upload their validation images in four parts.")
    now = datetime.datetime.now(datetime.timezone.utc)
    for run in RUNS:
        for step in STEPS:
            push(binary, server.url, folder, run, step, now, quiet=(run, step) != ("nuclei", STEPS[-1]))
    print("\nThe history, read back:\n")
    progress(server)

    print("\nOne answer in full, for a crop of an abdominal MR volume that is scored and not stored:")
    show(curl(server.url))
    answer = subprocess.run(curl(server.url), shell=True, check=True, stdout=subprocess.PIPE).stdout
    print(layout(json.loads(answer)))


def main():
    binary, history = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="maskmeter-demo-") as folder:
        server = Server(binary, history)
        show("maskmeter serve --listen 127.0.0.1:0   # listens on " + server.url)
        try:
            demo(binary, server, folder)
        finally:
            code = server.stop()
    print(f"\nSIGTERM ended the server with exit code {code}.  To repeat the last request, `make run` in one terminal, then")
    show(curl(PAGE))
    print(f"\nAnd in a browser, while `make run` runs, the page with both runs:\n\n    {PAGE}/")
    return code


sys.exit(main())
