"""test_commands.py - the command line: eval, push, scores, healthcheck, configuration, exit codes 0, 1 and 2."""

import json
import os
import pathlib
import re
import subprocess

import pytest
import support
from support import (
    DATA,
    EXPECTED,
    MANIFEST,
    SLOW,
    bits,
    data_params,
    eventually,
    near,
    safetensors,
    scores_of,
    small_file,
    softmax_case,
    zstd,
)

DEMO = DATA / "demo.safetensors"


def run(*args, env=None, code=0, stdin=None):
    """Runs the command; its exit code must be `code`."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MASKMETER_")}
    done = subprocess.run([support.BINARY, *map(str, args)], capture_output=True, text=True, timeout=60 * SLOW,
                          env={**clean, **(env or {})}, stdin=stdin, check=False)
    assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
    return done


# ------------------------------------------------------------------------------------------------- usage


def test_usage():
    """Without a command, or with an unknown one, the exit code is 2 and the commands are named on stderr."""
    for args in ((), ("nonsense",), ("--nonsense",)):
        text = run(*args, code=2).stderr
        for command in ("serve", "eval", "push", "scores", "healthcheck", "bench"):
            assert command in text
    assert run("--help").stdout.startswith("maskmeter") or "Usage" in run("--help").stdout
    assert re.search(r"\b0\.1\.0\b", run("--version").stdout)


@pytest.mark.parametrize("command", ["serve", "eval", "push", "scores", "healthcheck", "backup", "restore"])
def test_help_of_each_command(command):
    assert command in run(command, "--help").stdout
    assert "nonsense" in run(command, "--nonsense", code=2).stderr


# ------------------------------------------------------------------------------------------------- eval


def test_eval_gives_the_document_of_the_server(server):
    """Bit for bit what an upload of the same file answers."""
    params = {**data_params(DEMO.name), "scores": "dice,cross_entropy,tversky_loss", "include": "images,confusion"}
    flags = [f"--{name}={value}" for name, value in params.items()]
    local = json.loads(run("eval", "--json", *flags, DEMO).stdout)
    assert bits(local) == bits(server.score(DEMO.read_bytes(), **params))
    assert local["evaluation"] is None


def test_eval_of_compressed_files(tmp_path):
    for name in ("dsb2d_labels_519x161.safetensors.zst", "seed3d.safetensors.zst"):
        flags = [f"--{key}={value}" for key, value in data_params(name).items()]
        document = json.loads(run("eval", "--json", "--scores=dice", *flags, DATA / name).stdout)
        assert near(document["scores"][0]["per_class"], EXPECTED[name]["dice"]["per_class"])
        assert document["images"] == MANIFEST[name]["images"]


def test_eval_of_several_files():
    """Several files are parts of one evaluation: the union of their images."""
    names = ["dsb2d_labels_519x161.safetensors.zst", "dsb2d_labels_519x162.safetensors.zst"]
    document = json.loads(
        run("eval", "--json", "--num_classes=3", "--scores=tp(over=pooled)", *(DATA / n for n in names)).stdout
    )
    assert document["images"] == 4
    want = [sum(EXPECTED[n]["counts"]["tp"][i][c] for n in names for i in (0, 1)) for c in range(3)]
    assert document["scores"][0]["per_class"] == want


def test_eval_prints_a_table():
    """A row per class and one for the value; plain text when nobody looks at a terminal."""
    text = run("eval", *(f"--{k}={v}" for k, v in data_params(DEMO.name).items()), "--scores=dice,iou", DEMO).stdout
    for word in ("dice", "iou", "background", "liver", "gallbladder", "kidney_right"):
        assert word in text
    value = EXPECTED[DEMO.name]["dice"]["value"]
    assert f"{value:.4f}"[:5] in text and "\x1b" not in text


def test_eval_failures(tmp_path):
    """Bad data fail with 1 and name the file and the tensor; bad flags are usage and exit with 2."""
    bad = tmp_path / "bad.safetensors"
    probs, label = softmax_case()
    probs.reshape(-1)[7] = float("nan")
    bad.write_bytes(safetensors({"pred": probs, "label": label}))
    text = run("eval", bad, code=1).stderr
    assert "bad.safetensors" in text and "pred" in text and "7" in text
    assert "nowhere" in run("eval", tmp_path / "nowhere", code=1).stderr
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(small_file()[:-1])
    run("eval", cut, code=1)
    cut.write_bytes(zstd(small_file())[:-1])
    run("eval", cut, code=1)
    run("eval", tmp_path, code=1)
    run("eval", code=2)
    assert "task" in run("eval", "--task=nonsense", DEMO, code=2).stderr
    assert "tasc" in run("eval", "--tasc=multiclass", DEMO, code=2).stderr
    assert "dice" in run("eval", "--scores=dyce", DEMO, code=2).stderr


# ------------------------------------------------------------------------------------------------- push


def test_push(server):
    """Uploads files as parts of an evaluation and prints what the server answered."""
    names = ["dsb2d_labels_519x161.safetensors.zst", "dsb2d_labels_519x162.safetensors.zst"]
    for part, name in enumerate(names):
        ids = ",".join(MANIFEST[name]["image_ids"])
        done = run("push", "--url", server.url, "--json", "--run=pushed", "--step=5", f"--part={part}", "--parts=2",
                   "--classes=background,nucleus,boundary", "--scores=dice,tp(over=pooled)", f"--image_ids={ids}",
                   DATA / name)
        document = json.loads(done.stdout)
        assert document["evaluation"]["parts_received"] == part + 1
    merged = server.get("/v1/evaluations", run="pushed", split="val", step="5").json()
    assert merged["images"] == 4 and merged["evaluation"]["complete"]
    want = [sum(EXPECTED[n]["counts"]["tp"][i][c] for n in names for i in (0, 1)) for c in range(3)]
    assert scores_of(merged)["tp(over=pooled)"]["per_class"] == want


def test_push_failures(server, tmp_path):
    """An answer that is an error, a server that is not there: 1, with the server's own words."""
    bad = tmp_path / "bad.safetensors"
    probs, label = softmax_case()
    bad.write_bytes(safetensors({"pred": probs - 1, "label": label}))
    text = run("push", "--url", server.url, bad, code=1).stderr
    assert "pred" in text and "probabilit" in text
    assert run("push", "--url", "http://127.0.0.1:1", DEMO, code=1).stderr
    run("push", "--url", "ftp://x", DEMO, code=2)
    run("push", "--url", server.url, code=2)
    run("push", "--url", server.url, tmp_path / "nowhere", code=1)


