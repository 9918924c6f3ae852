"""Triton's load generator, in C++, for the same call by HTTP and by gRPC: of the wheel of tritonclient 2.45.0."""

from __future__ import annotations

import csv
import os
import subprocess
import tempfile
from pathlib import Path

from servers import ROOT

FOLDER = ROOT / "build/oip/tritonclient-2.45.0"
PROGRAM = FOLDER / "bin/perf_analyzer"
INTERVAL_MS = 300
# It looks at three windows, and goes on if they are not equal: a round of ours is one of many, and may differ.
WINDOWS = ("--measurement-interval", str(INTERVAL_MS), "--stability-percentage", "999", "--max-trials", "3")


def p50_us(address: str, protocol: str, model: str, nbytes: int, cpu: int) -> float:
    """The median time of a call with an input `x` of float32, one call at a time, elements as bytes."""
    libraries = FOLDER.glob("lib/python3*/site-packages/nvidia/cuda_runtime/lib")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.csv")
        words = ("-u", address, "-i", protocol, "-m", model, "--shape", f"x:{nbytes // 4}", "-f", str(report))
        done = subprocess.run(
            ["taskset", "--cpu-list", str(cpu), str(PROGRAM), *words, "--concurrency-range", "1", *WINDOWS],
            env={**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, libraries))},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0 or not report.exists():
            raise RuntimeError(f"perf_analyzer ended with {done.returncode}:\n{done.stdout}")
        return read_p50(report.read_text())


def read_p50(report: str) -> float:
    (row,) = csv.DictReader(report.splitlines())
    return float(row["p50 latency"])
