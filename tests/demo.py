"""demo.py - what `make demo` shows: a run of three steps, uploaded in parts, and one answer in full.

Usage: demo.py MASKMETER

Only the standard library is needed.  The data are real (tests/data/LICENSES.md); the weaker predictions of the first two
steps are the real ones with patches exchanged.
"""
import json
import pathlib
import random
import shlex
import struct
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

DATA = pathlib.Path("tests/data")
PARTS = [f"dsb2d_probs_{size}" for size in ("256x256", "512x640", "512x680", "519x253")]
CLASSES = "background,nucleus,boundary"
VOLUME_CLASSES = "background,liver,gallbladder,kidney_right"
STEPS = {100: 0.5, 200: 0.15, 300: 0.0}  # step: fraction of patches that are exchanged
PATCH = 16


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
    """The real server on a free port."""

    def __init__(self, binary, folder):
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--data", folder]
        print("$", shlex.join(["maskmeter"] + command[1:]), flush=True)
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            entry = json.loads(line)
            if entry.get("event") == "listening":
                self.url = "http://" + entry["address"]
                print("  listening on", self.url)
                return
        sys.exit(f"the server did not start: exit code {self.process.wait()}")

    def get(self, **params):
        with urllib.request.urlopen(f"{self.url}/v1/evaluations?{urlencode(params)}") as answer:
            return json.load(answer)

    def post(self, body, **params):
        headers = {"Content-Type": "application/octet-stream"}
        request = urllib.request.Request(f"{self.url}/v1/evaluations?{urlencode(params)}", body, headers)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def stop(self):
        self.process.terminate()
        self.process.stderr.read()
        return self.process.wait()


def urlencode(params):
    return urllib.parse.urlencode(params, safe=",")


def numbers(values, better):
    text = "".join("%10s" % ("-" if value is None else f"{value:.4f}") for value in values)
    bars = "".join("▁▂▃▄▅▆▇█"[min(7, int(8 * value))] for value in values if value is not None)
    return f"{text}   {bars}" if better == "higher" else text


def table(answers):
    """Each score, then each of its classes; one column per step."""
    print("\n  %-18s" % "" + "".join("%10s" % f"step {step}" for step in STEPS))
    for rows in zip(*(answer["scores"] for answer in answers)):
        better = rows[0]["better"]
        print("  %-18s" % rows[0]["name"] + numbers([row["value"] for row in rows], better))
        for k, name in enumerate(CLASSES.split(",")):
            print("    %-16s" % name + numbers([row["per_class"][k] for row in rows], better))


def layout(document):
    """JSON with one line per member, and per member of its lists of objects."""
    lines = []
    for key, value in document.items():
        text = json.dumps(value)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            text = "[\n   " + ",\n   ".join(map(json.dumps, value)) + "]"
        lines.append(f'"{key}": {text}')
    return "{" + ",\n ".join(lines) + "}"


def curl(url):
    """The command a reader can repeat: one real upload of which nothing is stored."""
    query = urlencode({"scores": "dice,tversky_loss(alpha=0.3,beta=0.7)", "classes": VOLUME_CLASSES})
    return [
        "curl", "-sS", "--data-binary", "@tests/data/demo.safetensors", "-H", "Content-Type: application/octet-stream",
        f"{url}/v1/evaluations?{query}",
    ]  # fmt: skip


def show(command):
    words = [shlex.quote(word) for word in command]
    print("$ " + " ".join(words[:-1]) + " \\\n    " + words[-1])


def demo(server):
    print("\nA network learns to find cell nuclei in 10 microscope images.  Each step arrives in 4 parts, and is merged:")
    files = {part: plain_bytes(part) for part in PARTS}
    scores = "dice,iou,cross_entropy"
    for step, fraction in STEPS.items():
        for number, (part, data) in enumerate(files.items()):
            server.post(weaken(data, fraction, step), run="nuclei", split="val", step=step, part=number, parts=len(files),
                        classes=CLASSES, scores=scores)  # fmt: skip
    answers = [server.get(run="nuclei", split="val", step=step) for step in STEPS]
    table(answers)
    last = answers[-1]
    print(f"\n  {last['images']} images, {last['voxels']} pixels, {last['evaluation']['parts_received']} parts in each step")

    print("\nOne answer in full, for a crop of an abdominal MR volume:")
    command = curl(server.url)
    show(command)
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    print(layout(json.loads(answer)))


def main():
    with tempfile.TemporaryDirectory(prefix="maskmeter-demo-") as folder:
        server = Server(sys.argv[1], folder)
        try:
            demo(server)
        finally:
            code = server.stop()
    print(f"\nSIGTERM stopped the server, exit code {code}; its folder is removed.")
    print("Yours to repeat: `make run` in one terminal, then in another:")
    show(curl("http://127.0.0.1:8080"))
    return code


sys.exit(main())
