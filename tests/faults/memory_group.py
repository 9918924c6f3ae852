"""A limit on a server's memory, as a container sets it: a control group that the server is started in."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from harness import SERVER


@dataclass(frozen=True)
class MemoryGroup:
    """A control group. `program` starts the server in it; without one, the server has the limit's defaults by flags."""

    program: Path
    flags: tuple[str, ...]
    folder: Path | None
    limit: int

    def peak(self) -> int | None:
        """The most memory that the group has used, in bytes, if the system tells."""
        for name in ("memory.max_usage_in_bytes", "memory.peak"):
            if self.folder is not None and (self.folder / name).exists():
                return int((self.folder / name).read_text())
        return None


def _mounted() -> tuple[Path, str]:
    """This process's own group of memory, and the name of the file that holds its limit."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    groups = Path("/proc/self/cgroup").read_text()
    for kind, pattern, file in (
        ("cgroup", r"^\d+:(?:[\w,=]+,)?memory(?:,[\w,=]+)?:(.*)$", "memory.limit_in_bytes"),
        ("cgroup2", r"^0::(.*)$", "memory.max"),
    ):
        for line in mounts:
            mounted, _, filesystem = line.partition(" - ")
            is_memory = kind == "cgroup2" or "memory" in filesystem.split()[2].split(",")
            own = re.search(pattern, groups, re.MULTILINE)
            if filesystem.split()[0] == kind and is_memory and own is not None:
                return Path(mounted.split()[4]) / own[1].lstrip("/"), file
    raise OSError("no control groups of memory are mounted")


@contextmanager
def memory_group(limit: int) -> Iterator[MemoryGroup]:
    """A group with a limit of that many bytes. It must be empty at the end."""
    try:
        parent, file = _mounted()
        folder = parent / f"tensorferry-shapes-{os.getpid()}"
        folder.mkdir()
    except OSError:
        yield MemoryGroup(SERVER, ("--memory-budget", f"{limit // 2}"), None, limit)
        return
    try:
        (folder / file).write_text(f"{limit}")
        with TemporaryDirectory() as scratch:
            program = Path(scratch) / "server"
            enter = f"echo $$ > {shlex.quote(str(folder / 'cgroup.procs'))}"
            program.write_text(f'#!/bin/sh\n{enter} && exec {shlex.quote(str(SERVER))} "$@"\n')
            program.chmod(0o700)
            yield MemoryGroup(program, (), folder, limit)
    finally:
        folder.rmdir()
