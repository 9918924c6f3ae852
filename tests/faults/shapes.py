"""Sends messages of many shapes to all methods of a server whose memory is limited as a container limits it.

Nothing may end the server, nothing may be INTERNAL, and health answers all the time. Run it with
PYTHONPATH=client/python/src:tests/integration:tests/million:tests/faults; --help lists what can be chosen.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing import get_context
from random import Random
from typing import Any

import grpc

from harness import MIB, Server, connect
from memory_group import MemoryGroup, memory_group
from random_message import Shape, random_shape
from reflected import Method, methods
from wire import refusal_of_call
from worst_requests import WORST

TIMEOUT_S = 60
HEALTH = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
STREAMS = ("/tensorferry.v1.TensorService/ConvertStream", "/inference.GRPCInferenceService/ModelStreamInfer")
WRONG = ("INTERNAL", "UNKNOWN", "DATA_LOSS", "DEADLINE_EXCEEDED")
GONE = "UNAVAILABLE "  # Without a reason: no connection, or one that gRPC has closed for want of memory.
MOST_GONE = 50
HEALTH_S = 1.0


@dataclass(frozen=True)
class Shares:
    """What is sent."""

    largest: int  # Bytes of a call.
    worst: float  # How many of all are the worst of valid requests.


@dataclass
class Sent:
    """What one sender has seen."""

    counts: Counter[str] = field(default_factory=Counter)
    nbytes: int = 0
    wrong: list[str] = field(default_factory=list)


def size_of(rng: Random, largest: int) -> int:
    """Mostly some KiB; one in 40 has up to a MiB, one in 200 up to `largest`."""
    draw = rng.random()
    most = largest if draw < 1 / 200 else MIB if draw < 1 / 40 else 1 << rng.randrange(17)
    return rng.randrange(min(most, largest) + 1)


def outcome(channel: grpc.Channel, path: str, messages: list[bytes]) -> tuple[str, str]:
    """The name of the code with which a call ends and its reason, and its message."""
    call = channel.stream_stream(path)(iter(messages), timeout=TIMEOUT_S)
    try:
        for _ in call:
            if path == WATCH:
                call.cancel()
                return "OK", ""
    except grpc.RpcError as error:
        return f"{error.code().name} {refusal_of_call(error).reason}", error.details() or ""
    return "OK", ""


def shape_of(rng: Random, known: list[Method], shares: Shares) -> tuple[str, list[Shape]]:
    """The path of a method, and messages for it."""
    if rng.random() < shares.worst:
        name = rng.choice(list(WORST))
        path, make = WORST[name]
        return path, [Shape(name, make())]
    method = rng.choice(known)
    count = rng.randint(1, 8) if method.path in STREAMS else 1
    return method.path, [random_shape(rng, method.request, size_of(rng, shares.largest) // count) for _ in range(count)]


def send(address: str, seeds: range, shares: Shares, results: Any) -> None:
    """Sends one shape for each seed, so that a single one can be repeated."""
    sent = Sent()
    gone = 0  # Calls without a connection, one after the other.
    with connect(address) as channel:
        known = list(methods(channel))
        for seed in seeds:
            path, shapes = shape_of(Random(seed), known, shares)
            code, details = outcome(channel, path, [shape.message for shape in shapes])
            sent.counts[code] += 1
            sent.nbytes += sum(len(shape.message) for shape in shapes)
            gone = gone + 1 if code == GONE else 0
            if code.split()[0] in WRONG or gone == MOST_GONE:
                words = "; ".join(shape.words for shape in shapes)
                sent.wrong.append(f"seed {seed}: {path}: {code} {details}: {words[:300]}")
            if gone == MOST_GONE:
                break
    results.send(sent)


class HealthWatch:
    """Asks for the server's health from a process of its own, five times a second, and keeps the longest time."""

    def __init__(self, address: str) -> None:
        context = get_context("spawn")
        self._stopped = context.Event()
        self._results, results = context.Pipe(duplex=False)
        self._process = context.Process(target=_watch_health, args=(address, self._stopped, results))
        self._process.start()

    def stop(self) -> list[float]:
        """The seconds of all answers; infinite where none came."""
        self._stopped.set()
        seconds: list[float] = self._results.recv()
        self._process.join()
        return seconds


