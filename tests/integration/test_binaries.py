"""What the loader makes of the programs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from harness import SERVER

PROGRAMS = [SERVER, SERVER.parent / "tensorferry"]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_libraries_come_from_absolute_folders(program: Path) -> None:
    """The loader takes an empty part of a run path for the current folder, where anybody's library may lie."""
    read = subprocess.run(["readelf", "-d", str(program)], capture_output=True, text=True, check=True).stdout
    paths = re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", read)
    assert all(part.startswith("/") for path in paths for part in path.split(":"))
    assert len(paths) <= 1
