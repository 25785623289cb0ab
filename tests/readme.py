"""readme.py - writes those parts of README.md that the program itself says: the scores and the settings.

Usage: readme.py MASKMETER
"""
import json
import pathlib
import re
import subprocess
import sys

README = pathlib.Path(__file__).resolve().parents[1] / "README.md"


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def scores_table(binary):
    lines = ["| score | kind | formula | parameters (default) |", "| --- | --- | --- | --- |"]
    for score in json.loads(output(binary, "scores", "--json"))["scores"]:
        formula = score["formula"].replace("|", "\\|")
        params = ", ".join(map(parameter, score["params"]))
        lines.append(f"| `{score['name']}` | {score['kind']} | `{formula}` | {params} |")
    return "\n".join(lines)


def parameter(row):
    if row["required"]:
        return f"`{row['name']}`"
    default = row["default"] if isinstance(row["default"], str) else json.dumps(row["default"])
    return f"`{row['name']}` ({default})"


def settings(binary):
    return "```\n" + output(binary, "serve", "--help").rstrip() + "\n```"


PARTS = {"scores": scores_table, "settings": settings}


def renewed(document, binary):
    """README.md as it should read."""
    for name, part in PARTS.items():
        document, count = re.subn(
            rf"(<!-- {name}\b[^>]*-->\n).*?(<!-- /{name} -->)",
            lambda found: found[1] + "\n" + part(binary) + "\n\n" + found[2],
            document,
            flags=re.DOTALL,
        )
        assert count == 1, f"README.md has no place for {name}"
    return document


if __name__ == "__main__":
    README.write_text(renewed(README.read_text(), sys.argv[1]))
