"""mutants.py - small faults are put into sources, one at a time: does a test of ours notice?

A mutant is one change on one line: another comparison, another sign, a constant one off, a condition negated, operands
swapped, a statement left out.  It is compiled alone, linked with everything else as it was, and given to the unit
suites of its file, first in a tree without sanitizers, which ends most of them in a second; then with the address
sanitizer, and to the corpora of its fuzz targets.  What no test can tell from the original is listed in mutants.txt,
with the reason.  The Makefile says how to compile and to link: `make mutants`.

The kernels are judged at the level "scalar": a fault in the source is in all levels, which have the same bits.
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
MEMORY = 1 << 30  # bytes that the address sanitizer may take from the system
PATIENCE = 300  # seconds on the clock: what waits that long waits for ever
SPARE = 10  # times the processor time of the original, after which a mutant will not end

# source: unit suites, the quick ones first; fuzz targets whose corpora are replayed
SOURCES = {
    "proto/reader.c": ("reader header wire_read", "wire"),
    "proto/header.c": ("header wire_read out_of_memory", "wire"),
    "proto/wire_read.c": ("wire_read out_of_memory", "wire"),
    "lib/elementary.h": ("sums kernels score_overlap", ""),
    "lib/kernels.c": ("kernels chunk input scores score_entropy oracle eval", ""),
    "lib/kernels_distance.c": ("kernels_distance nearest score_distance distance", ""),
    "lib/kernels_surface.c": ("kernels_surface nearest score_border score_distance surface", ""),
    "lib/chunk.c": ("chunk scores score_confusion oracle eval", ""),
    "lib/columns.c": ("chunk score_overlap scores score_entropy oracle eval columns", ""),
    "lib/reduce.c": ("reduce score_overlap scores score_confusion explain oracle eval out_of_memory", ""),
    "lib/overlap.c": ("overlap score_overlap peer_common peer_smp peer_monai peer_torchmetrics peers scores", ""),
    "lib/score_overlap.c": ("score_overlap scores", ""),
    "lib/sums.c": ("sums score_overlap score_entropy scores record record_bytes explain eval", ""),
    "lib/score.c": ("score score_overlap scores score_confusion explain eval", ""),
    "server/query.c": ("query request", "target"),
    "server/http_check.c": ("http_check", "headers"),
    "server/tokens.c": ("tokens", "access"),
}
# What is compiled for a header, and how a kernel's table is named.
UNITS = {"lib/elementary.h": ("lib/sums.c", "lib/kernels.c")}
LEVEL = "-DMM_LEVEL=scalar"
TOOLS = ("replay", "target", "slow_reader")  # what a replay is linked with

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
    """The text with comments, strings, preprocessor lines and tables blanked, so that columns stay; what a macro is made
    of is code."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))

    text = re.sub(r"/\* clang-format off \*/.*?/\* clang-format on \*/", blank, text, flags=re.S)
    text = re.sub(r"/\*.*?\*/", blank, text, flags=re.S)
    text = re.sub(r'"(?:\\.|[^"\\\n])*"', lambda m: '"' + " " * (len(m.group(0)) - 2) + '"', text)
    text = re.sub(r"^#.*$", blank, text, flags=re.M)
    text = re.sub(r" *\\$", blank, text, flags=re.M)
    return re.sub(r"^\s*_Static_assert.*$", blank, text, flags=re.M)


def changes_of(line):
    """(kind, begin, end, replacement) for one line of code."""
    line = line.rstrip()
    if HEAD.match(line) or IGNORED.match(line):
        return
    for kind, pattern, other in SWAPS:
        for match in re.finditer(pattern, line):
            yield kind, match.start(), match.end(), other
    for match in NUMBER.finditer(line):
        value = int(match.group(1), 0)
        is_yes = value == 1 and re.search(r"(?:return|=) $", line[: match.start()]) and line[match.end() :] == ";"
        is_room = DECLARATION.match(line) and line[match.end() : match.end() + 1] == "]"
        for other in (value + 1, value - 1):
            if other >= 0 and not (is_yes and other == 2) and not (is_room and other > value):
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
            before, after = (text.rstrip("\\").strip() for text in (lines[number], changed))
            yield Mutant(source, number + 1, kind, before, after, whole)


# ------------------------------------------------------------------------------------------------------- running

