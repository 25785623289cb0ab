"""mutants.py - small faults are put into sources, one at a time: does a test of ours notice?

A mutant is one change on one line: another comparison, another sign, a constant one off, a condition negated, operands
swapped, a statement left out.  It is compiled alone, linked with everything else as it was, and given to the unit
suites of its file, then to the corpora of its fuzz targets.  What no test can tell from the original is listed in
mutants.txt, with the reason.  The Makefile says how to compile and to link: `make mutants`.
"""

import argparse
import collections
import concurrent.futures
import fnmatch
import os
import pathlib
import random
import re
import resource
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
SECONDS = 30  # a mutant that runs longer does not end, which is noticed
MEMORY = 1 << 30  # bytes that the address sanitizer may take from the system

# source: unit suites, fuzz targets whose corpora are replayed
SOURCES = {
    "proto/reader.c": ("reader header wire_read", "wire"),
    "proto/header.c": ("header wire_read", "wire"),
    "proto/wire_read.c": ("wire_read", "wire"),
    "lib/overlap.c": ("score_overlap scores peer_common peer_smp peer_monai peer_torchmetrics peers score_confusion", ""),
    "lib/score_overlap.c": ("score_overlap scores", ""),
    "lib/sums.c": ("sums record record_bytes eval score_overlap score_entropy scores explain", ""),
    "lib/score.c": ("score_overlap scores score_confusion eval explain", ""),
    "server/query.c": ("query request", "target"),
    "server/http_check.c": ("http_check", "headers"),
    "server/tokens.c": ("tokens", "access"),
}

Mutant = collections.namedtuple("Mutant", "source line kind before after text")

# ------------------------------------------------------------------------------------------------- what to change

SWAPS = [
    ("relation", r"(?<![<>=!\-])<(?![<=])", "<="),
    ("relation", r"(?<![<>=!\-])>(?![>=])", ">="),
    ("relation", r"<=", "<"),
    ("relation", r"(?<!>)>=", ">"),
    ("relation", r"==", "!="),
    ("relation", r"!=", "=="),
    ("logic", r"&&", "||"),
    ("logic", r"\|\|", "&&"),
    ("arithmetic", r"(?<=[\w)\]]) \+ (?=[\w(*])", " - "),
    ("arithmetic", r"(?<=[\w)\]]) - (?=[\w(*])", " + "),
    ("arithmetic", r"(?<=[\w)\]]) \* (?=[\w(])", " / "),
    ("arithmetic", r"(?<=[\w)\]]) / (?=[\w(])", " * "),
    ("arithmetic", r"(?<=[\w)\]]) % (?=[\w(])", " / "),
    ("arithmetic", r" \+= ", " -= "),
    ("arithmetic", r" -= ", " += "),
    ("bits", r"(?<=[\w)\]]) << (?=[\w(])", " >> "),
    ("bits", r"(?<=[\w)\]]) >> (?=[\w(])", " << "),
    ("bits", r"(?<=[\w)\]]) & (?=[\w(])", " | "),
    ("bits", r"(?<=[\w)\]]) \| (?=[\w(])", " & "),
    ("bits", r" \|= ", " &= "),
    ("step", r"(?<=\w)\+\+", "--"),
    ("step", r"(?<=\w)--", "++"),
]
NUMBER = re.compile(r"(?<![\w.\"'])(0x[0-9a-fA-F]+|\d+)([uUlL]*)(?![\w.\"'])")
CONDITION = re.compile(r"\b(if|while) \(([^;]*)\)(?= \{$|$)")
OPERANDS = re.compile(r"(?<![\w.>\])] )(?<![\w.>])\b([a-z_]\w*(?:(?:\.|->)\w+)*) (-|<|<=|/) ([a-z_]\w*(?:(?:\.|->)\w+)*)\b(?![\[(.]|->)")
STATEMENT = re.compile(r"^\s+(?!return|goto|break|continue|case|default|static|const|else|do\b)[\w*(>\[\].+-]+.*;$")
DECLARATION = re.compile(r"^\s+(?:const |unsigned |struct )*[a-z_]\w* \**[a-z_]\w*(?:\[.*\])*(?: = .*|, .*)?;$")

HEAD = re.compile(r"^[a-z].*\)$")  # of a function: nothing there is done
IGNORED = re.compile(r"^\s+\(void\)\w+;$")


