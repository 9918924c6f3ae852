"""Keeps a process to a share of one core: by a control group if one can be made, else by stopping and continuing it."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import time
from abc import ABC, abstractmethod
from pathlib import Path

PERIOD_US = 100_000


class CpuQuota(ABC):
    """A quota for one process, from its construction until `end`. `means` says how it is kept."""

    means: str

    @abstractmethod
    def throttled(self) -> float:
        """The share of periods in which the process wanted more than its quota. Call it before the process ends."""

    @abstractmethod
    def end(self) -> None:
        """Lets the process run as before. Call it after the process has ended, or the control group stays."""


class _Group(CpuQuota):
    """A control group with the quota, and the process in it."""

    def __init__(self, parent: Path, files: dict[str, str], pid: int) -> None:
        self._group = parent / f"tensorferry-faults-{pid}"
        self._group.mkdir()
        try:
            for name, value in files.items():
                (self._group / name).write_text(value)
            (self._group / "cgroup.procs").write_text(f"{pid}")
        except OSError:
            self._group.rmdir()
            raise

    def throttled(self) -> float:
        stat = dict(line.split() for line in (self._group / "cpu.stat").read_text().splitlines())
        return int(stat["nr_throttled"]) / max(1, int(stat["nr_periods"]))

    def end(self) -> None:
        self._group.rmdir()


class GroupV1(_Group):
    means = "control group, version 1"

    def __init__(self, pid: int, share: float) -> None:
        quota = {"cpu.cfs_period_us": f"{PERIOD_US}", "cpu.cfs_quota_us": f"{round(share * PERIOD_US)}"}
        super().__init__(_own_group("cpu"), quota, pid)


class GroupV2(_Group):
    means = "control group, version 2"

    def __init__(self, pid: int, share: float) -> None:
        parent = _own_group("")
        (parent / "cgroup.subtree_control").write_text("+cpu")
        super().__init__(parent, {"cpu.max": f"{round(share * PERIOD_US)} {PERIOD_US}"}, pid)


def _own_group(controller: str) -> Path:
    """This process's control group of `controller`, or of version 2 if that is empty, under where it is mounted."""
    kind = "cgroup2" if not controller else "cgroup"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mounted, _, filesystem = line.partition(" - ")
        if filesystem.split()[0] == kind and (not controller or controller in filesystem.split()[2].split(",")):
            own = re.search(rf"^\d+:[\w,=]*\b{controller}\b[\w,]*:(.*)$", Path("/proc/self/cgroup").read_text(), re.M)
            if not controller:
                own = re.search(r"^0::(.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE)
            if own is not None:
                return Path(mounted.split()[4]) / own[1].lstrip("/")
    raise OSError(f"no control groups of {kind} are mounted")


def _stop_and_continue(pid: int, share: float) -> None:
    period = PERIOD_US / 1e6
    try:
        while True:
            os.kill(pid, signal.SIGCONT)
            time.sleep(share * period)
            os.kill(pid, signal.SIGSTOP)
            time.sleep((1 - share) * period)
    except ProcessLookupError:
        return


class StopAndContinue(CpuQuota):
    """All threads stop at the same instants, which a control group does per processor: a weaker test."""

    means = "SIGSTOP and SIGCONT in turns"

    def __init__(self, pid: int, share: float) -> None:
        self._pid = pid
        self._helper = multiprocessing.get_context("spawn").Process(target=_stop_and_continue, args=(pid, share))
        self._helper.start()

    def throttled(self) -> float:
        return 1.0  # It is stopped whatever it wants.

    def end(self) -> None:
        self._helper.kill()
        self._helper.join()
        try:
            os.kill(self._pid, signal.SIGCONT)
        except ProcessLookupError:
            return


def keep_to(share: float, pid: int) -> CpuQuota:
    """Keeps the process to `share` of one core, by the best means that there is here."""
    for group in (GroupV1, GroupV2):
        try:
            return group(pid, share)
        except OSError:
            continue
    return StopAndContinue(pid, share)