class Tree:
    """What was built already, and how a changed source becomes programs: the lines that `make mutants-tree` writes."""

    def __init__(self, path, sanitized):
        lines = pathlib.Path(path).read_text().splitlines()
        self.build = lines[0]
        self.compile, self.link, self.objects, self.archives, self.libraries = map(shlex.split, lines[1:])
        self.sanitized = sanitized
        self.allowed = {}  # suite or corpus: seconds of processor time

    def runs(self, command, seconds=PATIENCE):
        """Does it end well, and in time?"""
        env = dict(os.environ, MM_CPU="scalar",
                   ASAN_OPTIONS=f"allocator_may_return_null=1:detect_leaks=1:hard_rss_limit_mb={MEMORY >> 20}")

        def limit():
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
            if not self.sanitized:
                resource.setrlimit(resource.RLIMIT_AS, (8 * MEMORY, 8 * MEMORY))

        try:
            return subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  timeout=PATIENCE, preexec_fn=limit, check=False).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def made(self, folder, mutant):
        """The objects of a changed source, compiled as if it stood in its place; None when they do not compile."""
        changed, objects = folder / mutant.source, []
        changed.parent.mkdir(parents=True, exist_ok=True)
        changed.write_text(mutant.text)
        for unit in UNITS.get(mutant.source, (mutant.source,)):
            made = folder / f"{pathlib.Path(unit).stem}.o"
            path = changed if unit == mutant.source else ROOT / unit
            if not self.runs([*self.compile, LEVEL, "-iquote", str(folder), "-c", "-o", str(made), str(path)]):
                return None
            objects.append(str(made))
        return objects

    def tests(self, source):
        """(program, argument) of its suites, then of its corpora."""
        suites, targets = (names.split() for names in SOURCES[source])
        corpora = [(f"tests/fuzz/replay_{name}", f"tests/fuzz/corpus/{name}") for name in targets if self.sanitized]
        return [("run_tests", name) for name in suites] + corpora

    def measure(self, sources):
        """How long the tests of these sources take without a change."""
        for program, argument in {test: None for source in sources for test in self.tests(source)}:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            if not self.runs([f"{self.build}/{program}", argument]):
                sys.exit(f"{argument} fails without a change: nothing can be said")
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            taken = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            self.allowed[argument] = 2 + int(SPARE * taken)

    def changed_program(self, folder, program, changed):
        """One of those programs, with the changed objects in it; None when it does not link."""
        path, objects = folder / pathlib.Path(program).name, self.objects
        if program != "run_tests":
            names = (program.replace("replay_", "fuzz_"), *(f"tests/fuzz/{name}" for name in TOOLS), "tests/wire_tools")
            objects = [f"{self.build}/{name}.o" for name in names]
        if path.exists():
            return path
        command = [*self.link, "-o", str(path), *changed, *objects, *self.archives, *self.libraries]
        return path if self.runs(command) else None

    def fate(self, mutant):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            changed = self.made(folder, mutant)
            if changed is None:
                return "not compiled"
            for program, argument in self.tests(mutant.source):
                path = self.changed_program(folder, program, changed)
                if path is None:
                    return "not compiled"
                if not self.runs([path, argument], self.allowed[argument]):
                    return "killed"
            return "survived"


def fate_of(mutant, trees):
    """A mutant that survives one tree goes to the next."""
    for tree in trees:
        fate = tree.fate(mutant)
        if fate != "survived":
            return fate
    return "survived"


# --------------------------------------------------------------------------------------------------------- report

def known_equivalents():
    """{(source, before, after)} of mutants.txt: `source | line | changed line | reason`, one a line."""
    known = set()
    for line in (ROOT / "tests" / "mutants.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            source, before, after, _ = (part.strip() for part in line.split(" ¦ "))
            known.add((source, before, after))
    return known


def tell(mutant):
    print(f"{mutant.source}:{mutant.line}, {mutant.kind}\n  - {mutant.before}\n  + {mutant.after}\n", flush=True)


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
    return total


def drawn(arguments):
    """The mutants to try: all of the sources asked for, or so many of all these together."""
    mutants = [mutant for source in fnmatch.filter(SOURCES, arguments.sources) for mutant in mutants_of(source)]
    if 0 < arguments.sample < len(mutants):
        mutants = random.Random(arguments.seed).sample(mutants, arguments.sample)
    order = list(SOURCES)
    return sorted(mutants, key=lambda mutant: (order.index(mutant.source), *mutant[1:]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("quick", help="file of a tree without sanitizers")
    parser.add_argument("sanitized", help="file of a tree with the address sanitizer")
    parser.add_argument("--sample", type=int, default=0, help="so many, drawn from all; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sources", default="*", help="pattern of sources")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()

    mutants, known = drawn(arguments), known_equivalents()
    equivalent = [m for m in mutants if (m.source, m.before, m.after) in known]
    judged = [m for m in mutants if (m.source, m.before, m.after) not in known]

    trees = Tree(arguments.quick, False), Tree(arguments.sanitized, True)
    for tree in trees:
        tree.measure(sorted({m.source for m in judged}))
    fates = [(m, "equivalent") for m in equivalent]
    pool = concurrent.futures.ThreadPoolExecutor(arguments.jobs)
    try:
        for pair in zip(judged, pool.map(lambda mutant: fate_of(mutant, trees), judged)):
            fates.append(pair)
            if pair[1] == "survived":
                tell(pair[0])
    except KeyboardInterrupt:
        print(f"interrupted: {len(judged) - (len(fates) - len(equivalent))} of {len(judged)} were not tried")
    pool.shutdown(cancel_futures=True)
    counts = report(fates)
    return 0 if counts["killed"] >= 0.9 * (counts["killed"] + counts["survived"]) else 1


if __name__ == "__main__":
    sys.exit(main())