# ------------------------------------------------------------------------------------------------- scores, healthcheck


def test_scores_lists_the_registry(server):
    text = run("scores").stdout
    document = json.loads(run("scores", "--json").stdout)
    assert document == server.get("/v1/scores").json()
    for row in document["scores"]:
        assert row["name"] in text


def test_healthcheck(start, tmp_path):
    server = start()
    run("healthcheck", "--listen", f"127.0.0.1:{server.port}")
    run("healthcheck", env={"MASKMETER_LISTEN": f"127.0.0.1:{server.port}"})
    server.stop()
    assert run("healthcheck", "--listen", f"127.0.0.1:{server.port}", code=1).stderr


# ------------------------------------------------------------------------------------------------- configuration


def settings(*args, env=None):
    """What --print-config says."""
    lines = run("serve", *args, "--print-config", env=env).stdout.splitlines()
    return dict(line.split(" = ", 1) for line in lines if line and not line.startswith("#"))


def test_defaults():
    shown = settings()
    assert shown["listen"] == "127.0.0.1:8080" and shown["max-classes"] == "4096" and shown["insecure-open"] == "false"


def test_flag_over_environment_over_file(tmp_path):
    file = tmp_path / "maskmeter.conf"
    file.write_text("# a comment\nthreads = 3\nmax-classes = 100\nlisten = 127.0.0.1:1003\n\n")
    env = {"MASKMETER_THREADS": "4", "MASKMETER_MAX_CLASSES": "200"}
    shown = settings("--config", file, "--threads", "5", env=env)
    assert (shown["threads"], shown["max-classes"], shown["listen"]) == ("5", "200", "127.0.0.1:1003")
    assert settings("--config", file)["threads"] == "3"
    assert settings("--threads=7")["threads"] == "7"


