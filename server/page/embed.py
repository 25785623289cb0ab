"""embed.py - prints the files of the built-in page as a C file (declared in server/page.h).

Usage: embed.py index.html FILE... > page_files.c

Every file but the document gets a name that changes with the contents of the whole page, so that browsers may keep it for
ever; what refers to "/page/NAME" in a script, a style or the document is given that name too.
"""
import gzip
import hashlib
import pathlib
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    "": "text/plain; charset=utf-8",
}

paths = [pathlib.Path(name) for name in sys.argv[1:]]
contents = {path.name: path.read_bytes() for path in paths}
digest = hashlib.sha256(b"".join(name.encode() + data for name, data in sorted(contents.items()))).hexdigest()[:16]


def served(name):
    path = pathlib.Path(name)
    return f"{path.stem}.{digest}{path.suffix}"


def with_served_names(data):
    for name in contents:
        data = data.replace(f'"/page/{name}"'.encode(), f'"/page/{served(name)}"'.encode())
    return data


def print_bytes(name, data):
    print(f"static const unsigned char {name}[] = {{")
    for at in range(0, len(data), 32):
        print("".join("%d," % byte for byte in data[at : at + 32]))
    print("};")


print('#include "server/page.h"')
rows = []
for index, (name, data) in enumerate(contents.items()):
    data = with_served_names(data)
    packed = gzip.compress(data, 9, mtime=0)
    print_bytes(f"file_{index}", data)
    print_bytes(f"packed_{index}", packed)
    address = "" if name.endswith(".html") else served(name)
    rows.append(f'{{"{address}", "{TYPES[pathlib.Path(name).suffix]}", file_{index}, {len(data)},')
    rows.append(f" packed_{index}, {len(packed)}}},")
print("const mm_page_file mm_page_files[] = {", *rows, "};", sep="\n")
print(f"const size_t mm_page_file_count = {len(rows) // 2};")
