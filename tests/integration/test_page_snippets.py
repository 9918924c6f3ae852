"""The Python that the page shows for a file runs as it stands, beside that file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from harness import REPO_ROOT, TIMEOUT_S, Server

PROGRAM = Path(__file__).parent / "page/snippet.mjs"
VALUES = np.arange(6, dtype=">f4").reshape(2, 3)


def run_snippet(server: Server, path: Path, member: str, model: str = "", dtype: str = "") -> str:
    """What the program prints that the page shows."""
    words = [REPO_ROOT / "server/page", path, member, server.address, model, dtype]
    shown = subprocess.run(
        ["node", str(PROGRAM), *map(str, words)], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert shown.returncode == 0, shown.stderr
    done = subprocess.run(
        [sys.executable, "-c", shown.stdout],
        cwd=path.parent,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, shown.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.save(tmp_path / "a file's.npy", VALUES)
    np.save(tmp_path / "open.npy", VALUES.astype(ml_dtypes.bfloat16))
    np.savez(tmp_path / "w.npz", **{"layer.0/w": VALUES})
    safetensors.numpy.save_file({'a"b': VALUES.astype("<f4")}, tmp_path / "w.safetensors")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "member"), [("a file's.npy", "a file's"), ("w.npz", "layer.0/w"), ("w.safetensors", 'a"b')]
)
def test_converts_what_the_file_holds(file: str, member: str, folder: Path, server: Server) -> None:
    assert run_snippet(server, folder / file, member) == "torch.float32, bits equal: True"


def test_converts_with_the_dtype_that_was_chosen(folder: Path, server: Server) -> None:
    printed = run_snippet(server, folder / "open.npy", "open", dtype="bfloat16")
    assert printed == "torch.bfloat16, bits equal: True"


def test_runs_a_model(folder: Path, server: Server) -> None:
    assert run_snippet(server, folder / "w.npz", "layer.0/w", model="identity") == "x float32 (2, 3)"
