"""test_bench.py - `maskmeter bench`: what it prints, what it uploads, what it refuses."""
import json

import pytest
from test_commands import run

TINY = ("--shape", "8x9x10,32x32", "--classes", "3", "--runs", "2")


def test_table_and_json_tell_of_every_combination():
    table = run("bench", *TINY, "--dtype", "F32,U8", "--threads", "1,2").stdout
    for shape in ("8x9x10", "32x32"):
        for dtype in ("F32", "U8"):
            for threads in "12":
                assert any(line.split()[:4] == [shape, "3", dtype, threads] for line in table.splitlines())
    assert "\x1b" not in table  # no colours in a pipe

    told = json.loads(run("bench", *TINY, "--dtype", "F16", "--threads", "2", "--scores", "dice", "--json").stdout)
    assert told["scores"] == "dice"
    assert [line["shape"] for line in told["lines"]] == ["8x9x10", "32x32"]
    for line in told["lines"]:
        assert line["threads"] == 2
        assert len(line["seconds"]) == len(line["read_seconds"]) == 2
        assert all(seconds > 0 for seconds in line["seconds"] + line["read_seconds"])
    assert told["lines"][1]["bytes"] == 32 * 32 * (3 * 2 + 1)


def test_uploads_to_a_running_server(server):
    arguments = ("bench", *TINY, "--dtype", "F64,BF16,U8", "--url", server.url, "--scores", "dice,cross_entropy")
    told = json.loads(run(*arguments, "--json").stdout)
    assert len(told["lines"]) == 6
    assert all(len(line["seconds"]) == 2 and "read_seconds" not in line for line in told["lines"])
    assert server.url in run(*arguments).stdout


def test_a_server_that_refuses_or_is_not_there(server):
    """The reason is told, and the exit code is 1."""
    assert "404" in run("bench", *TINY, "--url", f"{server.url}/nowhere", code=1).stderr
    assert run("bench", *TINY, "--url", "http://127.0.0.1:9", code=1).stderr


def test_saved_upload_is_what_a_server_takes(server, tmp_path):
    path = tmp_path / "upload.safetensors"
    assert run("bench", "--save", path, "--shape", "60x70", "--dtype", "U8").stdout == ""
    answer = server.score(path.read_bytes(), scores="dice")
    assert answer["voxels"] == 4200
    assert len(answer["classes"]) == 4
    assert answer["scores"][0]["value"] > 0.5


@pytest.mark.parametrize(
    "flags",
    [
        ["--shape", "0"], ["--shape", "3x"], ["--shape", "1x2x3x4"], ["--shape", "8,"], ["--shape", "8" + ",8" * 16],
        ["--dtype", "I32"], ["--dtype", ""], ["--dtype", "F32,"], ["--classes", "1"], ["--classes", "5000"],
        ["--threads", "0"], ["--threads", "1;2"], ["--runs", "0"], ["--runs", "1000"], ["--runs"],
        ["--scores", "dicee"], ["--url", "ftp://x"], ["--url", "http://x", "--save", "y"], ["--save", ""], ["file"],
        ["--nonsense"],
    ],
)  # fmt: skip
def test_wrong_usage(flags):
    assert "bench" in run("bench", *flags, code=2).stderr


def test_help():
    text = run("bench", "--help").stdout
    for flag in ("shape", "classes", "dtype", "threads", "scores", "runs", "url", "save", "json"):
        assert f"--{flag}" in text


def test_no_room_on_the_disk():
    assert run("bench", "--save", "/dev/full", "--shape", "64x64", code=1).stderr
