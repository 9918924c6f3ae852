"""How long arrays take to a server on the same machine in messages, and in sealed memory, from Python.

    PYTHONPATH=client/python/src .venv/bin/python tests/bench/transports.py [--sizes MIB,...] [--rounds N]

The server is on CPU 0, this process on CPU 1. All cases take turns within each round. A case's time, and the CPU time
that both processes took for it, are given in ms: the median, and the interval that holds it with 95 %. The median of
the page faults that both had stands beside them: it does not depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xxhash

import tensorferry
from procfs import cpu_seconds, describe_machine, minor_faults, pin
from ratios import bootstrap

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
Call = Callable[[], Any]


class Sum(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum()


class Cases:
    """What is measured, for arrays of one size."""

    def __init__(self, nbytes: int, messages: tensorferry.Client, sealed: tensorferry.Client) -> None:
        self._source = np.random.default_rng(1).random(nbytes // 4, np.float32)
        self._copy = np.empty_like(self._source)
        self._sealed = sealed
        self._filled = self._fresh()
        source, infer = self._source, {"x": self._source}
        # Each case has what comes before it, uncounted: an array that is sent again was sent twice then.
        self.cases: dict[str, tuple[Call | None, Call]] = {
            "memcpy + digest": (None, self._copy_and_digest),
            "digest": (None, self._digest),
            "bytes": (None, lambda: messages.convert(source)),
            "sealed": (None, lambda: sealed.convert(source)),
            "empty": (self._fill, lambda: sealed.convert(self._filled)),
            "empty, again": (lambda: sealed.convert(self._filled), lambda: sealed.convert(self._filled)),
            "sum": (None, lambda: torch.from_numpy(self._source).sum()),
            "bytes to sum": (None, lambda: messages.infer("sum", infer, digest=False)),
            "sealed to sum": (None, lambda: sealed.infer("sum", infer, digest=False)),
            "empty to sum, again": (
                lambda: [sealed.infer("sum", {"x": self._filled}, digest=False) for _ in range(2)],
                lambda: sealed.infer("sum", {"x": self._filled}, digest=False),
            ),
            "bytes to identity": (None, lambda: messages.infer("identity", infer, digest=False)),
            # Its outputs are written into memory that earlier ones had.
            "empty to identity, again": (
                lambda: [sealed.infer("identity", {"x": self._filled}, digest=False) for _ in range(2)],
                lambda: sealed.infer("identity", {"x": self._filled}, digest=False),
            ),
        }

    def _fresh(self) -> Any:
        array = self._sealed.empty(self._source.shape, self._source.dtype)
        array[...] = self._source
        return array

    def _fill(self) -> None:
        self._filled = self._fresh()

    def _copy_and_digest(self) -> None:
        np.copyto(self._copy, self._source)
        xxhash.xxh3_128_digest(self._copy)

    def _digest(self) -> None:
        xxhash.xxh3_128_digest(self._source)


def faults(server: int) -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt + minor_faults(server)


def measure(nbytes: int, rounds: int, address: str, server: int) -> None:
    times: dict[str, list[float]] = defaultdict(list)
    cpu: dict[str, list[float]] = defaultdict(list)
    missed: dict[str, list[int]] = defaultdict(list)
    with (
        tensorferry.Client(address, transport="bytes") as messages,
        tensorferry.Client(address, transport="sealed") as sealed,
    ):
        cases = Cases(nbytes, messages, sealed).cases
        for _, call in cases.values():
            call()
        for _ in range(rounds):
            for name, (before, call) in cases.items():
                if before is not None:
                    before()
                missed_before = faults(server)
                began, ours, theirs = time.perf_counter(), time.process_time(), cpu_seconds(server)
                call()
                times[name].append((time.perf_counter() - began) * 1e3)
                cpu[name].append((time.process_time() - ours + cpu_seconds(server) - theirs) * 1e3)
                missed[name].append(faults(server) - missed_before)
    print(f"\n| {nbytes / MIB:g} MiB | ms | CPU, ms | ÷ memcpy + digest | faults |\n| --- | --- | --- | --- | --- |")
    for name in times:
        ratios = [one / base for one, base in zip(times[name], times["memcpy + digest"], strict=True)]
        figures = [bootstrap(times[name]), bootstrap(cpu[name]), bootstrap(ratios), statistics.median(missed[name])]
        print(f"| {name} | {' | '.join(map(str, figures))} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="transports.py", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sizes", default="0.25,1,4,16", help="MiB of elements")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--server", type=Path, default=ROOT / "build/release/bin/tensorferry-server")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        torch.jit.script(Sum()).save(f"{folder}/sum.pt")
        address = f"unix:{folder}/socket"
        flags = [
            "--listen",
            address,
            "--admin-listen",
            "off",
            "--sealed-memory",
            "on",
            "--model",
            f"sum={folder}/sum.pt",
        ]
        command = ["taskset", "--cpu-list", "0", str(arguments.server), *flags, "--intra-op-threads", "1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
            try:
                assert server.stdout is not None
                assert server.stdout.readline().startswith("tensorferry-server ready")
                pin(os.getpid(), 1)
                for size in arguments.sizes.split(","):
                    measure(round(float(size) * MIB), arguments.rounds, address, server.pid)
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
