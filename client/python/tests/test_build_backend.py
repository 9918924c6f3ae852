"""Which wheel pip makes: the core is built where it can be, and no installation fails for want of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1]
TOOLS = ("c++", "pkg-config", "cmake", "ninja")


def run(code: str, folder: Path, core: str, tools: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Runs code beside the backend, on a machine that has these tools alone. All but pkg-config fail."""
    programs = folder / "programs"
    programs.mkdir()
    for tool in tools:
        program = programs / tool
        program.write_text(f"#!/bin/sh\nexit {int(tool != 'pkg-config')}\n")
        program.chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if key not in ("CXX", "PYTHONPATH")}
    environment.update(PATH=str(programs), TENSORFERRY_CORE=core)
    command = [sys.executable, "-c", f"import build_backend\n{code}"]
    package = folder / "package"
    if not package.exists():
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns(".*", "*.egg-info", "*.so", "tests"))
    return subprocess.run(command, cwd=package, env=environment, text=True, capture_output=True, check=False)


@pytest.mark.parametrize(
    ("core", "tools", "required"),
    [
        ("", (), []),
        ("", ("c++", "pkg-config", "cmake", "ninja"), ["nanobind", "scikit-build-core"]),
        ("", ("c++", "pkg-config"), ["nanobind", "scikit-build-core", "cmake", "ninja"]),
        ("pure", TOOLS, []),
    ],
)
def test_what_a_build_needs(core: str, tools: tuple[str, ...], required: list[str], tmp_path: Path) -> None:
    code = (
        "print('required:', *(word.split('>')[0] for word in build_backend.get_requires_for_build_wheel()))"
    )
    done = run(code, tmp_path, core, tools)
    assert done.stdout.splitlines()[-1].split() == ["required:", *required], done


@pytest.mark.parametrize("tools", [(), TOOLS], ids=["no tools", "tools that fail"])
def test_a_machine_that_cannot_build_the_core_gets_the_pure_wheel(
    tools: tuple[str, ...], tmp_path: Path
) -> None:
    done = run("print(build_backend.build_wheel('.'))", tmp_path, "", tools)
    assert done.stdout.splitlines()[-1].endswith("-py3-none-any.whl"), done
    assert ("the compiled core cannot be built" in done.stderr) == bool(tools)


def test_who_asks_for_the_core_is_told_that_there_is_none(tmp_path: Path) -> None:
    done = run("print(build_backend.build_wheel('.'))", tmp_path, "compiled", TOOLS)
    assert done.returncode != 0
    assert "-py3-none-any.whl" not in done.stdout
