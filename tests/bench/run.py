"""run.py - measures maskmeter beside what it is compared with, and says which figures of the design are met.

usage: run.py BUILD [--only WORD,...] [--rounds N] [--json]

Everything is measured in this run, on this machine, taking turns (ours, theirs, ours, ...), after one turn that warms
up; the medians count.  PyTorch, MONAI, FastAPI and surface-distance are measured when the interpreter MM_BENCH_PYTHON
(this one) has them.  MM_ATLAS names a safetensors file (plain or zstd) of a label map of many classes and a prediction
of it, U8 [1,X,Y,Z] each, in mm, which is not part of this project.
"""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import platform
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from functools import partial

try:
    import fill
except ImportError:  # it needs NumPy
    fill = None

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent / "data"
MIB = 1 << 20
VOLUME, PICTURE = "256x256x256", "15x15"  # bodies of 272 MiB and 4 KiB, with four classes
SUMS_ONLY = "dice_loss"  # of everything that can be asked for, the least
OVERLAP_AND_ENTROPY = "dice,dice_loss,cross_entropy,focal_loss"
DEFAULTS = "dice,iou,precision,recall,dice_loss,tversky_loss,cross_entropy,focal_loss"
LOSSES = (
    "jaccard_loss,log_dice_loss,log_jaccard_loss,log_cosh_dice_loss,log1p_dice_loss,negative_dice_loss,"
    "focal_tversky_loss,asymmetric_similarity_loss,asymmetric_focal_tversky_loss,generalized_dice_loss,"
    "penalty_generalized_dice_loss,mcc_loss"
)
# (title, one thing alone, what more of the same sums is asked for beside it)
SAME_SUMS = [
    ("5 more rates beside dice", "dice", "iou,precision,recall,specificity,fbeta(beta=2)"),
    ("12 more overlap losses beside dice_loss", "dice_loss", LOSSES),
    ("the same beside the default scores", DEFAULTS, LOSSES),
]
THREADS = 2
PACKAGES = {name: f"python3-{name}" for name in ("torch", "fastapi", "uvicorn", "scipy")} | {
    "monai": "monai (PyPI)", "surface_distance": "surface-distance (PyPI)",
}  # fmt: skip
# The same three scores by the elements that each library has.
SURFACES = {
    "surface_distance": ("deepmind", {"hd95": "hd95(surface=surfel{})",
                                      "average": "masd(surface=surfel{})",
                                      "nsd": "nsd(surface=surfel{})"}),
    "monai": ("monai", {"hd95": "hd95(of=directed{})", "average": "assd(surface=voxel{})",
                        "nsd": "nsd(surface=voxel{})"}),
}  # fmt: skip
SPINE, SPINE_CLASSES, SPINE_SPACING, VERTEBRA = "spine3d_semantic.safetensors.zst", 15, "0.58594,0.58594,3.3", 10


class Unavailable(Exception):
    """What a row needs is not on this machine."""


# ------------------------------------------------------------------------------------------------------ output


def spread(values, scale, unit):
    """`9.12 ms (8.90-9.60)`"""
    middle, *ends = (scale * f(values) for f in (statistics.median, min, max))
    digits = 0 if middle >= 1000 else 1 if middle >= 100 else 2
    return f"{middle:.{digits}f} {unit} ({ends[0]:.{digits}f}-{ends[1]:.{digits}f})"


