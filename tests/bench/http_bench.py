"""Measures calls over HTTP: this server's beside a real Triton's, and beside the same calls over gRPC.

`make bench-http` runs it: docs/performance.md. The servers are on the first CPU, the clients on the last. The same
clients call both, in turns: tritonclient.http, as a caller of NumPy arrays does; a socket that is kept open (raw), to
which a request that was written once is sent, so that hardly more than the server's time is measured; and
perf_analyzer, in C++, which measures this server by both protocols. Elements travel as bytes. The model `identity`
gives them back, `sum` answers with one number, so that the time is that of the request. Triton's models run in its
process.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

import perf_analyzer
import procfs
import real_triton
from python_bench import SIZES, TRITONCLIENT_PYTHON, Caller, HasPid, Measured, measure
from ratios import Results, number
from servers import BIN, Process
from slices import Slice

OURS, TRITON = "tensorferry", "triton"
CLIENTS = ("tritonclient-http", "raw-http")
PERF = "perf_analyzer"
HTTP, GRPC = "http", "grpc"
MODELS = ("sum", "identity")
PERF_MODEL = "sum"


class Sum(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum().reshape(1)


CONFIG = """
platform: "pytorch_libtorch"
input [ { name: "x" data_type: TYPE_FP32 dims: [ -1 ] } ]
output [ { name: "y__0" data_type: TYPE_FP32 dims: [ 1 ] } ]
"""


@dataclass(frozen=True)
class Step:
    """What is measured in one slice: a client's calls of a model, of one server, with one size."""

    client: str
    server: str
    model: str
    size: str
    protocol: str = HTTP

    @property
    def contender(self) -> str:
        return f"{self.server}/{self.protocol}"

    @property
    def workload(self) -> str:
        return f"{self.model} {self.size}"


def read_arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="http_bench.py", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=12, help="(%(default)s)")
    parser.add_argument("--duration", type=float, default=0.3, help="of a slice, in s (%(default)s)")
    parser.add_argument("--layout", choices=["same", "split"], default="split", help="one CPU, or two (%(default)s)")
    parser.add_argument("--sizes", default="64 B,1 MiB", help=f"of: {', '.join(SIZES)} (%(default)s)")
    parser.add_argument("--models", default=",".join(MODELS), help="of: %(default)s")
    parser.add_argument("--clients", default=",".join((*CLIENTS, PERF)), help="of: %(default)s")
    parser.add_argument("--seed", type=int, default=None, help="of the order")
    return parser.parse_args(words)


def start_ours(folder: Path, cpu: int) -> Process:
    (folder / "sum/1").mkdir(parents=True)
    (folder / "sum/config.pbtxt").write_text(CONFIG)
    torch.jit.script(Sum()).save(folder / "sum/1/model.pt")
    addresses = ("--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--admin-listen", "off")
    return Process([str(BIN / "tensorferry-server"), *addresses, "--model-dir", str(folder)], cpu)


def steps_of(arguments: argparse.Namespace) -> list[Step]:
    steps = []
    for client in arguments.clients.split(","):
        for size in arguments.sizes.split(","):
            if client == PERF:
                steps += [Step(PERF, OURS, PERF_MODEL, size, protocol) for protocol in (HTTP, GRPC)]
            else:
                steps += [
                    Step(client, server, model, size)
                    for server in (OURS, TRITON)
                    for model in arguments.models.split(",")
                ]
    return steps


def measure_perf(address: str, step: Step, server: HasPid, client_cpu: int, cpus: set[int]) -> Measured:
    def used() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime + children.ru_stime + procfs.cpu_seconds(server.pid)

    before, ours, start = procfs.load_of(cpus), used(), time.monotonic()
    time_us = perf_analyzer.p50_us(address, step.protocol, step.model, SIZES[step.size], client_cpu)
    after, ours, passed = procfs.load_of(cpus), used() - ours, (time.monotonic() - start) * len(cpus)
    foreign = max(0.0, after.busy - before.busy - ours) / passed
    return Measured(time_us, 0.0, foreign, (after.steal - before.steal) / passed)


