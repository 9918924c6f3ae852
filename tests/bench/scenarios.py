"""What is not one load on one server: small requests beside large ones, first requests, peak memory."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import procfs
from measure import Times, Watch, bench_command, pinned, read_load, run_load, server_cpu
from servers import COMMANDS, Process, Servers
from slices import Slice
from workloads import KIB, MIB, SPLIT, TCP

MIXED = "W9 1 KiB, alone or beside 20 of 16 MiB per second"
FIRST = "W10 1 KiB, first request of a new server"
IDLE = "W10 1 KiB, after 2 s without a request"
PEAK = "W4 peak memory above the tensor, chunks"
PEAK_SIZES = (64 * MIB, 256 * MIB, 1024 * MIB)
POISSON = "W8 calls_ts 64 B, Poisson arrivals at 80 % of the capacity"

CONTENDERS = ("tensorferry", "limit-tuned", "sync")
LARGE_PER_S = 20
ONCE = Times(duration_ms=1, warmup_ms=0)


def _slice(workload: str, contender: str, place: str, **measured: float) -> Slice:
    empty = {"rate": 1.0, "p50_us": 0.0, "p99_us": 0.0}
    return Slice(place=place, workload=workload, contender=contender, round=0, **{**empty, **measured})


def mixed(servers: Servers, place: str) -> Iterator[Slice]:
    """Small requests on one connection, one after the other, without and with large ones on another."""
    servers.pin(server_cpu(place))
    for name in CONTENDERS:
        process, address = servers.find(name, place.split("/")[1])
        small = bench_command(address, KIB, Times(1000, 200))
        large = bench_command(address, 16 * MIB, Times(1900, 0), "--rate", str(LARGE_PER_S))
        for beside in (False, True):
            companion = subprocess.Popen(pinned(large), stdout=subprocess.PIPE, text=True) if beside else None
            if beside:
                time.sleep(0.3)  # Until the first of them are sent.
            watch = Watch(place, process)
            row = run_load(small)
            watch.stop()
            if companion:
                read_load(large, companion.communicate()[0])
            yield _slice(
                MIXED,
                f"{name}, {'mixed' if beside else 'alone'}",
                place,
                rate=row["requests_per_s"],
                p50_us=row["latency_us"]["p50"],
                p99_us=row["latency_us"]["p99"],
                # The companion's load is expected, but its CPU time counts only once it has ended.
                foreign=0.0 if beside else watch.foreign,
                steal=watch.steal,
            )


def first_requests(folder: Path) -> Iterator[Slice]:
    """New servers: the first request of each, then one after 2 s in which nothing happens."""
    cpu = server_cpu(TCP)
    started: dict[str, Process] = {}
    try:
        for name in CONTENDERS:
            socket = folder / f"first-{name}.sock"
            socket.unlink(missing_ok=True)
            started[name] = Process(COMMANDS[name]("127.0.0.1:0", f"unix:{socket}")[0], cpu)
            row = run_load(bench_command(started[name].addresses[0], KIB, ONCE))
            yield _slice(FIRST, name, TCP, p50_us=row["latency_us"]["max"], p99_us=row["latency_us"]["max"])
        yield from _after_idle(started)
    finally:
        for process in started.values():
            process.stop()


def _after_idle(started: dict[str, Process]) -> Iterator[Slice]:
    # Requests are due at 0, 2 and 4 s, so the median is one of the last two. All wait at one time, but never work at
    # one.
    clients = {}
    for name, process in started.items():
        command = bench_command(process.addresses[0], KIB, Times(4200, 0), "--rate", "0.5")
        clients[name] = command, subprocess.Popen(pinned(command), stdout=subprocess.PIPE, text=True)
        time.sleep(0.3)
    for name, (command, client) in clients.items():
        latency = read_load(command, client.communicate()[0])["latency_us"]
        yield _slice(IDLE, name, TCP, p50_us=latency["p50"], p99_us=latency["max"])


def peak_memory(folder: Path) -> Iterator[Slice]:
    """The most memory that a new server held while it took one array in chunks, above what it held before."""
    for nbytes in PEAK_SIZES:
        socket = folder / f"peak-{nbytes}.sock"
        socket.unlink(missing_ok=True)
        command = COMMANDS["tensorferry"]("127.0.0.1:0", f"unix:{socket}")[0]
        with Process(command, server_cpu(TCP)) as process:
            run_load(bench_command(process.addresses[0], KIB, ONCE))  # What a first request makes it load.
            before = procfs.memory_mib(process.pid, "VmRSS")
            run_load(bench_command(process.addresses[0], nbytes, ONCE, "--mode", "chunks"))
            above = procfs.memory_mib(process.pid, "VmHWM") - before - nbytes / MIB
        yield replace(_slice(f"{PEAK} {nbytes // MIB} MiB", "tensorferry", TCP), mib=above)


def poisson(servers: Servers) -> Iterator[Slice]:
    """A model under load: `rate` is the share of requests that were answered; latencies are ratios to those at 1 % of
    the capacity."""
    servers.pin(server_cpu(SPLIT))  # On the server's core the load program could not keep its times.
    process, address = servers.find("tensorferry", "tcp")
    model = ("--model", "calls_ts")
    watch = Watch(SPLIT, process)
    capacity = run_load(bench_command(address, 64, Times(600, 100), *model, "--outstanding", "32"))["requests_per_s"]

    def arriving(share: float, times: Times) -> dict[str, Any]:
        arrivals = ("--rate", str(round(share * capacity)), "--arrivals", "poisson")
        return run_load(bench_command(address, 64, times, *model, *arrivals))

    unloaded = arriving(0.01, Times(1500, 200))["latency_us"]
    row = arriving(0.8, Times(1000, 200))
    watch.stop()
    yield _slice(
        POISSON,
        "tensorferry",
        SPLIT,
        rate=row["ok"] / (row["requests"] + row["unsent"]),
        p50_us=row["latency_us"]["p50"] / unloaded["p50"],
        p99_us=row["latency_us"]["p99"] / unloaded["p99"],
        foreign=watch.foreign,
        steal=watch.steal,
    )
