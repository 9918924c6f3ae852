"""The commands that docs/http.md shows work as they stand there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from harness import REPO_ROOT, TIMEOUT_S, Server

VALUES = np.arange(6, dtype="<f4").reshape(2, 3)


def commands() -> list[str]:
    """Each line of an indented block that calls curl, or sets a variable for it, with the lines that go on with it."""
    found: list[str] = []
    for line in (REPO_ROOT / "docs/http.md").read_text().splitlines():
        if line.startswith(("    curl", "    gzip", "    head=")):
            found.append(line.strip())
        elif line.startswith("    {") or (line.startswith("      ") and found and found[-1].endswith(("|", "{"))):
            found[-1] += "\n" + line.strip()
    return found


@pytest.fixture(scope="module")
def http_server() -> Iterator[Server]:
    with Server("--http-listen", "127.0.0.1:0", "--http-gzip") as running:
        yield running
        assert running.stop() == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", VALUES)
    np.save(tmp_path / "open.npy", VALUES.astype(ml_dtypes.bfloat16))
    np.savez(tmp_path / "weights.npz", w=VALUES)
    safetensors.numpy.save_file({"w": VALUES}, tmp_path / "model.safetensors")
    return tmp_path


def test_curl_is_answered(http_server: Server, folder: Path) -> None:
    assert http_server.http is not None
    assert len(commands()) >= 8
    for command in commands():
        assert "127.0.0.1:8000" in command
        done = subprocess.run(
            [
                "bash",
                "-ec",
                command.replace("127.0.0.1:8000", http_server.http).replace("curl ", "curl --fail -sS ", 1),
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, command + done.stderr
        if " -o " not in command:
            assert json.loads(done.stdout)
    np.testing.assert_array_equal(safetensors.numpy.load_file(folder / "out.safetensors")["w"], VALUES)
