"""A Ray cluster of two nodes on this machine, and servers whose processes are known."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import ray
from ray.cluster_utils import Cluster

SERVER = Path(os.environ["TENSORFERRY_SERVER_PROGRAM"])
TIMEOUT_S = 120


class Started(NamedTuple):
    """A server that was started: its process, the actor's that did so, the node's, and the flags."""

    pid: int
    actor: int
    node: str
    flags: list[str]

    def flag(self, name: str) -> str:
        """The value that the server takes: the last one."""
        return self.flags[len(self.flags) - self.flags[::-1].index(name)]


class RecordingServer:
    """A program that writes down how it was started, and becomes the server, whose temporary files are beside it."""

    def __init__(self, folder: Path) -> None:
        self.program = folder / "server"
        self._started = folder / "started"
        self.program.write_text(
            f'#!/bin/sh\necho $$ $PPID $RAY_RAYLET_PID "$@" >>{self._started}\nTMPDIR={folder} exec {SERVER} "$@"\n'
        )
        self.program.chmod(0o755)

    def started(self) -> list[Started]:
        lines = (line.split() for line in self._started.read_text().splitlines())
        return [Started(int(pid), int(actor), node, flags) for pid, actor, node, *flags in lines]

    def wait_for(self, count: int) -> None:
        """Waits until so many servers have been started."""
        wait_until(lambda: len(self.started()) >= count, "no server was started")

    def wait_for_the_end(self) -> None:
        wait_until(lambda: all(ended(server.pid) for server in self.started()), "a server has outlived what started it")


def wait_until(reached: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not reached():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


def ended(pid: int) -> bool:
    """Whether a process is gone, or a zombie whose parent has not looked yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # Before it is opened, and before it is read.
        return True


@pytest.fixture
def nodes() -> Iterator[set[str]]:
    """The identifiers of two nodes, each with room for one server and a reader of files."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    cluster.add_node(num_cpus=2)
    # The workers need the client of this checkout.
    ray.init(address=cluster.address, runtime_env={"env_vars": {"PYTHONPATH": os.environ["PYTHONPATH"]}})
    yield {node["NodeID"] for node in ray.nodes()}
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def recording_server(tmp_path: Path) -> RecordingServer:
    return RecordingServer(tmp_path)
