"""Empty gRPC servers beside each other: another gRPC, other settings (docs/adr/0036-newer-grpc-by-choice.md).

    tests/bench/newer_grpc.py [--rounds N] [--sizes 64:1,64:32,...] 'NAME: [VARIABLE=VALUE...] COMMAND'...

Each contender is a command to which an address is added, with its environment before it. `tensorferry bench` of the
default gRPC calls them all, on CPU 0; the servers are on CPU 0 as well, or on CPU 1. All take turns within each round,
in random order, and each is compared with the first of the same round: the median, and the interval that holds it with
95 %. The CPU time of the server and how often its threads were switched depend less on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import random
import shlex
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import procfs
from measure import CLIENT_CPU, Times, Watch, bench_command, run_load
from ratios import Results, number
from servers import Process
from slices import Slice
from workloads import size_name

SIZES = "64:1,12288:1,1048576:1,16777216:1,64:32"


@dataclass(frozen=True)
class Measured(Slice):
    switches: float = 0.0  # Context switches of the server, per request.


def context_switches(pid: int) -> int:
    """Of all threads that it has now."""
    switches = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        lines = status.read_text().splitlines()
        switches += sum(int(line.split()[1]) for line in lines if "ctxt_switches:" in line)
    return switches


class Load(NamedTuple):
    nbytes: int
    outstanding: int

    @property
    def name(self) -> str:
        size = size_name(self.nbytes)
        return size if self.outstanding == 1 else f"{size}, {self.outstanding} outstanding"


def read_load(text: str) -> Load:
    """BYTES:OUTSTANDING."""
    return Load(*map(int, text.split(":")))


def measure(process: Process, place: str, load: Load, name: str, times: Times) -> Measured:
    """A slice of round 0."""
    options = ("--mode", "unary", "--outstanding", str(load.outstanding))
    command = bench_command(process.addresses[0], load.nbytes, times, *options)
    watch, switches = Watch(f"{place}/tcp", process), context_switches(process.pid)
    row = run_load(command)
    watch.stop()
    requests = row["ok"] * (1 + times.warmup_ms / 1000 / row["elapsed_s"])
    return Measured(
        place=place,
        workload=load.name,
        contender=name,
        round=0,
        rate=row["requests_per_s"],
        p50_us=row["latency_us"]["p50"],
        p99_us=row["latency_us"]["p99"],
        cpu_us=watch.server_cpu_s * 1e6 / requests,
        faults=watch.faults / requests,
        foreign=watch.foreign,
        steal=watch.steal,
        switches=(context_switches(process.pid) - switches) / requests,
    )


def table(results: Results, place: str, load: str, names: list[str]) -> str:
    base = names[0]
    lines = [f"\n| {place}, {load} | requests/s | ÷ {base} | server's CPU, µs | {base} ÷ | its switches | its faults |"]
    lines.append("| --- " * 7 + "|")
    for name in names:
        rate = results.ratio(place, load, name, base, lambda s: s.rate)
        cpu = results.ratio(place, load, base, name, lambda s: s.cpu_us or 0)
        measures = (lambda s: s.rate, lambda s: s.cpu_us, lambda s: s.switches, lambda s: s.faults)
        cells = [number(results.median(place, load, name, m)) for m in measures]
        lines.append(f"| {name} | {cells[0]} | {rate or '-'} | {cells[1]} | {cpu or '-'} | {' | '.join(cells[2:])} |")
    return "\n".join(lines)


def read_contender(text: str) -> tuple[str, list[str]]:
    name, _, command = text.partition(":")
    return name.strip(), ["env", *shlex.split(command), "127.0.0.1:0"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="newer_grpc.py", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("contenders", nargs="+", metavar="'NAME: COMMAND'")
    parser.add_argument("--rounds", type=int, default=8, help="(%(default)s)")
    parser.add_argument("--sizes", default=SIZES, help="BYTES:OUTSTANDING,... (%(default)s)")
    parser.add_argument("--places", default="same,split", help="(%(default)s)")
    parser.add_argument("--duration", type=int, default=300, help="of a slice, in ms (%(default)s)")
    parser.add_argument("--json", type=Path, help="all slices")
    arguments = parser.parse_args()
    contenders = dict(map(read_contender, arguments.contenders))
    names, places = list(contenders), arguments.places.split(",")
    loads = [read_load(text) for text in arguments.sizes.split(",")]
    times = Times(arguments.duration, 100)
    slices: list[Measured] = []
    print(procfs.describe_machine(), time.strftime("%Y-%m-%d"), sep="; ")
    with ExitStack() as stack:
        servers = {name: stack.enter_context(Process(command, CLIENT_CPU)) for name, command in contenders.items()}
        for round_ in range(arguments.rounds):
            for place in random.sample(places, len(places)):
                for process in servers.values():
                    process.pin(CLIENT_CPU if place == "same" else CLIENT_CPU + 1)
                for load in random.sample(loads, len(loads)):
                    for name in random.sample(names, len(names)):
                        try:
                            measured = measure(servers[name], place, load, name, times)
                        except RuntimeError as problem:
                            print(f"{name}: {problem}", file=sys.stderr)
                            continue
                        slices.append(replace(measured, round=round_))
    results = Results(slices)
    for place in places:
        for load in loads:
            print(table(results, place, load.name, names))
    print(f"\n{len(slices)} slices, {sum(s.disturbed for s in slices)} of them disturbed")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(s) for s in slices]))


if __name__ == "__main__":
    main()
