"""The machine, and processes on it, from outside."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def pin(pid: int, cpu: int) -> None:
    """Every thread of a process to one CPU."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread), {cpu})


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, ended threads included: its CPU clock, as clock_getcpuclockid numbers it."""
    return time.clock_gettime(~pid << 3 | 2)


def minor_faults(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])


def memory_mib(pid: int, key: str) -> float:
    """VmRSS: resident now; VmHWM: the most that ever was."""
    match = re.search(rf"^{key}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert match is not None
    return int(match[1]) / 1024


@dataclass(frozen=True)
class Load:
    """Seconds since the start of the machine, over some of its CPUs."""

    busy: float
    steal: float


def load_of(cpus: Iterable[int]) -> Load:
    rows = {line.split()[0]: line.split()[1:] for line in Path("/proc/stat").read_text().splitlines()}
    busy = steal = 0
    for cpu in cpus:
        user, nice, system, _idle, _iowait, irq, softirq, stolen = map(int, rows[f"cpu{cpu}"][:8])
        busy += user + nice + system + irq + softirq
        steal += stolen
    return Load(busy / TICKS, steal / TICKS)


def describe_machine() -> str:
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.*)", info, re.MULTILINE)
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    guest = ", a virtual machine" if re.search(r"^flags.*\bhypervisor\b", info, re.MULTILINE) else ""
    gib = int(memory[1]) / 2**20 if memory else 0
    return (
        f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores, {gib:.0f} GiB{guest}; "
        f"Linux {platform.release().split('-')[0]}"
    )
