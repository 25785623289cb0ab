"""test_binary.py - what the compiler and the linker were asked for is in the binary, read back with readelf and objdump."""

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("MASKMETER_BIN", ROOT / "build" / "maskmeter")).resolve()


def output(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.fixture(scope="module")
def dynamic():
    """{tag of the dynamic section: its values}"""
    out = {}
    for tag, value in re.findall(r"\((\w+)\)\s+(.*)", output("readelf", "-dW", BINARY)):
        out.setdefault(tag, []).append(value)
    return out


@pytest.fixture(scope="module")
def segments():
    """{type of a segment: the flags of each such segment}"""
    out = {}
    for kind, flags in re.findall(r"^\s+([A-Z_]+)\s+(?:0x[0-9a-f]+\s+){5}([RWE ]{3})\s+0x", output("readelf", "-lW", BINARY), re.M):
        out.setdefault(kind, []).append(flags.replace(" ", ""))
    return out


@pytest.fixture(scope="module")
def imported():
    """Functions that other libraries give."""
    return set(re.findall(r"FUNC\s+(?:GLOBAL|WEAK)\s+DEFAULT\s+UND\s+(\w+)", output("readelf", "-W", "--dyn-syms", BINARY)))


def test_it_is_loaded_anywhere(dynamic):
    assert re.search(r"Type:\s+DYN", output("readelf", "-hW", BINARY))
    assert "PIE" in dynamic["FLAGS_1"][0]


def test_tables_of_addresses_are_read_only_before_main(dynamic, segments):
    """Full RELRO: everything is bound at the start, and then protected."""
    assert len(segments["GNU_RELRO"]) == 1
    assert "BIND_NOW" in dynamic["FLAGS"][0] and "NOW" in dynamic["FLAGS_1"][0]


def test_nothing_is_writable_and_executable(segments, dynamic):
    assert segments["GNU_STACK"] == ["RW"]
    assert sorted(segments["LOAD"]) == ["R", "R", "RE", "RW"]  # code in pages of its own
    assert "TEXTREL" not in dynamic and "TEXTREL" not in dynamic["FLAGS"][0]


def test_libraries_come_from_the_system_alone(dynamic):
    assert not {"RPATH", "RUNPATH"} & set(dynamic)


def test_stacks_and_lengths_are_watched(imported):
    assert "__stack_chk_fail" in imported
    assert {"__snprintf_chk", "__vsnprintf_chk", "__memcpy_chk"} <= imported
    assert not {"sprintf", "vsprintf", "strcpy", "strcat", "gets"} & imported


def test_branches_land_where_they_may():
    """Indirect calls find the instruction that permits them: at the head of main(), as of every function."""
    main = output("objdump", "-d", "--no-show-raw-insn", "--disassemble=main", BINARY)
    first = re.search(r"<main>:\n\s*[0-9a-f]+:\s+(\w+)", main).group(1)
    assert first in ("endbr64", "paciasp", "bti")
