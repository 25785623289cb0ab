"""coverage.py - what the tests reach: lines and branches of each file as a table, every line as HTML.

coverage.py SOURCES OBJECTS HTML: where the sources are, the build folder whose programs have run, where to write.
"""

import json
import pathlib
import subprocess
import sys

GOAL_LINES = 90.0  # per cent, of all files together
# Bytes from outside are read here, it is decided who may do what, and text is written for others: not a branch may be
# left out.
STRICT = ("proto/reader.c", "proto/header.c", "proto/wire_read.c", "lib/expression.c", "lib/arguments.c",
          "server/query.c", "server/http_check.c", "server/ip.c", "server/tokens.c", "server/access.c",
          "server/failures.c", "server/json.c")


def gcovr(sources, objects, html):
    """The summary of gcovr as a dictionary."""
    html.mkdir(parents=True, exist_ok=True)
    summary = html / "summary.json"
    filters = [argument for folder in ("lib", "proto", "server") for argument in ("--filter", f"{sources}/{folder}/")]
    subprocess.run(["gcovr", "--root", sources, "--object-directory", objects, *filters, "--exclude-unreachable-branches",
                    "--json-summary", summary, "--html-details", html / "index.html", objects], check=True)
    return json.loads(summary.read_text())


def share(covered, total):
    return f"{covered:>7}{total:>7}{100 * covered / total if total else 100:>8.1f} %"


def row(name, numbers):
    print(f"{name:34}{share(numbers['line_covered'], numbers['line_total'])}"
          f"{share(numbers['branch_covered'], numbers['branch_total'])}")


def main():
    sources, objects, html = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    summary = gcovr(sources, objects, html)
    print(f"{'':34}{'lines':>7}{'of':>7}{'':>10}{'branches':>8}{'of':>6}")
    for entry in sorted(summary["files"], key=lambda entry: entry["filename"]):
        row(entry["filename"], entry)
    print()
    strict = [entry for entry in summary["files"] if entry["filename"] in STRICT]
    for entry in strict:
        row(entry["filename"], entry)
    row("all", summary)
    print(f"every line: {html.relative_to(sources)}/index.html")
    missed = [entry["filename"] for entry in strict if entry["branch_covered"] < entry["branch_total"]]
    if missed:
        print(f"not every branch was taken in {', '.join(missed)}")
    return 0 if not missed and summary["line_percent"] >= GOAL_LINES else 1


if __name__ == "__main__":
    sys.exit(main())