def run(arguments: argparse.Namespace) -> list[Slice]:
    server_cpu = min(os.sched_getaffinity(0))
    client_cpu = server_cpu if arguments.layout == "same" else max(os.sched_getaffinity(0))
    cpus, steps, slices = {server_cpu, client_cpu}, steps_of(arguments), []
    random.seed(arguments.seed)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        ours = stack.enter_context(start_ours(Path(folder, OURS), server_cpu))
        triton = stack.enter_context(real_triton.triton_server(Path(folder, TRITON), server_cpu))
        servers: dict[str, HasPid] = {OURS: ours, TRITON: triton}
        addresses = {(OURS, HTTP): ours.http, (OURS, GRPC): ours.addresses[0], (TRITON, HTTP): triton.http}
        keys = {(s.client, s.server, s.model) for s in steps if s.client != PERF}
        callers = {
            (client, server, model): stack.enter_context(
                Caller(client, f"{addresses[server, HTTP]}/{model}", client_cpu)
            )
            for client, server, model in sorted(keys)
        }
        for round_ in range(arguments.rounds):
            print(f"round {round_ + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
            for step in random.sample(steps, len(steps)):
                server = servers[step.server]
                if step.client == PERF:
                    got = measure_perf(addresses[step.server, step.protocol], step, server, client_cpu, cpus)
                else:
                    caller = callers[step.client, step.server, step.model]
                    got = measure(caller, server, step.size, arguments.duration, cpus)
                slices.append(to_slice(step, round_, got))
    return slices


def to_slice(step: Step, round_: int, got: Measured) -> Slice:
    return Slice(
        step.client, step.workload, step.contender, round_, 1e6 / got.time_us, got.time_us, got.time_us,
        cpu_us=got.cpu_us, foreign=got.foreign, steal=got.steal,
    )  # fmt: skip


def table(
    slices: Sequence[Slice],
    what: str,
    pair: tuple[str, str],
    clients: Sequence[str],
    measured: Callable[[Slice], float],
) -> str:
    """What a call of both contenders takes, and that of the first divided by that of the second."""
    one, other = pair
    results = Results(slices)
    lines = [f"| {what} of a call | {one}, µs | {other}, µs | {one} ÷ {other} |", "| --- | --- | --- | --- |"]
    for client in clients:
        for workload in (f"{model} {size}" for model in MODELS for size in SIZES):
            ratio = results.ratio(client, workload, one, other, measured)
            if ratio is not None:
                both = [number(results.median(client, workload, name, measured)) for name in pair]
                lines.append(f"| {client}, {workload} | {both[0]} | {both[1]} | {ratio} |")
    return "\n".join(lines) + "\n"


def time_us(s: Slice) -> float:
    return s.time_us


def cpu_us(s: Slice) -> float:
    return s.cpu_us or 0.0


def report(slices: Sequence[Slice]) -> str:
    beside = f"{TRITON}/{HTTP}", f"{OURS}/{HTTP}"
    return "\n".join(
        [
            table(slices, "time", beside, CLIENTS, time_us),
            table(slices, "CPU time, of client and server,", beside, CLIENTS, cpu_us),
            table(slices, "time", (f"{OURS}/{HTTP}", f"{OURS}/{GRPC}"), (PERF,), time_us),
            f"{len(slices)} slices, {sum(s.disturbed for s in slices)} of them disturbed.\n",
        ]
    )


def main() -> None:
    arguments = read_arguments(sys.argv[1:])
    real_triton.require()
    if not TRITONCLIENT_PYTHON.exists() or not perf_analyzer.PROGRAM.exists():
        sys.exit("http_bench: tritonclient is missing; tests/integration/oip/environments.sh installs it")
    print(procfs.describe_machine())
    print(report(run(arguments)))


if __name__ == "__main__":
    main()