class Report:
    """Rows of the table, printed as they come."""

    WIDTHS = (42, 24, 36, 5, 7)

    def __init__(self, as_json):
        self.as_json, self.rows, self.notes = as_json, [], []

    def line(self, *cells):
        if not self.as_json:
            print("  ".join(str(cell).ljust(width) for cell, width in zip(cells, self.WIDTHS)), *cells[5:], flush=True)

    def titles(self):
        self.line("work", "maskmeter", "reference", "ratio", "reach", "met")
        self.line(*("-" * width for width in self.WIDTHS), "---")

    def add(self, work, ours, reference, ratio, reach, at_most=False):
        """at_most: the figure is a limit."""
        met = ratio <= reach if at_most else ratio >= reach
        self.rows.append({"work": work, "maskmeter": ours, "reference": reference, "ratio": ratio, "reach": reach,
                          "met": met})  # fmt: skip
        sign = "<=" if at_most else ">="
        digits = 2 if abs(ratio) < 10 else 1 if abs(ratio) < 100 else 0
        self.line(work, ours, reference, f"{ratio:.{digits}f}", f"{sign} {reach:g}", "yes" if met else "NO")

    def times(self, work, ours, name, theirs, reach):
        """Seconds of both: the ratio is how many times as fast."""
        self.add(work, spread(ours, 1e3, "ms"), f"{name} {spread(theirs, 1e3, 'ms')}",
                 statistics.median(theirs) / statistics.median(ours), reach)  # fmt: skip

    def missing(self, work, why):
        self.rows.append({"work": work, "missing": str(why)})
        self.line(work, f"not here: {why}")

    def note(self, text):
        self.notes.append(text)


