"""sbom.py - lists what a built server is made of, as an SPDX 2.3 document: the project, the libraries that it loads with
their versions on this machine, and the files of others that are part of it.

Usage: sbom.py build/maskmeter > build/sbom.spdx.json

SOURCE_DATE_EPOCH in the environment is the time that it names; without it, that of the binary.
"""
import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
VENDORED = ROOT / "server" / "page" / "uplot"
# What their authors say of the libraries that we name ourselves; Debian's texts list every file of their sources.
LICENCES = {
    "libmicrohttpd": "LGPL-2.1-or-later", "libuv": "MIT", "libsqlite3": "blessing", "libcjson": "MIT", "libz": "Zlib",
    "libzstd": "BSD-3-Clause OR GPL-2.0-only", "libgnutls": "LGPL-2.1-or-later", "libc": "LGPL-2.1-or-later",
    "libm": "LGPL-2.1-or-later", "libgomp": "GPL-3.0-or-later WITH GCC-exception-3.1",
}  # fmt: skip


def output(*command):
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout


def checksums(path):
    data = path.read_bytes()
    return [{"algorithm": name.upper(), "checksumValue": hashlib.new(name, data).hexdigest()} for name in ("sha1", "sha256")]


def needed(path):
    """Names of the libraries that a file asks for."""
    return re.findall(r"\(NEEDED\).*\[(.+)\]", output("readelf", "-dW", path))


def loaded(binary):
    """{name: path} of every library that the loader takes, directly or not."""
    found = re.findall(r"^\s+(\S+) => (/\S+) \(", output("ldd", binary), re.MULTILINE)
    return {name: pathlib.Path(path).resolve() for name, path in found}


def debian_package(path):
    """(package, version, architecture) that a library came with, or None on other systems."""
    for spelled in (path, pathlib.Path("/", *path.parts[2:])):  # dpkg may know /usr/lib as /lib
        done = subprocess.run(["dpkg-query", "-S", str(spelled)], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            name = done.stdout.split(": ")[0].split(",")[0]
            return output("dpkg-query", "-W", "-f", "${Package}\t${Version}\t${Architecture}", name).split("\t")
    return None


def spdx_id(name):
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def package(name, version, licence, **more):
    return {"name": name, "SPDXID": spdx_id(name), "versionInfo": version, "licenseDeclared": licence,
            "licenseConcluded": "NOASSERTION", "copyrightText": "NOASSERTION", "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False, **more}  # fmt: skip


def library(name, path, system):
    stem = name.split(".so")[0]
    licence, digest = LICENCES.get(stem, "NOASSERTION"), checksums(path)
    found = debian_package(path) if path.exists() else None
    if found is None:
        return package(name, path.name.split(".so.")[-1], licence, checksums=digest)
    of, version, architecture = found
    purl = f"pkg:deb/{system.split('-')[0]}/{of}@{version.replace('+', '%2B').replace(':', '%3A')}?arch={architecture}&distro={system}"
    reference = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
    return package(name, version, licence, checksums=digest, externalRefs=[reference])


def vendored():
    """The chart library of the page: its package, and its files with their sums."""
    version = re.search(r"\| version \| (\S+) \|", (VENDORED / "README.md").read_text()).group(1)
    holder = re.search(r"Copyright.*", (VENDORED / "LICENSE").read_text()).group()
    files = [{"fileName": f"./{path.relative_to(ROOT)}", "SPDXID": spdx_id(path.name), "checksums": checksums(path),
              "licenseConcluded": "MIT", "licenseInfoInFiles": ["MIT"], "copyrightText": holder}
             for path in sorted(VENDORED.iterdir()) if path.name != "README.md"]  # fmt: skip
    location = f"https://registry.npmjs.org/uplot/-/uplot-{version}.tgz"
    purl = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": f"pkg:npm/uplot@{version}"}
    return package("uPlot", version, "MIT", downloadLocation=location, externalRefs=[purl]), files


def system_name():
    text = pathlib.Path("/etc/os-release").read_text(encoding="utf-8")
    known = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE))
    return f"{known['ID']}-{known.get('VERSION_ID', 'rolling')}"


def relations(binary, libraries, files):
    """(from, how, to) by name: who loads whom, and what is inside."""
    yield "SPDXRef-DOCUMENT", "DESCRIBES", spdx_id("maskmeter")
    direct = set(needed(binary))
    for name, path in libraries.items():
        if name in direct:
            yield spdx_id("maskmeter"), "DYNAMIC_LINK", spdx_id(name)
        for other in needed(path):
            if other in libraries:
                yield spdx_id(name), "DYNAMIC_LINK", spdx_id(other)
    yield spdx_id("maskmeter"), "CONTAINS", spdx_id("uPlot")
    for file in files:
        yield spdx_id("uPlot"), "CONTAINS", file["SPDXID"]


def main():
    binary = pathlib.Path(sys.argv[1])
    version = re.search(r'#define MM_VERSION "([^"]+)"', (ROOT / "lib/maskmeter.h").read_text()).group(1)
    libraries, system = loaded(binary), system_name()
    chart, files = vendored()
    own = package("maskmeter", version, "Apache-2.0", checksums=checksums(binary), primaryPackagePurpose="APPLICATION")
    time = datetime.datetime.fromtimestamp(
        int(os.environ.get("SOURCE_DATE_EPOCH", binary.stat().st_mtime)), tz=datetime.timezone.utc
    )
    digest = own["checksums"][1]["checksumValue"]
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"maskmeter-{version}",
        "documentNamespace": f"https://spdx.org/spdxdocs/maskmeter-{version}-{digest}",
        "creationInfo": {"created": f"{time:%Y-%m-%dT%H:%M:%SZ}", "creators": [f"Tool: maskmeter-sbom-{version}"]},
        "packages": [own, *(library(*item, system) for item in libraries.items()), chart],
        "files": files,
        "relationships": [{"spdxElementId": a, "relationshipType": how, "relatedSpdxElement": b}
                          for a, how, b in relations(binary, libraries, files)],
    }  # fmt: skip
    json.dump(document, sys.stdout, indent=1)
    print()
    print(f"{document['name']}: {len(libraries)} libraries that {binary} loads, {len(files)} files of others in it", file=sys.stderr)


main()
