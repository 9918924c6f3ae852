"""How long a caller on the same machine waits for the sum of an array: sealed memory beside others' shared memory.

`make bench-same-host` runs it: docs/performance.md. Each contender is called with each size for a moment in every
round, in random order. The server, or the process that sums, is on the first CPU, this one on the last. All sum with
torch, in one thread. The contenders:

- tensorferry: `infer`, without a digest, of an array of `client.empty` that was filled before, over a Unix socket;
  `-anew`: of a new one, which is filled, each time.
- compiled: the same with the client's compiled core.
- tenso: the array lies in its shared memory; a process that waits at a pipe reads it there and answers with the sum.
  `-anew`: it is put there each time.
- triton: the array lies in POSIX shared memory that is registered, and tritonclient asks a real Triton, over TCP.
  `-anew`: it is copied there each time.
- sum: in this process, for what is left without any other.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch

import procfs
import real_triton
import tensorferry
from ratios import Results, number
from servers import BIN, Process
from slices import Slice

KIB = 1 << 10
MIB = 1 << 20
SIZES = {"4 KiB": 4 * KIB, "1 MiB": MIB, "16 MiB": 16 * MIB, "64 MiB": 64 * MIB}
OURS, COMPILED, TENSO, TRITON, SUM = "tensorferry", "compiled", "tenso", "triton", "sum"
CORES = {OURS: "pure", COMPILED: "compiled"}
ANEW = "-anew"
PLACE = "split"
WARMUP_S = 0.05

Call = Callable[[], float]


@dataclass(frozen=True)
class Contender:
    pid: int  # Of the process on the other CPU.
    call: Call


class Sum(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum()


def start_ours(folder: Path, cpu: int) -> Process:
    torch.jit.script(Sum()).save(folder / "sum.pt")
    flags = ("--admin-listen", "off", "--sealed-memory", "on", "--model", f"sum={folder}/sum.pt")
    return Process([str(BIN / "tensorferry-server"), "--listen", f"unix:{folder}/socket", *flags], cpu)


@contextmanager
def client_of(address: str, core: str) -> Iterator[tensorferry.Client]:
    os.environ["TENSORFERRY_CORE"] = core  # Read when a client is made.
    with tensorferry.Client(address, transport="sealed") as client:
        yield client


@contextmanager
def sealed(server: Process, source: np.ndarray, name: str) -> Iterator[dict[str, Contender]]:
    with client_of(server.addresses[0], CORES[name]) as client:

        def filled() -> np.ndarray:
            array = client.empty(source.shape, source.dtype)
            array[...] = source
            return array

        def total(array: np.ndarray) -> float:
            return float(client.infer("sum", {"x": array}, digest=False)["OUTPUT__0"])

        once = filled()
        yield {
            name: Contender(server.pid, lambda: total(once)),
            name + ANEW: Contender(server.pid, lambda: total(filled())),
        }


def sum_for_others(cpu: int, pipe: Connection) -> None:
    """Answers each name of a shared memory with the sum of the array there, until a name is empty."""
    import tenso.shm

    os.sched_setaffinity(0, {cpu})
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # torch warns that an array of tenso cannot be written to: nobody does.
    with ExitStack() as stack:
        memories: dict[bytes, tenso.shm.TensoShm] = {}
        while name := pipe.recv_bytes():
            if name not in memories:
                memories[name] = stack.enter_context(tenso.shm.TensoShm(name.decode()))
            pipe.send_bytes(torch.from_numpy(memories[name].get()).sum().numpy())


@contextmanager
def summing_process(cpu: int) -> Iterator[tuple[int, Connection]]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=sum_for_others, args=(cpu, there))
    process.start()
    there.close()  # So that its end is noticed.
    try:
        assert process.pid is not None
        yield process.pid, here
    finally:
        here.send_bytes(b"")
        process.join()


@contextmanager
def tenso_memory(pid: int, pipe: Connection, source: np.ndarray) -> Iterator[dict[str, Contender]]:
    import tenso.shm

    name = f"same_host_tenso_{os.getpid()}_{source.nbytes}"
    with tenso.shm.TensoShm.create_from(name, source) as memory:

        def total() -> float:
            pipe.send_bytes(name.encode())
            return float(np.frombuffer(pipe.recv_bytes(), np.float32)[0])

        def total_anew() -> float:
            memory.put(source)
            return total()

        try:
            yield {TENSO: Contender(pid, total), TENSO + ANEW: Contender(pid, total_anew)}
        finally:
            memory.unlink()


@contextmanager
def registered(server: real_triton.Triton, source: np.ndarray) -> Iterator[dict[str, Contender]]:
    import tritonclient.grpc
    from tritonclient.utils import shared_memory

    name = f"same_host_triton_{os.getpid()}_{source.nbytes}"
    with tritonclient.grpc.InferenceServerClient(server.grpc) as client:
        region = shared_memory.create_shared_memory_region(name, f"/{name}", source.nbytes)
        shared_memory.set_shared_memory_region(region, [source])
        client.register_system_shared_memory(name, f"/{name}", source.nbytes)
        given = tritonclient.grpc.InferInput("x", list(source.shape), "FP32")
        given.set_shared_memory(name, source.nbytes)

        def total() -> float:
            return float(client.infer("sum", [given]).as_numpy("y")[0])

        def total_anew() -> float:
            shared_memory.set_shared_memory_region(region, [source])
            return total()

        try:
            yield {TRITON: Contender(server.pid, total), TRITON + ANEW: Contender(server.pid, total_anew)}
        finally:
            client.unregister_system_shared_memory(name)
            shared_memory.destroy_shared_memory_region(region)


def calls_for(contender: Contender, seconds: float) -> tuple[int, float]:
    """Returns how many calls were made, one at least, and the seconds they took."""
    count, start = 0, time.perf_counter()
    while True:
        contender.call()
        count += 1
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return count, elapsed


def measure(contender: Contender, seconds: float, cpus: set[int]) -> Slice:
    """A slice that has no names yet."""
    calls_for(contender, WARMUP_S)
    pids = {contender.pid, os.getpid()}
    before, used = procfs.load_of(cpus), sum(map(procfs.cpu_seconds, pids))
    count, elapsed = calls_for(contender, seconds)
    after, used = procfs.load_of(cpus), sum(map(procfs.cpu_seconds, pids)) - used
    time_us, passed = elapsed / count * 1e6, elapsed * len(cpus)
    return Slice(
        PLACE, "", "", 0, 1e6 / time_us, time_us, time_us, cpu_us=used / count * 1e6,
        foreign=max(0.0, after.busy - before.busy - used) / passed, steal=(after.steal - before.steal) / passed,
    )  # fmt: skip


def check(name: str, contender: Contender, source: np.ndarray) -> None:
    np.testing.assert_allclose(contender.call(), source.sum(dtype=np.float64), rtol=1e-4, err_msg=name)


def measure_in_turns(
    contenders: dict[str, Contender], size: str, source: np.ndarray, arguments: argparse.Namespace, cpus: set[int]
) -> list[Slice]:
    for name, contender in contenders.items():
        check(name, contender, source)
    slices = []
    for round_ in range(arguments.rounds):
        print(f"{size}: round {round_ + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
        for name in random.sample(list(contenders), len(contenders)):
            got = measure(contenders[name], arguments.duration, cpus)
            slices.append(replace(got, workload=size, contender=name, round=round_))
    return slices


def run(arguments: argparse.Namespace) -> list[Slice]:
    server_cpu, own_cpu = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
    slices = []
    random.seed(arguments.seed)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        ours = stack.enter_context(start_ours(Path(folder), server_cpu))
        triton = stack.enter_context(real_triton.triton_server(Path(folder, "triton"), server_cpu))
        pid, pipe = stack.enter_context(summing_process(server_cpu))
        procfs.pin(os.getpid(), own_cpu)
        for size in arguments.sizes.split(","):
            source = np.random.default_rng(1).random(SIZES[size] // 4, np.float32)
            with ExitStack() as of_size:
                contenders = {SUM: Contender(os.getpid(), lambda source=source: float(torch.from_numpy(source).sum()))}
                for more in (
                    *(sealed(ours, source, name) for name in CORES),
                    tenso_memory(pid, pipe, source),
                    registered(triton, source),
                ):
                    contenders |= of_size.enter_context(more)
                slices += measure_in_turns(contenders, size, source, arguments, {server_cpu, own_cpu})
    return slices


def table(slices: Sequence[Slice], base: str, ending: str) -> str:
    """Our time, the others' as a ratio to it, and what ours is beside that of the sum itself."""
    results, ours = Results(slices), base + ending
    lines = [f"| {ours} | µs | {TENSO}{ending} ÷ | {TRITON}{ending} ÷ | ÷ {SUM} |", "| --- " * 5 + "|"]
    for size in SIZES:
        median = results.median(PLACE, size, ours, time_us)
        if median is not None:
            others = [results.ratio(PLACE, size, name + ending, ours, time_us) for name in (TENSO, TRITON)]
            beside_sum = results.ratio(PLACE, size, ours, SUM, time_us)
            lines.append(f"| {size} | {number(median)} | {others[0]} | {others[1]} | {beside_sum} |")
    return "\n".join(lines) + "\n"


def time_us(s: Slice) -> float:
    return s.time_us


def report(slices: Sequence[Slice]) -> str:
    disturbed = sum(s.disturbed for s in slices)
    tables = [table(slices, base, ending) for ending in ("", ANEW) for base in CORES]
    return "\n".join([*tables, f"{len(slices)} slices, {disturbed} of them disturbed.\n"])


def read_arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="same_host.py", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sizes", default=",".join(SIZES), help="of: %(default)s")
    parser.add_argument("--rounds", type=int, default=9, help="(%(default)s)")
    parser.add_argument("--duration", type=float, default=0.3, help="of a slice, in s (%(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of the order")
    return parser.parse_args(words)


def main() -> None:
    arguments = read_arguments(sys.argv[1:])
    real_triton.require()
    torch.set_num_threads(1)
    print(procfs.describe_machine())
    print(report(run(arguments)))


if __name__ == "__main__":
    main()
