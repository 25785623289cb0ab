"""readme.py - writes what the program itself says, into README.md: the scores, an example of their source, the settings;
into proto/openapi.yaml: the names of the scores.

Usage: readme.py MASKMETER
"""
import json
import pathlib
import re
import subprocess
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
OPENAPI = ROOT / "proto" / "openapi.yaml"
EXAMPLE = ROOT / "lib" / "score_agreement.c"


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def registry(binary):
    return json.loads(output(binary, "scores", "--json"))["scores"]


def code(words):
    return ", ".join(f"`{word}`" for word in words)


# ------------------------------------------------------------------------------------------------------ README.md


def scores_table(binary):
    """The natural scores, in full."""
    lines = ["| score | kind | formula | parameters (default) |", "| --- | --- | --- | --- |"]
    for score in registry(binary):
        if "." in score["name"]:
            continue
        name = code([score["name"]]) + (f" ({code(score['aliases'])})" if score["aliases"] else "")
        formula = score["formula"].replace("|", "\\|")
        params = ", ".join(map(parameter, score["params"]))
        lines.append(f"| {name} | {score['kind']} | `{formula}` | {params} |")
    return "\n".join(lines)


def parameter(row):
    if row["required"]:
        return f"`{row['name']}`"
    default = row["default"] if isinstance(row["default"], str) else json.dumps(row["default"])
    return f"`{row['name']}` ({default})"


def peers_table(binary):
    """The functions of each peer, by name."""
    functions = {}
    for score in registry(binary):
        peer, dot, name = score["name"].partition(".")
        if dot:
            functions.setdefault(peer, []).extend([name, *(alias.partition(".")[2] for alias in score["aliases"])])
    lines = ["| peer | functions |", "| --- | --- |"]
    lines += [f"| `{peer}.` | {code(names)} |" for peer, names in functions.items()]
    return "\n".join(lines)


def example(_binary):
    """What makes up one score of EXAMPLE: its sums, its function, its parameters, its row."""
    text = EXAMPLE.read_text()
    parts = (
        r"static size_t error_stats\(.*?\n}\n",
        r"/\*[^\n]*\*/\nstatic mm_value sensitivity_specificity_loss\(.*?\n}\n",
        r"static const mm_param error_params\[\] = {\n.*?};\n",
        r"    {LOSS\(\"sensitivity_specificity_loss\".*?},\n(?=    {LOSS)",
    )
    found = [re.search(part, text, flags=re.DOTALL).group(0).rstrip() for part in parts]
    return "```c\n" + "\n\n".join(found) + "\n```"


def settings(binary):
    return "```\n" + output(binary, "serve", "--help").rstrip() + "\n```"


PARTS = {"scores": scores_table, "peers": peers_table, "example": example, "settings": settings}


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


# ------------------------------------------------------------------------------------------------------ openapi.yaml


def renewed_openapi(document, binary):
    """proto/openapi.yaml as it should read: the enumerations of ScoreName and ScoreAlias."""
    scores = registry(binary)
    enumerations = {
        "ScoreName": [score["name"] for score in scores],
        "ScoreAlias": [alias for score in scores for alias in score["aliases"]],
    }
    for schema, words in enumerations.items():
        lines = textwrap.wrap(", ".join(words), 110, break_long_words=False, break_on_hyphens=False)
        listed = "".join(f"        {line}\n" for line in lines)
        document, count = re.subn(
            rf"(\n    {schema}:\n(?:      .*\n)*?      enum: \[\n)[^\]]*(      \]\n)",
            lambda found: found[1] + listed + found[2],
            document,
        )
        assert count == 1, f"proto/openapi.yaml has no place for {schema}"
    return document


if __name__ == "__main__":
    README.write_text(renewed(README.read_text(), sys.argv[1]))
    OPENAPI.write_text(renewed_openapi(OPENAPI.read_text(), sys.argv[1]))