def _watch_health(address: str, stopped: Any, results: Any) -> None:
    seconds = []
    with connect(address) as channel:
        check = channel.unary_unary(HEALTH)
        while not stopped.wait(0.2):
            start = time.monotonic()
            try:
                check(b"", timeout=TIMEOUT_S)
                seconds.append(time.monotonic() - start)
            except grpc.RpcError:
                seconds.append(float("inf"))
    results.send(seconds)


def run(server: Server, arguments: argparse.Namespace) -> tuple[Sent, list[float]]:
    """Sends all shapes, from `arguments.senders` processes."""
    context = get_context("spawn")
    health = HealthWatch(server.address)
    shares = Shares(arguments.largest * MIB, arguments.worst)
    pipes, processes = [], []
    for index in range(arguments.senders):
        results, end = context.Pipe(duplex=False)
        seeds = range(arguments.seed + index, arguments.seed + arguments.count, arguments.senders)
        processes.append(context.Process(target=send, args=(server.address, seeds, shares, end)))
        processes[-1].start()
        end.close()
        pipes.append(results)
    total = Sent()
    for results, process in zip(pipes, processes, strict=True):
        try:
            sent: Sent = results.recv()
        except EOFError:
            sent = Sent(wrong=["a sender has failed"])
        process.join()
        total.counts += sent.counts
        total.nbytes += sent.nbytes
        total.wrong += sent.wrong
    return total, health.stop()


def report(server: Server, group: MemoryGroup, total: Sent, health: list[float]) -> list[str]:
    """Prints the figures, and returns what is wrong."""
    wrong = list(total.wrong)
    if not server.alive():
        wrong.append(f"the server has ended with {server.process.returncode}")
    late = sorted(second for second in health if second > HEALTH_S)
    if late:
        wrong.append(
            f"health took more than {HEALTH_S:.0f} s {len(late)} times of {len(health)}: up to {late[-1]:.2f} s"
        )
    peak = group.peak()
    print(f"{total.counts.total()} shapes, {total.nbytes / MIB:.0f} MiB: {dict(total.counts.most_common())}")
    print(f"health: {len(health)} answers, at most {max(health, default=0) * 1000:.0f} ms")
    if server.alive():
        peak_rss, rss = server.peak_rss() / MIB, server.rss() / MIB
        print(f"peak RSS {peak_rss:.0f} MiB of {group.limit / MIB:.0f}; at the end {rss:.0f}")
    if peak is not None:
        print(f"peak of the control group, buffers of the sockets included: {peak / MIB:.0f} MiB")
    elif server.alive() and server.peak_rss() > group.limit:
        wrong.append("more memory was taken than the limit")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000, help="shapes to send")
    parser.add_argument("--seed", type=int, default=0, help="the first seed; each shape has one of its own")
    parser.add_argument("--senders", type=int, default=4, help="processes that send at once")
    parser.add_argument("--largest", type=int, default=63, help="most MiB of a call")
    parser.add_argument("--worst", type=float, default=1 / 200, help="share of the worst of valid requests")
    parser.add_argument("--memory", type=int, default=600, help="MiB that the server may use")
    arguments = parser.parse_args()
    started = time.monotonic()
    with memory_group(arguments.memory * MIB) as group, Server(*group.flags, program=group.program) as server:
        print(f"before: RSS {server.rss() / MIB:.0f} MiB", flush=True)
        ticker = threading.Event()
        threading.Thread(target=_tick, args=(server, ticker, started), daemon=True).start()
        total, health = run(server, arguments)
        ticker.set()
        wrong = report(server, group, total, health)
    print(f"{time.monotonic() - started:.0f} s, seeds {arguments.seed} to {arguments.seed + arguments.count - 1}")
    print("\n".join(wrong) or "nothing was wrong")
    return 1 if wrong else 0


def _tick(server: Server, ended: threading.Event, started: float) -> None:
    """Prints a line each minute."""
    while not ended.wait(60) and server.alive():
        print(f"{time.monotonic() - started:.0f} s: RSS {server.rss() / MIB:.0f} MiB", flush=True)


if __name__ == "__main__":
    sys.exit(main())
