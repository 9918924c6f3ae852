"""Measures the Python client beside tritonclient, a bare stub and torch in the process: docs/performance.md.

Every round runs each contender with each size for a moment, in random order, as bench.py does. Besides the time of a
call there is the CPU time that client and server took for it, which tells more while other programs run.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import procfs
from python_caller import CONTENDERS
from ratios import Results, number
from servers import BIN, PYTHON, ROOT, Process
from slices import Slice

TRITONCLIENT_PYTHON = ROOT / "build/oip/tritonclient/bin/python"
BASE = "tritonclient"
SIZES = {"64 B": 64, "1 MiB": 1 << 20, "16 MiB": 16 << 20}
WARMUP_S = 0.05
UNCOUNTED = 2  # Calls of a slice that python_caller.py makes besides those that it counts.


def read_arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python_bench.py", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=9, help="(%(default)s)")
    parser.add_argument("--duration", type=float, default=0.3, help="of a slice, in s (%(default)s)")
    parser.add_argument("--layout", choices=["same", "split"], default="same", help="one CPU, or two (%(default)s)")
    parser.add_argument("--transports", default="tcp,unix", help="(%(default)s)")
    parser.add_argument("--sizes", default=",".join(SIZES), help="of: %(default)s")
    parser.add_argument("--contenders", default=",".join(CONTENDERS), help="of: %(default)s")
    parser.add_argument("--seed", type=int, default=None, help="of the order")
    parser.add_argument("--report", type=Path, default=ROOT / "build/bench/python.md", help="the table")
    arguments = parser.parse_args(words)
    for name in arguments.contenders.split(","):
        if name not in CONTENDERS:
            parser.error(f"--contenders {name}: there are {', '.join(CONTENDERS)}")
    return arguments


class Caller:
    """A client's process, which waits until it is asked."""

    def __init__(self, contender: str, address: str, cpu: int) -> None:
        python = TRITONCLIENT_PYTHON if contender.startswith(BASE) else PYTHON
        self._process = subprocess.Popen(
            ["taskset", "--cpu-list", str(cpu), str(python), str(Path(__file__).with_name("python_caller.py")),
             contender, address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._read()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended")
        return line

    @property
    def pid(self) -> int:
        return self._process.pid

    def calls(self, nbytes: int, seconds: float) -> tuple[int, float]:
        """Returns how many calls were made, and the seconds they took."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{nbytes} {seconds}\n")
        self._process.stdin.flush()
        count, elapsed = self._read().split()
        return int(count), float(elapsed)

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


@dataclass(frozen=True)
class Measured:
    time_us: float
    cpu_us: float  # Of client and server together.
    foreign: float
    steal: float


class HasPid(Protocol):
    @property
    def pid(self) -> int: ...


def measure(caller: Caller, server: HasPid, size: str, seconds: float, cpus: set[int]) -> Measured:
    """Returns what a call took, in time and in CPU time, and how much others used the CPUs meanwhile."""
    caller.calls(SIZES[size], WARMUP_S)
    before, start = procfs.load_of(cpus), time.monotonic()
    used = procfs.cpu_seconds(caller.pid) + procfs.cpu_seconds(server.pid)
    count, elapsed = caller.calls(SIZES[size], seconds)
    used = procfs.cpu_seconds(caller.pid) + procfs.cpu_seconds(server.pid) - used
    after, passed = procfs.load_of(cpus), (time.monotonic() - start) * len(cpus)
    return Measured(
        time_us=elapsed / count * 1e6,
        cpu_us=used / (count + UNCOUNTED) * 1e6,
        foreign=max(0.0, after.busy - before.busy - used) / passed,
        steal=(after.steal - before.steal) / passed,
    )


def run(arguments: argparse.Namespace) -> list[Slice]:
    server_cpu = min(os.sched_getaffinity(0))
    client_cpu = server_cpu if arguments.layout == "same" else max(os.sched_getaffinity(0))
    transports, contenders = arguments.transports.split(","), arguments.contenders.split(",")
    slices = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        listen = {"tcp": "127.0.0.1:0", "unix": f"unix:{folder}/s"}
        command = [
            str(BIN / "tensorferry-server"),
            "--admin-listen",
            "off",
            *(w for t in transports for w in ("--listen", listen[t])),
        ]
        server = stack.enter_context(Process(command, server_cpu))
        callers = {
            (transport, contender): stack.enter_context(Caller(contender, address, client_cpu))
            for transport, address in zip(transports, server.addresses, strict=True)
            for contender in contenders
        }
        steps = [(*key, size) for key in callers for size in arguments.sizes.split(",")]
        random.seed(arguments.seed)
        for round_ in range(arguments.rounds):
            print(f"round {round_ + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
            for transport, contender, size in random.sample(steps, len(steps)):
                got = measure(callers[transport, contender], server, size, arguments.duration, {server_cpu, client_cpu})
                slices.append(
                    Slice(
                        f"{arguments.layout}/{transport}", size, contender, round_, 1e6 / got.time_us, got.time_us,
                        got.time_us, cpu_us=got.cpu_us, foreign=got.foreign, steal=got.steal,
                    )
                )  # fmt: skip
    return slices


def table(slices: Sequence[Slice], what: str, measure: Callable[[Slice], float]) -> str:
    """What tritonclient's `infer` takes, divided by what each contender takes, over the rounds."""
    results = Results(slices)
    others = [c for c in CONTENDERS if c != BASE and any(s.contender == c for s in slices)]
    lines = [f"| {BASE}'s {what} ÷ | {BASE}, µs | {' | '.join(others)} |", "| --- " * (len(others) + 2) + "|"]
    for place in results.places():
        for size in SIZES:
            base = results.median(place, size, BASE, measure)
            if base is not None:
                ratios = [str(results.ratio(place, size, BASE, c, measure)) for c in others]
                lines.append(f"| {size}, {place} | {number(base)} | {' | '.join(ratios)} |")
    return "\n".join(lines) + "\n"


def report(slices: Sequence[Slice]) -> str:
    disturbed = sum(s.disturbed for s in slices)
    return "\n".join(
        [
            table(slices, "time", lambda s: s.time_us),
            table(slices, "CPU time", lambda s: s.cpu_us or 0.0),
            f"{len(slices)} slices, {disturbed} of them disturbed.\n",
        ]
    )


def main() -> None:
    arguments = read_arguments(sys.argv[1:])
    if not TRITONCLIENT_PYTHON.exists():
        sys.exit("python_bench: tritonclient is missing; tests/integration/oip/environments.sh installs it")
    text = report(run(arguments))
    arguments.report.parent.mkdir(parents=True, exist_ok=True)
    arguments.report.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
