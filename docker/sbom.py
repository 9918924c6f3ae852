#!/usr/bin/env python3
"""Writes the bill of materials of the image, as CycloneDX 1.5 JSON: sbom.py BUILD STATUS TORCH [VERSION] >FILE.

BUILD is the build folder of both programs, STATUS a folder with dpkg's status of each package whose libraries the image
has, TORCH the folder where torch was installed. Components are the packages that these libraries are of, those that
were compiled and linked into the programs, as archives or headers, torch, and what torch brings within.
"""

from __future__ import annotations

import email.parser
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
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
        "purl": f"pkg:deb/debian/{escaped(name)}@{escaped(version)}?arch={architecture}&distro=debian-12",
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


def torch_component(torch: Path) -> Component:
    """torch, with the projects whose sources its wheel names: of these it gives no versions."""
    (metadata,) = torch.glob("torch-*.dist-info/METADATA")
    fields = email.parser.HeaderParser().parsestr(metadata.read_text())
    version = fields["Version"]
    licences = (Path(file) for file in fields.get_all("License-File", []))
    within = sorted({file.parts[1] for file in licences if file.parts[0] == "third_party"})
    return {
        "type": "library",
        "bom-ref": "pypi:torch",
        "name": "torch",
        "version": version,
        "licenses": [{"expression": fields["License-Expression"]}],
        "purl": f"pkg:pypi/torch@{escaped(version)}",
        "components": [{"type": "library", "bom-ref": f"pypi:torch/{name}", "name": name} for name in within],
    }


def main(build: str, status: str, torch: str, version: str = "") -> None:
    components = [*debian_components(Path(build), Path(status)), torch_component(Path(torch))]
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
