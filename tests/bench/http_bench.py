"""Measures tritonclient.http against this server and against a Triton that runs: the same client, in turns.

    tritonserver --http-address=127.0.0.1 --http-port=18308 --allow-grpc=false --model-repository=…
    PYTHONPATH=client/python/src .venv/bin/python tests/bench/http_bench.py --triton 127.0.0.1:18308 --triton-pid PID

Triton's model has the input `x`, FP32 of any length. With `--answer shape` it answers with the input's shape alone, and
ours with its length, so that the time is that of the request; with `--answer elements` both give the elements back. A
model in Triton's Python backend runs in a process of its own, whose CPU time is not among Triton's here.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

import procfs
from python_bench import SIZES, TRITONCLIENT_PYTHON, Caller, measure
from ratios import Results, number
from servers import BIN, Process
from slices import Slice

OURS, TRITON = "tensorferry", "triton"
CLIENT = "tritonclient-http"


class Numel(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tensor([x.numel()])


# Our model, and what Triton's is called unless --triton-model says otherwise.
MODELS = {"shape": ("numel", "convert_cpp"), "elements": ("identity", "identity")}


@dataclass(frozen=True)
class Running:
    """A server that somebody else has started."""

    pid: int


def read_arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="http_bench.py", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--triton", required=True, metavar="HOST:PORT", help="where its HTTP front end listens")
    parser.add_argument("--triton-pid", required=True, type=int, help="its process, which is moved to the server's CPU")
    parser.add_argument("--triton-model", default="", help="(convert_cpp, or identity)")
    parser.add_argument("--answer", choices=list(MODELS), default="shape", help="(%(default)s)")
    parser.add_argument("--rounds", type=int, default=12, help="(%(default)s)")
    parser.add_argument("--duration", type=float, default=0.5, help="of a slice, in s (%(default)s)")
    parser.add_argument("--layout", choices=["same", "split"], default="split", help="one CPU, or two (%(default)s)")
    parser.add_argument("--sizes", default="64 B,1 MiB", help=f"of: {', '.join(SIZES)} (%(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of the order")
    return parser.parse_args(words)


def start_ours(folder: Path, cpu: int) -> Process:
    torch.jit.script(Numel()).save(folder / "numel.pt")
    addresses = ("--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--admin-listen", "off")
    return Process([str(BIN / "tensorferry-server"), *addresses, "--model-dir", str(folder)], cpu)


def run(arguments: argparse.Namespace) -> list[Slice]:
    server_cpu = min(os.sched_getaffinity(0))
    client_cpu = server_cpu if arguments.layout == "same" else max(os.sched_getaffinity(0))
    our_model, triton_model = MODELS[arguments.answer]
    slices = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        ours = stack.enter_context(start_ours(Path(folder), server_cpu))
        procfs.pin(arguments.triton_pid, server_cpu)
        servers = {OURS: ours, TRITON: Running(arguments.triton_pid)}
        addresses = {
            OURS: f"{ours.http}/{our_model}",
            TRITON: f"{arguments.triton}/{arguments.triton_model or triton_model}",
        }
        callers = {
            name: stack.enter_context(Caller(CLIENT, address, client_cpu)) for name, address in addresses.items()
        }
        steps = [(name, size) for name in callers for size in arguments.sizes.split(",")]
        random.seed(arguments.seed)
        for round_ in range(arguments.rounds):
            print(f"round {round_ + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
            for name, size in random.sample(steps, len(steps)):
                got = measure(callers[name], servers[name], size, arguments.duration, {server_cpu, client_cpu})
                slices.append(
                    Slice(
                        arguments.layout, size, name, round_, 1e6 / got.time_us, got.time_us, got.time_us,
                        cpu_us=got.cpu_us, foreign=got.foreign, steal=got.steal,
                    )
                )  # fmt: skip
    return slices


def table(slices: Sequence[Slice], layout: str, what: str, measured: Callable[[Slice], float]) -> str:
    results = Results(slices)
    lines = [f"| {what} of a call | {OURS}, µs | {TRITON}, µs | {TRITON} ÷ {OURS} |", "| --- | --- | --- | --- |"]
    for size in SIZES:
        ours, triton = (results.median(layout, size, name, measured) for name in (OURS, TRITON))
        if ours is not None:
            ratio = results.ratio(layout, size, TRITON, OURS, measured)
            lines.append(f"| {size} | {number(ours)} | {number(triton)} | {ratio} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    arguments = read_arguments(sys.argv[1:])
    if not TRITONCLIENT_PYTHON.exists():
        sys.exit("http_bench: tritonclient is missing; tests/integration/oip/environments.sh installs it")
    slices = run(arguments)
    print(table(slices, arguments.layout, "time", lambda s: s.time_us))
    print(table(slices, arguments.layout, "CPU time, of client and server,", lambda s: s.cpu_us or 0.0))
    print(f"{len(slices)} slices, {sum(s.disturbed for s in slices)} of them disturbed.")


if __name__ == "__main__":
    main()
