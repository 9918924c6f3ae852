"""What the loader makes of the programs, and what protects them."""

from __future__ import annotations

import json
import platform
import re
import subprocess
from pathlib import Path

import pytest

from harness import SERVER

PROGRAMS = [SERVER, SERVER.parent / "tensorferry"]
each_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)


def read(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@each_program
def test_libraries_come_from_absolute_folders(program: Path) -> None:
    """The loader takes an empty part of a run path for the current folder, where anybody's library may lie."""
    paths = re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", read("readelf", "-d", program))
    assert all(part.startswith("/") for path in paths for part in path.split(":"))
    assert len(paths) <= 1


@each_program
def test_the_loader_can_protect_the_program(program: Path) -> None:
    """It lies anywhere, its stack is no code, and its table of functions is read-only from the start."""
    assert re.search(r"Type:\s+DYN ", read("readelf", "-h", program))
    assert re.search(r"FLAGS_1.*\bNOW\b.*\bPIE\b", read("readelf", "-dW", program))
    segments = read("readelf", "-lW", program)
    assert re.search(r"GNU_RELRO ", segments)
    assert re.search(r"GNU_STACK .* RW +0x", segments)


def test_our_own_code_is_protected() -> None:
    """Debian's libraries in the program are built in their own way: our `main` shows how our code is."""
    program = SERVER.parent / "tensorferry"  # The server has no symbols where its code was laid out.
    code = read("objdump", "-d", "--disassemble=main", "--no-show-raw-insn", program)
    assert "<__stack_chk_fail@" in code
    if platform.machine() == "x86_64":
        assert re.search(r"<main>:\n.*\bendbr64\b", code)


def test_all_of_our_own_code_is_compiled_with_protections() -> None:
    commands = json.loads((SERVER.parents[1] / "compile_commands.json").read_text())
    ours = [each["command"] for each in commands if re.search(r"/(server|client)/.*\.(cc|cxx)$", each["file"])]
    ours = [command for command in ours if "/tests/" not in command.split()[-1]]
    assert ours
    protections = ["-D_FORTIFY_SOURCE=2", "-fstack-protector-strong"]
    protections += ["-fcf-protection"] if platform.machine() == "x86_64" else []
    assert [command for command in ours if any(each not in command for each in protections)] == []