def code_of(text):
    """The text with comments, strings, preprocessor lines and tables blanked, so that columns stay."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))

    text = re.sub(r"/\* clang-format off \*/.*?/\* clang-format on \*/", blank, text, flags=re.S)
    text = re.sub(r"/\*.*?\*/", blank, text, flags=re.S)
    text = re.sub(r'"(?:\\.|[^"\\\n])*"', lambda m: '"' + " " * (len(m.group(0)) - 2) + '"', text)
    text = re.sub(r"^#(?:.*\\\n)*.*$", blank, text, flags=re.M)
    return re.sub(r"^_Static_assert.*$", blank, text, flags=re.M)


def changes_of(line):
    """(kind, begin, end, replacement) for one line of code."""
    if HEAD.match(line) or IGNORED.match(line):
        return
    for kind, pattern, other in SWAPS:
        for match in re.finditer(pattern, line):
            yield kind, match.start(), match.end(), other
    for match in NUMBER.finditer(line):
        value = int(match.group(1), 0)
        is_yes = value == 1 and re.search(r"(?:return|=) $", line[: match.start()]) and line[match.end() :] == ";"
        for other in (value + 1, value - 1):
            if other >= 0 and not (is_yes and other == 2):
                yield "constant", match.start(), match.end(), f"{other}{match.group(2)}"
    for match in CONDITION.finditer(line):
        yield "negation", match.start(2), match.end(2), f"!({match.group(2)})"
    for match in OPERANDS.finditer(line):
        yield "operands", match.start(), match.end(), f"{match.group(3)} {match.group(2)} {match.group(1)}"
    if STATEMENT.match(line) and not DECLARATION.match(line) and line.count("(") == line.count(")"):
        begin = len(line) - len(line.lstrip())
        yield "dropped", begin, len(line), ";"


def mutants_of(source):
    text = (ROOT / source).read_text()
    lines, code = text.split("\n"), code_of(text).split("\n")
    for number, line in enumerate(code):
        for kind, begin, end, other in changes_of(line):
            changed = lines[number][:begin] + other + lines[number][end:]
            whole = "\n".join(lines[:number] + [changed] + lines[number + 1 :])
            yield Mutant(source, number + 1, kind, lines[number].strip(), changed.strip(), whole)


# ------------------------------------------------------------------------------------------------------- running

def limit():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.setsid()


def runs(command, seconds=SECONDS):
    """Does it end well, and in time?"""
    env = dict(os.environ, ASAN_OPTIONS=f"allocator_may_return_null=1:detect_leaks=1:hard_rss_limit_mb={MEMORY >> 20}")
    try:
        return subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              timeout=seconds, preexec_fn=limit, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


class Tree:
    """What was built already, and how a changed source becomes programs."""

    def __init__(self, arguments):
        self.compile = shlex.split(arguments.compile)
        self.link = shlex.split(arguments.link)
        self.objects = shlex.split(arguments.objects)
        self.archives = shlex.split(arguments.archives)
        self.libraries = shlex.split(arguments.libraries)
        self.build = arguments.build

    def made(self, folder, source, text):
        """The object of a changed source; None when it does not compile."""
        changed, made = folder / pathlib.Path(source).name, folder / "changed.o"
        changed.write_text(text)
        return made if runs([*self.compile, "-c", "-o", str(made), str(changed)]) else None

    def program(self, folder, name, changed, objects):
        path = folder / name
        command = [*self.link, "-o", str(path), str(changed), *objects, *self.archives, *self.libraries]
        return path if runs(command, 300) else None

    def survives(self, folder, source, changed):
        suites, targets = SOURCES[source]
        program = self.program(folder, "run_tests", changed, self.objects)
        if program is None or not runs([program, *suites.split()]):
            return False
        for target in targets.split():
            tools = [f"{self.build}/tests/fuzz/{name}.o" for name in (f"fuzz_{target}", "replay", "target", "slow_reader")]
            program = self.program(folder, "replay", changed, [*tools, f"{self.build}/tests/wire_tools.o"])
            if program is None or not runs([program, f"tests/fuzz/corpus/{target}"]):
                return False
        return True

    def fate(self, mutant):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            changed = self.made(folder, mutant.source, mutant.text)
            if changed is None:
                return "not compiled"
            return "survived" if self.survives(folder, mutant.source, changed) else "killed"


# --------------------------------------------------------------------------------------------------------- report

def known_equivalents():
    """{(source, before, after)} of mutants.txt: `source | line | changed line | reason`, one a line."""
    known = set()
    for line in (ROOT / "tests" / "mutants.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            source, before, after, _ = (part.strip() for part in line.split(" ¦ "))
            known.add((source, before, after))
    return known


def report(fates):
    names = ("killed", "survived", "equivalent", "not compiled")
    print(f"{'':22}{'mutants':>9}" + "".join(f"{name:>14}" for name in names) + f"{'killed of':>12}")
    total = collections.Counter()
    for source in [*SOURCES, "all"]:
        counts = total if source == "all" else collections.Counter(f for m, f in fates if m.source == source)
        total.update(counts if source != "all" else {})
        judged = counts["killed"] + counts["survived"]
        if judged:
            print(f"{source:22}{sum(counts.values()):>9}" + "".join(f"{counts[name]:>14}" for name in names)
                  + f"{100 * counts['killed'] / judged:>10.1f} %")
    for mutant, fate in fates:
        if fate == "survived":
            print(f"\n{mutant.source}:{mutant.line}, {mutant.kind}\n  - {mutant.before}\n  + {mutant.after}")
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name in ("build", "compile", "link", "objects", "archives", "libraries"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--sample", type=int, default=0, help="so many of each source; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sources", default="*", help="pattern of sources")
    arguments = parser.parse_args()

    mutants = []
    for source in fnmatch.filter(SOURCES, arguments.sources):
        found = list(mutants_of(source))
        if 0 < arguments.sample < len(found):
            found = random.Random(f"{arguments.seed} {source}").sample(found, arguments.sample)
        mutants += sorted(found)
    known = known_equivalents()
    equivalent = [m for m in mutants if (m.source, m.before, m.after) in known]
    judged = [m for m in mutants if (m.source, m.before, m.after) not in known]

    tree = Tree(arguments)
    for source in sorted({m.source for m in judged}):
        original = Mutant(source, 0, "none", "", "", (ROOT / source).read_text())
        if tree.fate(original) != "survived":
            sys.exit(f"{source} fails its own tests without a change: nothing can be said")
    fates = [(m, "equivalent") for m in equivalent]
    pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
    try:
        for pair in zip(judged, pool.map(tree.fate, judged)):
            fates.append(pair)
    except KeyboardInterrupt:
        print(f"interrupted: {len(judged) - (len(fates) - len(equivalent))} of {len(judged)} were not tried")
    pool.shutdown(cancel_futures=True)
    counts = report(fates)
    return 0 if counts["killed"] >= 0.9 * (counts["killed"] + counts["survived"]) else 1


if __name__ == "__main__":
    sys.exit(main())
