"""The licences that are shipped beside programs and libraries, of the programs of build/release."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from repository import ROOT

BUILD = Path(os.environ.get("TENSORFERRY_BUILD", ROOT / "build/release"))
SCRIPT = ROOT / "packaging/licences.py"
WHEELS = ("client/python", "packaging/wheel")


def texts(*arguments: str | Path) -> dict[str, str]:
    """What the script writes: each text, by the names above it."""
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    sections = re.split(r"^==== (\S.*)\n\n", told, flags=re.MULTILINE)
    assert sections[0] == ""
    return dict(zip(sections[1::2], sections[2::2], strict=True))


def names(found: dict[str, str]) -> set[str]:
    return {name for heading in found for name in heading.split(", ")}


def copyright_of(package: str) -> str:
    return Path("/usr/share/doc", package, "copyright").read_text(encoding="utf-8", errors="replace").strip()


def test_what_is_linked_into_the_programs_has_its_licence() -> None:
    found = texts("--within", BUILD)
    linked = {"libgrpc++-dev", "libprotobuf-dev", "libabsl-dev", "libre2-dev", "libc-ares-dev"}
    included = {"libboost1.81-dev", "nlohmann-json3-dev", "libcli11-dev"}
    assert linked | included <= names(found)
    assert "BSD" in found["libprotobuf-dev"]
    assert found["libprotobuf-dev"].strip() == copyright_of("libprotobuf-dev")


def test_texts_that_debian_refers_to_are_there_once() -> None:
    found = texts("libgrpc++-dev", "libgrpc-dev")
    apache = "/usr/share/common-licenses/Apache-2.0"
    assert apache in found["libgrpc++-dev, libgrpc-dev"]
    assert "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION" in found[apache]


def test_libraries_that_auditwheel_adds_and_other_texts_have_theirs(tmp_path: Path) -> None:
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    (libraries / "libz-0f1e2d3c.so.1").touch()
    (libraries / "libzip-5c554ca2.so.4").touch()
    (tmp_path / "text").write_text("Do what you like.\n")
    found = texts("--libraries", libraries, "--text", f"thing={tmp_path / 'text'}")
    assert {"zlib1g", "libzip4", "thing"} <= set(found)
    assert found["thing"].strip() == "Do what you like."


def test_a_package_without_a_licence_is_not_passed_over() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        texts("no-such-package")


@pytest.mark.parametrize("folder", WHEELS)
def test_wheels_have_the_licence_of_the_project(folder: str) -> None:
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    assert project["license-files"] == ["LICENSE"]
    assert (ROOT / folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
