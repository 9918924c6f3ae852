"""One slice: a program makes load for a moment, and what it says is put beside what the system says."""

from __future__ import annotations

import json
import resource
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import messages
import procfs
from servers import BIN, Process, Servers
from slices import Slice
from workloads import CONTENDERS, Contender, Workload, option_of

CLIENT_CPU = 0
PATIENCE_S = 60
LONG_BYTES = 128 << 20  # From here on a slice is longer,
LONG = 3  # that many times,
FEWEST = 20  # and with fewer requests than this, those of the warm-up can only be guessed.


def server_cpu(place: str) -> int:
    return CLIENT_CPU if place.startswith("same/") else CLIENT_CPU + 1


@dataclass(frozen=True)
class Times:
    duration_ms: int = 300
    warmup_ms: int = 100

    def scaled(self, nbytes: int) -> Times:
        return Times(self.duration_ms * LONG, self.warmup_ms) if nbytes >= LONG_BYTES else self


def load_command(contender: Contender, workload: Workload, address: str, times: Times) -> list[str]:
    milliseconds = [str(times.duration_ms), str(times.warmup_ms)]
    if contender.program == "memcpy":
        return [str(BIN / "raw_limit"), "memcpy", str(workload.nbytes), *milliseconds]
    if contender.program == "raw":
        return [str(BIN / "raw_limit"), "load", address, str(workload.nbytes), *milliseconds]
    if contender.program == "flight":
        return [str(BIN / "flight_load"), address, str(workload.outstanding), str(workload.nbytes), *milliseconds]
    if contender.program == "message":
        file = str(messages.message_file(contender.form, contender.nbytes or workload.nbytes))
        method, outstanding = messages.FORMS[contender.form].method, str(workload.outstanding)
        load = [address, method, file, outstanding, str(workload.nbytes), *milliseconds]
        return [str(BIN / "message_load"), *load]
    options = ["--mode", contender.mode or workload.mode, "--outstanding", str(workload.outstanding)]
    if workload.model and contender.model:
        options += ["--model", contender.model.format(workload.model)]
    return bench_command(address, workload.nbytes, times, *options, *contender.options)


def bench_command(address: str, nbytes: int, times: Times, *options: str) -> list[str]:
    command = [str(BIN / "tensorferry"), "bench", "--json", "--server", address, "--size", option_of(nbytes)]
    warmup = f"{times.warmup_ms}ms" if times.warmup_ms else "0s"
    return [*command, "--duration", f"{times.duration_ms}ms", "--warmup", warmup, "--timeout", "30s", *options]


def pinned(command: Sequence[str], cpu: int = CLIENT_CPU) -> list[str]:
    return ["taskset", "--cpu-list", str(cpu), *command]


def read_load(command: Sequence[str], output: str) -> dict[str, Any]:
    """The only row of what a load program printed."""
    if not output:
        raise RuntimeError(f"{' '.join(command)}: it printed nothing")
    row: dict[str, Any] = json.loads(output)["sizes"][0]
    if row["errors"] or row["ok"] == 0:
        raise RuntimeError(f"{' '.join(command)}: {row['errors'] or 'nothing was answered'}")
    return row


def run_load(command: Sequence[str]) -> dict[str, Any]:
    done = subprocess.run(pinned(command), capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr.strip()}")
    return read_load(command, done.stdout)


class Watch:
    """What the system counts during a slice."""

    def __init__(self, place: str, process: Process | None) -> None:
        self._pid = process.pid if process else None
        self._cpus = {CLIENT_CPU, server_cpu(place)}
        self._start = self._now()

    def _now(self) -> tuple[float, procfs.Load, float, float, int]:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (
            time.monotonic(),
            procfs.load_of(self._cpus),
            children.ru_utime + children.ru_stime,
            procfs.cpu_seconds(self._pid) if self._pid else 0,
            procfs.minor_faults(self._pid) if self._pid else 0,
        )

    def stop(self) -> None:
        start, end = self._start, self._now()
        span = (end[0] - start[0]) * len(self._cpus)
        self.server_cpu_s = end[3] - start[3]
        self.faults = end[4] - start[4]
        own = end[2] - start[2] + self.server_cpu_s
        self.foreign = max(0.0, end[1].busy - start[1].busy - own) / span
        self.steal = (end[1].steal - start[1].steal) / span


def measure(servers: Servers, place: str, workload: Workload, name: str, times: Times) -> Slice:
    """A slice of round 0."""
    contender = CONTENDERS[name]
    process, address = servers.find(contender.server, place.split("/")[1]) if contender.server else (None, "")
    times = times.scaled(workload.nbytes)
    command = load_command(contender, workload, address, times)
    watch = Watch(place, process)
    row = run_load(command)
    watch.stop()
    # The warm-up is of the measured load, and its requests are not counted.
    requests = row["ok"] * (1 + times.warmup_ms / 1000 / row["elapsed_s"])
    counts = row["ok"] >= FEWEST
    return Slice(
        place=place,
        workload=workload.name,
        contender=name,
        round=0,
        rate=row["requests_per_s"],
        p50_us=row["latency_us"]["p50"],
        p99_us=row["latency_us"]["p99"],
        cpu_us=watch.server_cpu_s * 1e6 / requests if counts else None,
        faults=watch.faults / requests if counts else None,
        foreign=watch.foreign,
        steal=watch.steal,
    )
