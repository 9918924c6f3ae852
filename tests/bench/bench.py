"""Measures tensorferry beside the limits of the machine and beside what else could do its work: docs/performance.md.

Every round runs each workload of each place with each of its contenders for a moment, in random order, so that a ratio
compares slices that are seconds apart.
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import procfs
import scenarios
from measure import Times, measure, server_cpu
from report import report
from servers import BIN, COMMANDS, ROOT, Servers, is_built
from slices import Slice
from workloads import CONTENDERS, PLACES, SPLIT, WORKLOADS, Workload

Step = Callable[[], Iterable[Slice]]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def read_arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", default="", help="W1 to W5, W7 to W13, pieces: W1,W3 (all)")
    parser.add_argument("--places", default=",".join(PLACES), help="of: %(default)s")
    parser.add_argument("--everywhere", action="store_true", help="measure every workload in every place")
    parser.add_argument("--contenders", default="", help=f"of: {', '.join(CONTENDERS)}; (all)")
    parser.add_argument("--rounds", type=int, default=6, help="(%(default)s)")
    parser.add_argument("--minutes", type=float, default=10, help="then no further slice is begun (%(default)s)")
    parser.add_argument("--duration", type=int, default=300, help="of a slice, in ms (%(default)s)")
    parser.add_argument("--warmup", type=int, default=100, help="before it, in ms (%(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of the order")
    parser.add_argument("--json", type=Path, default=ROOT / "build/bench/results.json", help="all slices")
    parser.add_argument("--report", type=Path, default=ROOT / "build/bench/report.md", help="the tables")
    arguments = parser.parse_args(words)
    keys = {w.key for w in WORKLOADS} | {"W9", "W10", "pieces"}
    for name in filter(None, arguments.contenders.split(",")):
        if name not in CONTENDERS:
            parser.error(f"--contenders {name}: there are {', '.join(CONTENDERS)}")
    if unknown := {key for key in arguments.only.split(",") if key} - keys:
        parser.error(f"--only {','.join(unknown)}: there are {', '.join(sorted(keys))}")
    return arguments


def chosen_workloads(arguments: argparse.Namespace) -> list[Workload]:
    wanted = arguments.contenders.split(",") if arguments.contenders else list(CONTENDERS)
    places = arguments.places.split(",")
    chosen = []
    for workload in WORKLOADS:
        contenders = tuple(c for c in workload.contenders if c in wanted and is_available(c))
        where = tuple(p for p in (PLACES if arguments.everywhere else workload.places) if p in places)
        if where and contenders and wants(arguments, workload.key):
            chosen.append(replace(workload, contenders=contenders, places=where))
    return chosen


def is_available(contender: str) -> bool:
    server = CONTENDERS[contender].server
    return server is None or is_built(server)


def wants(arguments: argparse.Namespace, key: str) -> bool:
    return not arguments.only or key in arguments.only.split(",")


class Run:
    """Collects slices until the rounds or the minutes are over."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._end = time.monotonic() + 60 * arguments.minutes
        self._random = random.Random(arguments.seed)
        self.times = Times(arguments.duration, arguments.warmup)
        self.slices: list[Slice] = []
        self.problems: list[str] = []

    def add(self, round_: int, step: Step) -> None:
        if time.monotonic() > self._end:
            return
        try:
            self.slices += [replace(s, round=round_) for s in step()]
        except (RuntimeError, subprocess.TimeoutExpired) as problem:
            self.problems.append(str(problem))
            say(f"    {problem}")

    def rounds(self, folder: Path) -> None:
        workloads = chosen_workloads(self._arguments)
        names = {CONTENDERS[c].server for w in workloads for c in w.contenders}
        used = {name for name in names if name} | ({*scenarios.CONTENDERS} if wants(self._arguments, "W9") else set())
        used |= {"tensorferry"} if wants(self._arguments, "W8") else set()
        with Servers([name for name in COMMANDS if name in used], folder) as servers:
            for round_ in range(self._arguments.rounds):
                began, before = time.monotonic(), len(self.slices)
                self._round(round_, servers, workloads)
                say(f"    round {round_ + 1}: {len(self.slices) - before} slices, {time.monotonic() - began:.0f} s")

    def _round(self, round_: int, servers: Servers, workloads: Sequence[Workload]) -> None:
        for place in self._random.sample(PLACES, len(PLACES)):
            servers.pin(server_cpu(place))
            here = [w for w in workloads if place in w.places]
            for workload in self._random.sample(here, len(here)):
                for name in self._random.sample(workload.contenders, len(workload.contenders)):
                    self.add(round_, functools.partial(self._slice, servers, place, workload, name))
        if wants(self._arguments, "W8"):
            self.add(round_, lambda: scenarios.poisson(servers))
        if wants(self._arguments, "W9"):
            self.add(round_, lambda: scenarios.mixed(servers, SPLIT))

    def _slice(self, servers: Servers, place: str, workload: Workload, name: str) -> list[Slice]:
        return [measure(servers, place, workload, name, self.times)]

    def new_servers(self, folder: Path) -> None:
        for round_ in range(min(self._arguments.rounds, 4)):
            if wants(self._arguments, "W10"):
                self.add(round_, lambda: scenarios.first_requests(folder))
            if wants(self._arguments, "W4"):
                self.add(round_, lambda: scenarios.peak_memory(folder))


def measure_pieces() -> list[dict[str, Any]]:
    command = [str(BIN / "bench_pieces"), "--benchmark_min_time=0.05", "--benchmark_repetitions=5"]
    command += ["--benchmark_enable_random_interleaving=true", "--benchmark_format=json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows: list[dict[str, Any]] = json.loads(done.stdout)["benchmarks"]
    return [row for row in rows if row.get("aggregate_name") == "median"]


def output_of(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def versions() -> str:
    packages = ("libgrpc++-dev", "libprotobuf-dev")
    debian = [f"{p} {output_of('dpkg-query', '-W', '-f=${Version}', p)}" for p in packages]
    python = [f"{m} {importlib.metadata.version(m)}" for m in ("torch", "grpcio", "numpy")]
    arrow = [str(ROOT / "build/bench-venv/bin/python"), "-c", "import pyarrow; print('pyarrow', pyarrow.__version__)"]
    flight = output_of(*arrow) if Path(arrow[0]).exists() else "no pyarrow"
    compiler = output_of("c++", "--version").splitlines()[0]
    return ", ".join([*debian, *python, flight, compiler, f"Python {platform.python_version()}"])


def main(words: Sequence[str]) -> int:
    arguments = read_arguments(words)
    if len(os.sched_getaffinity(0)) < 2:
        say("two cores are needed: one for the server, one for the client")
        return 1
    facts = {
        "machine": procfs.describe_machine(),
        "versions": versions(),
        "command": " ".join(["make bench", f"BENCH_ARGS={' '.join(words)!r}" if words else ""]).strip(),
        "date": time.strftime("%Y-%m-%d"),
    }
    pieces = measure_pieces() if wants(arguments, "pieces") else []
    run = Run(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        run.new_servers(Path(folder))
        run.rounds(Path(folder))
    if run.problems:
        facts["problems"] = f"{len(run.problems)} slices failed, the first: {run.problems[0]}"
    arguments.json.write_text(json.dumps({"facts": facts, "slices": [asdict(s) for s in run.slices], "pieces": pieces}))
    text = report(facts, run.slices, pieces)
    arguments.report.write_text(text)
    print(text)
    return 1 if run.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