def test_printed_settings_read_back(tmp_path):
    file = tmp_path / "maskmeter.conf"
    first = run("serve", "--threads=3", "--memory=512MiB", "--listen=[::1]:9", "--print-config").stdout
    file.write_text(first)
    assert settings("--config", file) == dict(
        line.split(" = ", 1) for line in first.splitlines() if line and line[0] != "#"
    )


@pytest.mark.parametrize("args", [
    ["--nonsense=1"], ["--threads"], ["--threads=x"], ["--threads=-1"], ["--memory=12parsecs"], ["--memory=1KiB"],
    ["--listen=nonsense"], ["--listen=127.0.0.1:99999"], ["--backend=opencl"], ["--store=postgres://x"],
    ["--keep-days=-1"], ["--keep-days=x"], ["--tls-cert=x"], ["--max-classes=0"], ["--config=/nonexistent/file"], ["extra"],
], ids=lambda args: args[0])
def test_bad_settings(args, tmp_path):
    """Wrong usage is 2, and the culprit is named."""
    text = run("serve", "--data", tmp_path, *args, code=2).stderr
    assert args[0].lstrip("-").split("=")[0] in text.lower()


@pytest.mark.parametrize("line, culprit", [
    ("nonsense = 1", "nonsense"), ("threads 3", "line 1"), ("threads = x", "threads"), ("config = other", "config"),
])
def test_bad_files(tmp_path, line, culprit):
    file = tmp_path / "maskmeter.conf"
    file.write_text(line + "\n")
    assert culprit in run("serve", "--config", file, "--data", tmp_path, code=2).stderr


def test_bad_environment(tmp_path):
    assert "threads" in run("serve", "--data", tmp_path, env={"MASKMETER_THREADS": "x"}, code=2).stderr.lower()


def test_unknown_environment_is_logged_once_and_ignored(start):
    server = start(env={"MASKMETER_THREDS": "3"})
    assert server.get("/healthz").status_code == 200
    assert sum("MASKMETER_THREDS" in json.dumps(entry) for entry in server.log) == 1


def test_a_cpu_level_that_is_not_there(tmp_path):
    """MM_CPU is never replaced silently."""
    text = run("serve", "--listen", "127.0.0.1:0", "--data", tmp_path, env={"MM_CPU": "nonsense"}, code=2).stderr
    assert "MM_CPU" in text and "nonsense" in text


def test_data_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    text = run("serve", "--listen", "127.0.0.1:0", "--data", tmp_path / "file", code=1).stderr
    assert "data" in text or "director" in text


def test_a_damaged_history_is_refused(start, tmp_path):
    server = start()
    server.score(small_file(), run="a", step="1")
    server.stop()
    file = server.data / "maskmeter.db"
    file.write_bytes(b"nonsense" * 1000)
    assert run("serve", "--listen", "127.0.0.1:0", "--data", server.data, code=1).stderr


UNPRIVILEGED = ["setpriv", "--bounding-set=-all"] if os.geteuid() == 0 else []


class Unprivileged(support.Server):
    def command(self):
        return [*UNPRIVILEGED, *super().command()]


def test_its_memory_is_for_nobody_else(tmp_path):
    """Others of its user may not read it; the kernel then writes no core either."""
    server, waiting = Unprivileged(tmp_path), subprocess.Popen([*UNPRIVILEGED, "sleep", "60"])
    try:
        eventually(lambda: pathlib.Path(f"/proc/{waiting.pid}/comm").read_text(encoding="ascii") == "sleep\n")  # not setpriv
        for pid, code in ((server.process.pid, 1), (waiting.pid, 0)):
            done = subprocess.run([*UNPRIVILEGED, "cat", f"/proc/{pid}/environ"], capture_output=True, check=False)
            assert done.returncode == code and (b"Permission denied" in done.stderr) == bool(code)
        limits = open(f"/proc/{server.process.pid}/limits", encoding="ascii").read()
        assert re.search(r"Max core file size\s+0\s+0\b", limits)
    finally:
        waiting.kill()
        waiting.wait()
        server.stop()


def test_a_setting_reaches_the_server(start):
    server = start("--max-classes", "2", "--threads", "1")
    answer = server.post(small_file(classes=3))
    assert answer.status_code == 422 and "2" in answer.json()["detail"]
    assert server.score(small_file(classes=2))["engine"]["threads"] == 1
