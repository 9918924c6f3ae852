"""Triton's load generator: the real binary, from the wheel of tritonclient 2.45.0."""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path

import pytest

from harness import clean_environment
from oip.environments import FOLDER, OLD, python_of

TIMEOUT_S = 120  # Until a hung measurement fails; one takes less than two seconds.

# perf_analyzer measures three windows, whatever they show: it is to work here, and its speed depends on what else the
# machine does. Where that does so much that a window has next to no requests, it measures longer ones.
SHORT = ("--stability-percentage", "999", "--max-trials", "3")
WINDOWS_MS = (200, 2000)
TOO_SHORT = ("No valid requests recorded within time interval", "Failed to obtain stable measurement")

# These are perf_analyzer's modes, and some options that change what it calls.
MODES = {
    "concurrency": ("--concurrency-range", "4"),
    "concurrencies": ("--concurrency-range", "1:3:2"),
    "asynchronous": ("--async", "--concurrency-range", "4"),
    "streaming": ("--streaming", "--concurrency-range", "4"),
    "request rate": ("--request-rate-range", "200"),
    "poisson": ("--request-rate-range", "200", "--request-distribution", "poisson"),
    "streaming rate": ("--streaming", "--request-rate-range", "200"),
    "shared memory": ("--shared-memory", "system", "--concurrency-range", "4"),
    "shared memory, streaming": ("--shared-memory", "system", "--streaming", "--concurrency-range", "4"),
    "batches": ("-b", "4", "--concurrency-range", "2"),
    "compressed": ("--grpc-compression-algorithm", "gzip", "--concurrency-range", "2"),
}

HTTP_MODES = ("concurrency", "asynchronous", "shared memory")


def measure(address: str, model: str, *flags: str, report: Path, protocol: str = "grpc") -> list[dict[str, str]]:
    """Runs it to its end; returns the rows of its report. Fails, with all that it printed, unless it found no fault."""
    __tracebackhide__ = True
    for window_ms in WINDOWS_MS:
        window = "--measurement-interval", f"{window_ms}"
        done = _run("-u", address, "-i", protocol, "-m", model, "-f", str(report), *window, *SHORT, *flags)
        if not any(words in done.stdout for words in TOO_SHORT):
            break
    if done.returncode != 0 or "rror" in done.stdout or "ailed" in done.stdout:
        pytest.fail(f"perf_analyzer ended with {done.returncode}:\n{done.stdout}", pytrace=False)
    return list(csv.DictReader(report.open()))


def _run(*flags: str) -> subprocess.CompletedProcess[str]:
    libraries = python_of(OLD).parents[1].glob("lib/python3*/site-packages/nvidia/cuda_runtime/lib")
    return subprocess.run(
        [str(FOLDER / OLD / "bin/perf_analyzer"), *flags],
        env=clean_environment({"LD_LIBRARY_PATH": ":".join(map(str, libraries))}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def check_rows(rows: list[dict[str, str]], count: int) -> None:
    """It measured something, on both ends: what the server spends comes from the statistics."""
    assert len(rows) == count
    for row in rows:
        assert float(row["Inferences/Second"]) > 0
        assert int(row["Server Compute Infer"]) > 0
        assert int(row["p99 latency"]) >= int(row["p50 latency"]) > 0