def first_match(path, pattern, otherwise):
    with contextlib.suppress(OSError):
        found = re.search(pattern, pathlib.Path(path).read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
        if found:
            return found.group(1).strip()
    return otherwise


def output_of(*command):
    return subprocess.run([*map(str, command)], stdout=subprocess.PIPE, text=True, check=True).stdout


def machine(build):
    compiler = first_match(build / "flags", r"^(\S+)", "cc")
    version = output_of(compiler, "--version").split("\n")[0]
    memory = int(first_match("/proc/meminfo", r"^MemTotal:\s*(\d+)", "0")) >> 10
    server = output_of(build / "maskmeter", "--version").strip()
    return {
        "processor": first_match("/proc/cpuinfo", r"^model name\s*:(.*)$", platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{memory} MiB",
        "system": first_match("/etc/os-release", r'^PRETTY_NAME="(.*)"', platform.system()),
        "kernel": platform.release(),
        "compiler": version,
        "server": server,
    }


# --------------------------------------------------------------------------------------------------- processes


class Steps:
    """A program that takes a step per line of its standard input and answers with a line."""

    def __init__(self, command, **environment):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **environment})  # fmt: skip
        self.hello = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise Unavailable(f"{pathlib.Path(self.process.args[0]).name} has ended with {self.process.wait()}")
        return line

    def take(self, step):
        self.process.stdin.write(step + "\n")
        self.process.stdin.flush()
        return self.answer()

    def seconds(self, step):
        return float(self.take(step).split()[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Service:
    """A server process; `pid` and the base of its URLs."""

    def __init__(self, process, address):
        self.process, self.pid, self.base = process, process.pid, f"http://{address}"

    def cpu_seconds(self):
        """Of all its threads so far, in ns steps."""
        tasks = pathlib.Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) * 1e-9

    def status_mib(self, name):
        return int(first_match(f"/proc/{self.pid}/status", rf"^{name}:\s*(\d+)", "0")) / 1024


@contextlib.contextmanager
def maskmeter(bench, history=None):
    """The server as it is by default, on a free port, its log in a file; on a history that is there, or an empty one."""
    with tempfile.TemporaryDirectory(dir=bench.scratch) as folder:
        data = history or folder
        log = pathlib.Path(data) / "log"
        with log.open("wb") as stream:
            process = subprocess.Popen([bench.build / "maskmeter", "serve", "--listen", "127.0.0.1:0", "--data", data,
                                        "--threads", str(THREADS)], stderr=stream)  # fmt: skip
        try:
            address = wait_for(lambda: first_match(log, r'"listening".*"address":"([^"]*)"', None), process)
            yield Service(process, address)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


@contextlib.contextmanager
def sink(bench, name, *arguments):
    command = [bench.build / "tests" / "bench" / name, *map(str, arguments)]
    with Steps(command) as steps:
        yield Service(steps.process, f"127.0.0.1:{steps.hello.strip()}")


@contextlib.contextmanager
def fastapi(bench):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([bench.python, "-B", HERE / "fastapi_app.py", str(port), str(THREADS)])
    try:
        wait_for(lambda: answers(port), process)
        yield Service(process, f"127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return None


def wait_for(found, process, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        value = found()
        if value is not None:
            return value
        time.sleep(0.02)
    raise Unavailable("a server does not start")


# --------------------------------------------------------------------------------------------------- measuring


class Bench:
    def __init__(self, build, rounds, scratch):
        self.build, self.rounds, self.scratch = build, rounds, scratch
        self.python = os.environ.get("MM_BENCH_PYTHON") or sys.executable
        self.bodies = {}

    def body(self, shape):
        """The file of an upload of that shape."""
        if shape not in self.bodies:
            path = pathlib.Path(self.scratch) / f"{shape}.safetensors"
            output_of(self.build / "maskmeter", "bench", "--save", path, "--shape", shape, "--dtype", "F32")
            self.bodies[shape] = path
        return self.bodies[shape]

    def steps(self, **environment):
        return Steps([self.build / "tests" / "bench" / "steps", VOLUME, str(THREADS)], **environment)

    def upload(self, shape, urls, connections=1, seconds=0, rounds=None):
        """Per URL: seconds per answer of each round; how many answers in all, the first round too; the last answer."""
        lines = output_of(self.build / "tests" / "bench" / "client", self.body(shape), connections, seconds,
                          rounds or self.rounds, *urls).splitlines()  # fmt: skip
        per_answer, totals = [[] for _ in urls], [0] * len(urls)
        lines, bodies = lines[: -len(urls)], [json.loads(line or "null") for line in lines[-len(urls) :]]
        for line in lines:
            turn, url, count, took = line.split()
            totals[int(url)] += int(count)
            if turn != "0":
                per_answer[int(url)].append(float(took) / int(count))
        return per_answer, totals, bodies

    def need(self, *packages):
        for package in packages:
            command = [self.python, "-c", f"import {package}"]
            if subprocess.run(command, capture_output=True, check=False).returncode != 0:
                raise Unavailable(PACKAGES[package])


def take_turns(rounds, *turns):
    """Each function in turn, over and over; the results of all but the first round, per function."""
    found = [[turn() for turn in turns] for _ in range(rounds + 1)]
    return [list(column) for column in zip(*found[1:])]


def near(values, others, tolerance=1e-5):
    """PyTorch adds in single precision."""
    for name, value in others.items():
        if abs(values[name] - value) > tolerance * abs(value):
            raise RuntimeError(f"{name}: {values[name]!r} here, {value!r} there")


def rows_sums(bench, report):
    """Bare kernels are what the figure speaks of; a whole evaluation also checks every value and counts every pair."""
    for level in ("x86-64-v3", "x86-64-v4"):
        with bench.steps(MM_CPU=level) as steps:
            if steps.hello.strip() != level:
                report.missing(f"sums of 4x256^3 F32, {level}", f"a processor with {level}")
                continue
            read, bare, whole = take_turns(2 * bench.rounds + 1, *(partial(steps.seconds, step)
                                           for step in ("read", "sums", f"score {SUMS_ONLY}")))  # fmt: skip
        report.times(f"sums of 4x256^3 F32, {level}: kernels", bare, "reading it", read, 0.8)
        report.times(f"  whole evaluation, scores={SUMS_ONLY}", whole, "reading it", read, 0.8)
    report.note("reading it: every byte of pred and label once, in the same blocks, by as many threads.")


def rows_same_sums(bench, report):
    """A score whose sums another one needs already costs nothing but its own arithmetic on them."""
    with bench.steps() as steps:
        for title, alone, more in SAME_SUMS:
            together, one = take_turns(2 * bench.rounds + 1, partial(steps.seconds, f"score {alone},{more}"),
                                       partial(steps.seconds, f"score {alone}"))  # fmt: skip
            name = "default scores" if alone == DEFAULTS else alone
            report.add(title, spread(together, 1e3, "ms"), f"{name} alone {spread(one, 1e3, 'ms')}",
                       min(one) / min(together), 0.9)  # fmt: skip
    report.note("scores of the same sums: the ratio is that of the least times, which other processes change least.")


def rows_torch(bench, report):
    work = "Dice + CE + focal + counts of that"
    try:
        bench.need("torch")
    except Unavailable as why:
        report.missing(work, why)
        return
    command = [bench.python, "-B", HERE / "peers.py", bench.body(VOLUME), str(THREADS)]
    with Steps(command, PYTHONWARNINGS="ignore") as peers, bench.steps() as steps:
        here = json.loads(peers.hello)

        def pair(title, name, step, reach):
            ours, lines = take_turns(bench.rounds, partial(steps.seconds, f"score {OVERLAP_AND_ENTROPY}"),
                                     partial(peers.take, step))  # fmt: skip
            answers = [json.loads(line) for line in lines]
            near(expected(bench), answers[0]["values"])
            report.times(title, ours, name, [answer["seconds"] for answer in answers], reach)

        pair(work, "torch ops", "torch", 150)
        if here["monai"] is None:
            report.missing("  MONAI DiceLoss, DiceMetric", PACKAGES["monai"])
        else:
            pair("", "MONAI DiceLoss", "monai_loss", 25)
            pair("", "DiceMetric path", "monai_metric", 250)
        versions = ", ".join(f"{name} {version}" for name, version in here.items() if version)
        report.note(f"{versions}, {THREADS} threads; their values agree with ours.")


def expected(bench):
    """The default scores of the volume, by this project."""
    return scores_of(json.loads(output_of(bench.build / "maskmeter", "eval", "--json", bench.body(VOLUME))))


def scores_of(answer):
    return {score["name"]: score["value"] for score in answer["scores"]}


def rows_upload(bench, report):
    size = bench.body(VOLUME).stat().st_size
    with maskmeter(bench) as server, sink(bench, "sink_recv", size) as plain:
        target = f"{server.base}/v1/evaluations"
        urls = [f"{plain.base}/", f"{target}?scores={SUMS_ONLY}", f"{target}"]
        (received, sums, default), _, bodies = bench.upload(VOLUME, urls, rounds=2 * bench.rounds + 1)
    report.times(f"upload + score + answer, {size / MIB:.0f} MiB, {SUMS_ONLY}", sums, "plain recv", received, 0.85)
    report.times("  the default scores", default, "plain recv", received, 0.85)
    for title, body in zip((SUMS_ONLY, "default scores"), bodies[1:]):
        receive, compute = body["engine"]["receive_ms"], body["engine"]["compute_ms"]
        report.note(f"upload, {title}: the last one took {receive:.1f} ms to receive and {compute:.1f} to compute.")


def rows_fastapi(bench, report):
    work = "the same: the default scores"
    try:
        bench.need("torch", "fastapi", "uvicorn")
    except Unavailable as why:
        report.missing(work, why)
        return
    with maskmeter(bench) as server, fastapi(bench) as other:
        urls = [f"{service.base}/v1/evaluations" for service in (server, other)]
        (ours, theirs), _, bodies = bench.upload(VOLUME, urls)
        near(*(scores_of(body) for body in bodies))
    report.times(work, ours, "FastAPI + torch", theirs, 25)


def rows_small(bench, report):
    size, connections = bench.body(PICTURE).stat().st_size, 4
    with maskmeter(bench) as server, sink(bench, "sink_mhd") as bare:
        target = f"{server.base}/v1/evaluations"
        for title, query in (("default scores", ""), ("scores=dice", "?scores=dice")):
            before = bare.cpu_seconds(), server.cpu_seconds()
            (theirs, ours), totals, _ = bench.upload(PICTURE, [f"{bare.base}/", target + query], connections, 1)
            cpu = [(service.cpu_seconds() - then) / total * 1e6
                   for service, then, total in zip((bare, server), before, totals)]  # fmt: skip
            rates = [[1e-3 / took for took in times] for times in (theirs, ours)]
            report.add(f"requests of {size} bytes, {title}", spread(rates[1], 1, "k/s"),
                       f"libmicrohttpd {spread(rates[0], 1, 'k/s')}",
                       statistics.median(rates[1]) / statistics.median(rates[0]), 0.7)  # fmt: skip
            report.note(f"{title}: {cpu[1]:.1f} us of processor time per request, of bare libmicrohttpd {cpu[0]:.1f}.")


def rows_memory(bench, report):
    size, uploads = bench.body(VOLUME).stat().st_size, 100
    with maskmeter(bench) as server:
        url = [f"{server.base}/v1/evaluations"]
        bench.upload(VOLUME, url, rounds=1)
        peak, sizes = server.status_mib("VmHWM"), []
        for _ in range(uploads // 10):
            bench.upload(VOLUME, url, rounds=9)
            sizes.append(server.status_mib("VmRSS"))
        last = server.status_mib("VmHWM")
    report.add(f"peak memory beside a body of {size / MIB:.0f} MiB", f"{peak - size / MIB:.1f} MiB", "",
               peak - size / MIB, 64, at_most=True)  # fmt: skip
    report.add(f"  after {uploads} uploads", f"{last - size / MIB:.1f} MiB", "", last - size / MIB, 64, at_most=True)
    report.add("  growth from the 10th upload on", f"{sizes[-1] - sizes[0]:.1f} MiB", "",
               sizes[-1] - sizes[0], 1, at_most=True)  # fmt: skip


def label_maps(path):
    """(header, data) of a safetensors file, plain or zstd."""
    body = pathlib.Path(path).read_bytes()
    if body[:4] == b"\x28\xb5\x2f\xfd":
        body = subprocess.run(["zstd", "-dc", path], stdout=subprocess.PIPE, check=True).stdout
    size = int.from_bytes(body[:8], "little")
    return json.loads(body[8 : 8 + size]), body[8 + size :]


def save_maps(bench, name, source, classes, spacing, only=None):
    """Writes an upload of the label maps of `source`, its parameters with it; only: of the masks of that class."""
    header, data = label_maps(source)
    more = {"num_classes": str(classes)}
    if only is not None:
        data, classes, more = data.translate(bytes(c == only for c in range(256))), 2, {"pred_kind": "masks"}
        header["pred"]["shape"].insert(1, 1)
    header["__metadata__"] = {f"maskmeter.{key}": value for key, value in {**more, "spacing": spacing}.items()}
    text = json.dumps(header).encode()
    bench.bodies[name] = pathlib.Path(bench.scratch) / f"{name}.safetensors"
    bench.bodies[name].write_bytes(len(text).to_bytes(8, "little") + text + data)
    return name, str(classes), spacing


def rows_distances(bench, report):
    """One organ, a volume of a spine, an atlas: HD95, average distance and surface Dice of each class in turn."""
    spine = partial(save_maps, bench, source=DATA / SPINE, classes=SPINE_CLASSES, spacing=SPINE_SPACING)
    distance_rows(bench, report, "one organ", spine(name="organ", only=VERTEBRA), bench.rounds, 10, 30)
    distance_rows(bench, report, f"{SPINE_CLASSES - 1} classes of 512x512x17", spine(name="spine"), 2, 10, 30)
    atlas = os.environ.get("MM_ATLAS")
    if atlas is None:
        report.missing("all classes of an atlas", "MM_ATLAS names no file")
        return
    header, data = label_maps(atlas)
    begin, end = header["label"]["data_offsets"]
    classes = max(data[begin:end]) + 1
    saved = save_maps(bench, "atlas", atlas, classes, "1,1,1")
    distance_rows(bench, report, f"{classes - 1} classes of an atlas", saved, 1, 10, 30)


def distance_rows(bench, report, title, saved, rounds, *reaches):
    """A row per library: a call of ours beside it, and the whole upload."""
    name, classes, spacing = saved
    body = bench.bodies[name]
    for (package, (step, scores)), reach in zip(SURFACES.items(), reaches):
        work = f"HD95 + average + NSD, {title}"
        try:
            bench.need(package)
        except Unavailable as why:
            report.missing(work, why)
            continue
        chosen = ",classes=foreground" if int(classes) > 2 else ""  # of one mask there is no other
        text = ",".join(f"{alias}:{expression.format(chosen)}" for alias, expression in scores.items())
        command = [bench.python, "-B", HERE / "surface_peers.py", body, classes, spacing]
        own = [bench.build / "tests" / "bench" / "file_steps", body, str(THREADS)]
        with Steps(command, PYTHONWARNINGS="ignore") as peers, Steps(own, OMP_WAIT_POLICY="passive") as steps:
            ours, lines = take_turns(rounds, partial(steps.seconds, text), partial(peers.take, step))
        theirs = [json.loads(line) for line in lines]
        answer = json.loads(output_of(bench.build / "maskmeter", "eval", "--json", f"--scores={text}", body))
        near(scores_of(answer), theirs[0]["values"], 1e-4)  # MONAI's percentiles are of single precision
        seconds = [answer["seconds"] for answer in theirs]
        report.times(work, ours, package, seconds, reach)
        with maskmeter(bench) as server:
            target = f"{server.base}/v1/evaluations?scores={text}"
            (uploads,), _, _ = bench.upload(name, [target], rounds=bench.rounds)
        report.times("  upload + score + answer", uploads, package, seconds, reach)


TRANSFORMS = (  # shape, what that is, objects, rounds, how many times as fast
    ("256x256x256", "256^3", 5, 2, 25),
    ("100x80x60", "cropped", 1, 20, 8),
)


def rows_transform(bench, report):
    """SciPy's default call, which gives distances in float64, beside all distances of ours."""
    for shape, what, *sizes in TRANSFORMS:
        work = f"exact distance transform, {what}: "
        try:
            bench.need("scipy")
        except Unavailable as why:
            report.missing(work[:-2], why)
            continue
        transform_rows(bench, report, work, (shape, "1,1,1"), *sizes)
        transform_rows(bench, report, "  3 x 0.8 x 0.8 mm: ", (shape, "3,0.8,0.8"), *sizes)


def transform_rows(bench, report, work, form, objects, rounds, reach):
    """To the nearest voxel of the objects, and within them to the nearest one of the rest."""
    mask = pathlib.Path(bench.scratch) / "mask"
    command = [bench.build / "tests" / "bench" / "transform_steps", mask, *form, str(objects), str(THREADS)]
    peer = [bench.python, "-B", HERE / "transform_peers.py", mask, *form]
    with Steps(command, OMP_WAIT_POLICY="passive") as steps, Steps(peer) as peers:
        for step in ("outside", "inside"):
            answers = take_turns(rounds, partial(steps.take, step), partial(peers.take, step))
            ours, theirs = ([[float(number) for number in line.split()] for line in lines] for lines in answers)
            near({"sum": ours[0][1]}, {"sum": theirs[0][1]})
            report.times(work + step, [turn[0] for turn in ours], "scipy", [turn[0] for turn in theirs], reach)
    mask.unlink()


def chart_queries(runs):
    """(what, path, parameters) of everything that dashboards and the page ask of a history of that many runs."""
    run, other = f"run-{runs // 2:03}", f"run-{runs // 2 + 1:03}"
    some = ",".join(f"run-{i:03}" for i in range(6))
    one, rows, names = {"run": run, "split": "val", "score": "dice"}, "/v1/grafana/", "/v1/grafana/variables/"
    now = fill.START + runs // 2 * fill.RUN_MS
    return [
        ("runs", "/v1/runs", {"limit": 100}),
        ("evaluations of a run, by step", f"/v1/runs/{run}/evaluations", {"limit": 100, "split": "val", "first_step": 9}),
        ("curve per class, all steps", rows + "series", one),
        ("curve of 3 classes in 2 hours", rows + "series",
         one | {"class": "class-01,class-02,class-03", "from": now, "to": now + 7_200_000, "interval_ms": 30_000}),
        ("curve per class, a table by step", rows + "series", one | {"shape": "wide", "x": "step"}),
        ("curve of 6 runs", rows + "series", one | {"run": some, "shape": "wide_runs", "x": "step"}),
        ("curve of the newest 100 runs", rows + "series", {"split": "val", "score": "dice", "shape": "value"}),
        ("latest per class", rows + "latest", one),
        ("latest of the newest 100 runs", rows + "latest", {"score": "dice", "shape": "value"}),
        ("best step per score of a run", rows + "best", {"run": run}),
        ("best step of the newest 100 runs", rows + "best", {"score": "dice"}),
        ("annotations of a run", rows + "annotations", {"run": run}),
        ("confusion matrix", rows + "confusion", {"run": run, "split": "val"}),
        ("worst images of a class", rows + "images", one | {"class": "class-03"}),
        ("percentiles over images", rows + "percentiles", one),
        ("two runs compared", "/v1/compare", {"base": run, "head": other, "score": "dice"}),
        ("names of runs", names + "runs", {}),
        ("names of classes", names + "classes", {}),
        ("names of scores", names + "scores", {}),
    ]  # fmt: skip


def chart_times(bench, runs, steps):
    """{what: seconds of each turn}, as a client waits that takes gzip."""
    found = {}
    with tempfile.TemporaryDirectory(dir=bench.scratch) as data:
        fill.fill(data, runs=runs, steps=steps)
        with maskmeter(bench, data) as server:
            connection = http.client.HTTPConnection(server.base.partition("//")[2])
            for what, path, params in chart_queries(runs):
                target, times = f"{path}?{urllib.parse.urlencode(params)}", []
                for _ in range(2 * bench.rounds + 1):
                    began = time.perf_counter()
                    connection.request("GET", target, headers={"Accept-Encoding": "gzip"})
                    answer = connection.getresponse()
                    body = answer.read()
                    times.append(time.perf_counter() - began)
                    if answer.status != 200 or not body:
                        raise RuntimeError(f"{target}: {answer.status}")
                found[what] = times[1:]
            connection.close()
    return found


def rows_history(bench, report):
    """Each on a history of 2e7 values per class, beside one of a tenth as many runs."""
    if fill is None:
        report.missing("dashboards on a large history", "python3-numpy")
        return
    fill.support.BINARY = bench.build / "maskmeter"
    small, large = chart_times(bench, 20, 500), chart_times(bench, 200, 500)
    for what, times in large.items():
        report.add(what, spread(times, 1e3, "ms"), f"of a tenth {spread(small[what], 1e3, 'ms')}",
                   1e3 * statistics.median(times), 50, at_most=True)  # fmt: skip
    report.note("history: 200 runs x 500 steps x 20 classes x 10 scores, 40 images; a tenth of it has 20 runs.")


GROUPS = {"sums": rows_sums, "same": rows_same_sums, "torch": rows_torch, "upload": rows_upload,
          "fastapi": rows_fastapi, "small": rows_small, "memory": rows_memory, "transform": rows_transform,
          "distances": rows_distances, "history": rows_history}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description="Measures maskmeter beside what it is compared with.")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--only", default=",".join(GROUPS), help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    chosen = options.only.split(",")
    unknown = set(chosen) - set(GROUPS)
    if unknown:
        parser.error(f"--only: no such group: {', '.join(sorted(unknown))}")

    build, report = options.build.resolve(), Report(options.json)
    about = machine(build)
    if not options.json:
        print("\n".join(f"{name:10} {value}" for name, value in about.items()), end="\n\n")
    report.titles()
    with tempfile.TemporaryDirectory(prefix="maskmeter-bench-") as scratch:
        bench = Bench(build, options.rounds, scratch)
        for group in chosen:
            GROUPS[group](bench, report)
    if options.json:
        whole = {"machine": about, "rounds": options.rounds, "rows": report.rows, "notes": report.notes}
        print(json.dumps(whole, indent=1))
    else:
        print(f"\nMedians (least-most) of {options.rounds} turns or more.", *report.notes, sep="\n")


main()
