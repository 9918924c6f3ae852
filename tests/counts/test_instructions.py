"""Instructions that pieces of the hot path take, counted by callgrind: the same on every run, however busy the machine.

`make counts` writes baseline.json anew. Counts belong to a compiler and a C library: baseline.json names them, and on
others nothing is compared.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("TENSORFERRY_COUNT_PIECES", ROOT / "build/release/bin/count_pieces"))
BASELINE = Path(__file__).with_name("baseline.json")
UPDATE = "TENSORFERRY_UPDATE_COUNTS" in os.environ

TIMES = 100  # As in pieces.cc.
TOLERANCE = 0.02


def first_line(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def toolchain() -> dict[str, str]:
    """What decides how many instructions a program takes, beside its source."""
    has_avx2 = " avx2 " in f"{Path('/proc/cpuinfo').read_text()} "  # libc and xxHash choose their code by it.
    return {
        "compiler": first_line("g++", "--version"),
        "libc": " ".join(platform.libc_ver()),
        "valgrind": first_line("valgrind", "--version"),
        "machine": platform.machine() + (" with AVX2" if has_avx2 else ""),
    }


def count(piece: str, folder: Path) -> int:
    """Instructions of one call of the piece."""
    out = folder / "callgrind.out"
    subprocess.run(
        [
            "valgrind",
            "--tool=callgrind",
            "--toggle-collect=CountedPiece",
            f"--callgrind-out-file={out}",
            PROGRAM,
            piece,
        ],
        capture_output=True,
        check=True,
    )
    total = re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE)
    assert total is not None
    return int(total[1]) // TIMES


PIECES = subprocess.run([PROGRAM], capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture(scope="module")
def baseline() -> dict:
    """What is compared with; with UPDATE, filled by the tests and written at the end."""
    if UPDATE:
        counts: dict = {"toolchain": toolchain(), "instructions": {}}
        yield counts
        BASELINE.write_text(json.dumps(counts, indent=2) + "\n")
        return
    expected = json.loads(BASELINE.read_text())
    if expected["toolchain"] != toolchain():
        pytest.skip(f"the baseline is of {expected['toolchain']}, this is {toolchain()}")
    yield expected


@pytest.mark.parametrize("piece", PIECES)
def test_instructions(piece: str, baseline: dict, tmp_path: Path) -> None:
    counted = count(piece, tmp_path)
    if UPDATE:
        baseline["instructions"][piece] = counted
        return
    expected = baseline["instructions"][piece]
    assert abs(counted - expected) <= TOLERANCE * expected, "if that is meant: make counts"
