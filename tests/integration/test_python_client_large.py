"""A gibibyte that the blocking client sends, and what that takes of its memory beside the array."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from harness import MIB, Server

# Prints by how many bytes resident memory was at its most above what it was with the array.
SENDING = """
import os, re, sys
from pathlib import Path
import numpy as np
import tensorferry

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

def peak():
    return int(re.search(r"^VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)[1]) * 1024

address, own = sys.argv[1], sys.argv[2] == "own"
with tensorferry.Client(address, timeout=120) as client:
    array = (client.empty if own else np.empty)(1 << 28, np.float32)
    array[:] = np.arange(1 << 28, dtype=np.uint32).view(np.float32)
    client.convert(np.ones(10))  # It connects, and takes no chunk's memory yet.
    before = resident()
    Path("/proc/self/clear_refs").write_text("5")
    receipt = client.convert(array)
    assert receipt.digest_equal and receipt.nbytes == 1 << 30
    print(peak() - before)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("large") / "socket"
    with Server("--listen", f"unix:{path}", "--sealed-memory", "on", "--memory-budget", "2GiB") as running:
        yield running
        assert running.alive(), running.log()


@pytest.mark.large
@pytest.mark.parametrize("core", ["pure", "compiled"])
@pytest.mark.parametrize("road", ["tcp", "unix", "own"])
def test_a_gibibyte_takes_no_memory_of_its_size(road: str, core: str, server: Server) -> None:
    """In chunks, and where it lies in an array of `client.empty`."""
    if core == "compiled":
        pytest.importorskip("tensorferry._core")
    ran = subprocess.run(
        [sys.executable, "-c", SENDING, server.addresses[road != "tcp"], road],
        env={**os.environ, "TENSORFERRY_CORE": core},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    grown = int(ran.stdout)
    print(f"{road} {core}: {grown / MIB:.1f} MiB above the array")
    assert grown <= 16 * MIB
