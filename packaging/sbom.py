#!/usr/bin/env python3
"""Writes the bill of materials of the image, as CycloneDX 1.5 JSON: sbom.py BUILD STATUS PIP [VERSION] >FILE.

BUILD is the build folder of both programs, STATUS a folder with dpkg's status of each package whose libraries the image
has, PIP the folder where pip has installed torch. Components are the packages that these libraries are of, those that
were compiled and linked into the programs, as archives or headers, torch, and what torch brings.
"""

from __future__ import annotations

import email.parser
import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from urllib.parse import quote

PROGRAMS = ("tensorferry-server", "tensorferry")
Component = dict[str, object]


def output_of(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def escaped(part: str) -> str:
    """A part of a package URL."""
    return quote(part, safe=":")


def archives(build: Path) -> set[str]:
    """The archives outside of the build that the programs are linked with."""
    return set(
        re.findall(r"(?<![\w./-])/[^\s,]+\.a\b", output_of("ninja", "-C", str(build), "-t", "commands", *PROGRAMS))
    )


def headers(build: Path) -> set[str]:
    """The headers of Debian's packages that the programs are compiled with."""
    ours = set(output_of("ninja", "-C", str(build), "-t", "inputs", *PROGRAMS).split())
    found: set[str] = set()
    taken = False
    for line in output_of("ninja", "-C", str(build), "-t", "deps").splitlines():
        if line.startswith(" "):
            if taken and line.strip().startswith("/usr/"):
                found.add(line.strip())
        else:
            taken = line.partition(":")[0] in ours
    return found


def packages_of(files: Iterable[str]) -> set[str]:
    """The Debian packages that have these files."""
    paths = sorted(files)
    if not paths:
        return set()
    owners = output_of("dpkg-query", "--search", *paths)
    return {
        name.strip().partition(":")[0] for line in owners.splitlines() for name in line.rpartition(": ")[0].split(",")
    }


@cache
def distribution() -> str:
    """The Debian that this runs in: debian-12, or, as one that is not released has no number, debian-sid."""
    release = platform.freedesktop_os_release()
    return f"debian-{release.get('VERSION_ID') or release['VERSION_CODENAME']}"


def of_debian(status: str, use: str) -> Component:
    """A Debian package as a component, of what dpkg says of it."""
    fields = email.parser.HeaderParser().parsestr(status)
    name, version, architecture = fields["Package"], fields["Version"], fields["Architecture"]
    source = (fields["Source"] or name).partition(" ")[0]
    return {
        "type": "library",
        "bom-ref": f"deb:{name}",
        "name": name,
        "version": version,
        "purl": f"pkg:deb/debian/{escaped(name)}@{escaped(version)}?arch={architecture}&distro={distribution()}",
        "properties": [{"name": "tensorferry:use", "value": use}, {"name": "debian:source", "value": source}],
    }


def debian_components(build: Path, status: Path) -> Iterator[Component]:
    """Each package once, by the closest use: its library is there, or is within a program, or its headers are."""
    shared = {file.name: file.read_text() for file in status.iterdir()}
    yield from (of_debian(text, "shared library") for _, text in sorted(shared.items()))
    linked = packages_of(archives(build)) - shared.keys()
    included = packages_of(headers(build)) - linked - shared.keys()
    for use, names in (("static archive", linked), ("headers", included)):
        for name in sorted(names):
            yield of_debian(output_of("dpkg-query", "--status", name), use)


def of_pip(metadata: Path) -> Component:
    """An installed distribution as a component, with the projects whose sources its wheel names, without versions."""
    fields = email.parser.HeaderParser().parsestr(metadata.read_text())
    name, version = fields["Name"], fields["Version"]
    licences = [Path(file).parts for file in fields.get_all("License-File", [])]
    within = sorted({parts[1] for parts in licences if parts[0] == "third_party"})
    component: Component = {
        "type": "library",
        "bom-ref": f"pypi:{name}",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{escaped(version)}",
    }
    if fields["License-Expression"]:
        component["licenses"] = [{"expression": fields["License-Expression"]}]
    if within:
        component["components"] = [
            {"type": "library", "bom-ref": f"pypi:{name}/{each}", "name": each} for each in within
        ]
    return component


def pip_components(packages: Path) -> Iterator[Component]:
    """torch, and the distributions with CUDA's libraries that a torch for GPUs brings."""
    for pattern in ("torch-*", "nvidia_*"):
        yield from map(of_pip, sorted(packages.glob(f"{pattern}.dist-info/METADATA")))


def main(build: str, status: str, packages: str, version: str = "") -> None:
    components = [*debian_components(Path(build), Path(status)), *pip_components(Path(packages))]
    image: Component = {
        "type": "container",
        "bom-ref": "tensorferry",
        "name": "tensorferry",
        **({"version": version} if version else {}),
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": image},
        "components": components,
        "dependencies": [{"ref": "tensorferry", "dependsOn": [component["bom-ref"] for component in components]}],
    }
    json.dump(bill, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(*sys.argv[1:])
