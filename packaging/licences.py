#!/usr/bin/env python3
"""Writes the licences of what is in a package, as one text: licences.py [OPTION]... [PACKAGE]... >FILE.

Each Debian package that is named, or found by an option, has the text that Debian gives it, and texts that these refer
to follow. Packages with the same text have it once.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from sbom import archives, headers, packages_of

COMMON = Path("/usr/share/common-licenses")  # Debian's texts refer to files there, which others do not have.


def patterns(folder: Path) -> set[str]:
    """What dpkg finds the libraries by that auditwheel has put into a folder, with a hash in each name."""
    return {"*/" + re.sub(r"-[0-9a-f]{8}\.so", ".so", file.name) for file in folder.iterdir()}


def text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace").strip()


def licences_of(packages: set[str]) -> dict[str, str]:
    """The texts, by the names of the packages that have them."""
    names: dict[str, list[str]] = {}
    for package in sorted(packages):
        names.setdefault(text_of(Path("/usr/share/doc", package, "copyright")), []).append(package)
    return {", ".join(sharing): text for text, sharing in names.items()}


def referred_to(texts: list[str]) -> dict[str, str]:
    """The texts of Debian's folder of common licences that these texts name, by their paths."""
    named = {name for text in texts for name in re.findall(rf"{COMMON}/([\w.+-]*\w)", text)}
    return {str(COMMON / name): text_of(COMMON / name) for name in sorted(named) if (COMMON / name).is_file()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--within", type=Path, metavar="BUILD", help="what was compiled and linked into its programs")
    parser.add_argument("--libraries", type=Path, metavar="FOLDER", help="what these are of, as auditwheel names them")
    parser.add_argument("--text", action="append", default=[], metavar="NAME=FILE", help="a further text")
    parser.add_argument("packages", nargs="*", metavar="PACKAGE")
    given = parser.parse_args()
    packages = set(given.packages)
    if given.within:
        packages |= packages_of(archives(given.within)) | packages_of(headers(given.within))
    if given.libraries:
        packages |= packages_of(patterns(given.libraries))
    texts = licences_of(packages)
    texts |= {name: text_of(Path(file)) for name, _, file in (each.partition("=") for each in given.text)}
    for name, text in {**texts, **referred_to(list(texts.values()))}.items():
        sys.stdout.write(f"==== {name}\n\n{text}\n\n")


if __name__ == "__main__":
    main()
