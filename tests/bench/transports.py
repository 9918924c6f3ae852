"""How long arrays take to a server on the same machine in messages, and in sealed memory, from Python.

    PYTHONPATH=client/python/src .venv/bin/python tests/bench/transports.py [--sizes MIB,...] [--rounds N]

The server is on CPU 0, this process on CPU 1. All cases take turns within each round. A case's time, and the CPU time
that both processes took for it, are given in ms: the median, and the interval that holds it with 95 %. The median of
the page faults that both had stands beside them: it does not depend on what else the machine does. TENSORFERRY_CORE
says which core of the client is measured.
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xxhash

import tensorferry
from procfs import cpu_seconds, describe_machine, minor_faults, pin
from ratios import bootstrap, number

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
            # The pages of sealed memory are small ones, those of other arrays may be huge.
            "sum of empty": (None, lambda: torch.from_numpy(self._filled).sum()),
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


@dataclass
class Measured:
    """What the calls of one case took, in the order of the rounds."""

    times: list[float] = field(default_factory=list)  # In ms, as the next two.
    cpu: list[float] = field(default_factory=list)
    run: list[float] = field(default_factory=list)  # The model's, by the server's own clock.
    faults: list[int] = field(default_factory=list)


def faults(server: int) -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt + minor_faults(server)


def measure(nbytes: int, rounds: int, address: str, server: int) -> dict[str, Measured]:
    measured: dict[str, Measured] = defaultdict(Measured)
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
                result = call()
                case = measured[name]
                case.times.append((time.perf_counter() - began) * 1e3)
                case.cpu.append((time.process_time() - ours + cpu_seconds(server) - theirs) * 1e3)
                case.faults.append(faults(server) - missed_before)
                case.run.append(result.timing.compute_ns / 1e6 if isinstance(result, tensorferry.Outputs) else 0.0)
    return measured


def table(nbytes: int, measured: dict[str, Measured]) -> str:
    lines = [
        f"\n| {nbytes / MIB:g} MiB | ms | CPU, ms | ÷ memcpy + digest | ÷ digest | the model's run, ms | faults |",
        "| --- " * 7 + "|",
    ]
    for name, case in measured.items():
        figures = [bootstrap(case.times), bootstrap(case.cpu)]
        for base in ("memcpy + digest", "digest"):
            ratios = [one / other for one, other in zip(case.times, measured[base].times, strict=True)]
            figures.append(bootstrap(ratios))
        run = bootstrap(case.run) if any(case.run) else "-"
        lines.append(f"| {name} | {' | '.join(map(str, figures))} | {run} | {statistics.median(case.faults)} |")
    return "\n".join(lines)


def growth(sizes: dict[int, dict[str, Measured]]) -> str:
    """What a call to sum costs beside the sum, for each size and as a multiple of the first."""
    lines = ["\n| empty to sum, again | less the sum here, ms | ÷ | less the model's run, ms | ÷ |", "| --- " * 5 + "|"]
    first: list[float] = []
    for nbytes, measured in sizes.items():
        call, here = measured["empty to sum, again"], measured["sum"]
        beside = [
            statistics.median(one - other for one, other in zip(call.times, less, strict=True))
            for less in (here.times, call.run)
        ]
        first = first or beside
        cells = [f"{number(ms)} | {number(ms / base)}" for ms, base in zip(beside, first, strict=True)]
        lines.append(f"| {nbytes / MIB:g} MiB | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="transports.py", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sizes", default="0.25,1,4,16", help="MiB of elements")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--server", type=Path, default=ROOT / "build/release/bin/tensorferry-server")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(describe_machine(), f"- core of the client: {tensorferry.core()}", sep="\n")
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
                sizes = {}
                for size in arguments.sizes.split(","):
                    nbytes = round(float(size) * MIB)
                    sizes[nbytes] = measure(nbytes, arguments.rounds, address, server.pid)
                    print(table(nbytes, sizes[nbytes]), flush=True)
                print(growth(sizes))
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
