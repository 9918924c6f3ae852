"""Starts real load balancers, with the configurations of docker/load-balancers, in front of servers."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import tensorferry
from fleet import Fleet
from harness import MIB, REPO_ROOT, TIMEOUT_S, Server, becomes_true, free_port

CONFIGURATIONS = REPO_ROOT / "docker/load-balancers"
# The servers tell who they are by a limit of theirs.
LIMITS = (64 * MIB, 65 * MIB)
# HAProxy asks the admin port whether a server is ready.
ADMIN = ("--admin-listen", "127.0.0.1:0")

Change = Callable[[str], str]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def nginx(program: str, configuration: str, folder: Path) -> list[str | Path]:
    """The command for a configuration, whose folders for temporary files Debian puts where only root writes."""
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"  {name}_temp_path {folder}/{name};\n" for name in names)
    file = folder / "nginx.conf"
    file.write_text(configuration.replace("http {\n", "http {\n" + temporary, 1))
    settings = f"daemon off; pid {folder}/pid; error_log {folder}/log;"
    return [program, "-p", folder, "-c", file, "-e", folder / "log", "-g", settings]


def haproxy(program: str, configuration: str, folder: Path) -> list[str | Path]:
    file = folder / "haproxy.cfg"
    file.write_text(configuration)
    return [program, "-db", "-f", file]


def envoy(program: str, configuration: str, folder: Path) -> list[str | Path]:
    """Hot restart is off, as Envoys of one machine take each other for their predecessor otherwise."""
    file = folder / "envoy.yaml"
    file.write_text(configuration)
    return [program, "-c", file, "--disable-hot-restart", "--drain-time-s", "1", "-l", "warning"]


@dataclass(frozen=True)
class Kind:
    file: str
    command: Callable[[str, str, Path], list[str | Path]]
    installed_by: str


BALANCERS = {
    "nginx": Kind("nginx.conf", nginx, "scripts/setup.sh test installs it on Debian"),
    "haproxy": Kind("haproxy.cfg", haproxy, "scripts/setup.sh test installs it on Debian"),
    "envoy": Kind("envoy.yaml", envoy, "pip install -r tests/requirements.txt"),
}


@dataclass(frozen=True)
class Balancer:
    address: str
    process: subprocess.Popen[bytes]
    admin: int  # Envoy's port for those who look after it.

    def ask(self, path: str, method: str = "GET") -> str:
        """What Envoy answers to those who look after it."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.admin}{path}", method=method)
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return response.read().decode()

    def count(self, statistic: str) -> int:
        """A counter of Envoy's, by its full name."""
        return int(self.ask(f"/stats?filter=^{statistic}$").split()[-1])

    def peak_rss(self) -> int:
        """The most memory that was ever resident, in bytes."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+)", text, re.MULTILINE)[1]) * 1024


def with_ports(configuration: str, ports: dict[int, int]) -> str:
    """The configuration with other ports than those that are written there, each of which it has once."""
    for written, real in ports.items():
        configuration, changed = re.subn(rf"\b{written}\b", str(real), configuration)
        assert changed == 1, written
    return configuration


def program_of(name: str) -> str:
    """The program from the path or, as Envoy comes by pip, from this environment."""
    program = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if program is None:
        pytest.skip(f"{name} is not installed: {BALANCERS[name].installed_by}")
    return program


@contextmanager
def balancing(
    name: str, folder: Path, servers: list[Server], *, change: Change = lambda text: text
) -> Iterator[Balancer]:
    """A load balancer before two servers. `change` is what a user would change in the configuration."""
    program, kind = program_of(name), BALANCERS[name]
    port, admin = free_port(), free_port()
    ports = {8000: port, 8001: port_of(servers[0].address), 8003: port_of(servers[1].address)}
    if name == "haproxy":
        ports |= {8002: port_of(servers[0].admin), 8004: port_of(servers[1].admin)}
    if name == "envoy":
        https = [port_of(server.http) if server.http else free_port() for server in servers]
        ports |= {9901: admin, 8011: https[0], 8013: https[1]}
    configuration = change(with_ports((CONFIGURATIONS / kind.file).read_text(), ports))
    with (folder / "output").open("w+") as output:
        process = subprocess.Popen(kind.command(program, configuration, folder), stdout=output, stderr=output)
        try:
            assert becomes_true(lambda: listens(port) or process.poll() is not None)
            assert process.poll() is None, (folder / "output").read_text()
            yield Balancer(f"127.0.0.1:{port}", process, admin)
        finally:
            process.terminate()
            process.wait(TIMEOUT_S)


@contextmanager
def two_servers(*flags: str) -> Iterator[list[Server]]:
    """Where one of them leaves, it is the first."""
    common = (*ADMIN, *flags)
    with (
        Server("--max-message-bytes", f"{LIMITS[0]}B", *common) as one,
        Server("--max-message-bytes", f"{LIMITS[1]}B", *common) as other,
    ):
        yield [one, other]


BOTH, STAYING = set(LIMITS), {LIMITS[1]}


def who_answer(client: tensorferry.Client, calls: int = 20) -> set[int]:
    """The limits of the servers to which these calls go."""
    return {client.server_info().max_message_bytes for _ in range(calls)}


def replicas(*flags: str) -> Fleet:
    """Two servers that can be restarted."""
    return Fleet([("--max-message-bytes", f"{limit}B", *flags) for limit in LIMITS])


def restart_in_turn(running: Fleet, client: tensorferry.Client, *, kill: bool = False) -> None:
    """Restarts one after the other, and waits each time until calls of the client go to both."""
    for number in range(len(running.servers)):
        running.restart(number, kill=kill)
        assert becomes_true(lambda: who_answer(client) == BOTH)


@contextmanager
def callers(calls: list[Callable[[], object]]) -> Iterator[None]:
    """Each makes its call again and again until the block ends. None may fail, and each has to succeed in it."""
    stopped = threading.Event()

    def load(call: Callable[[], object]) -> int:
        count = 0
        while not stopped.is_set():
            call()
            count += 1
        return count

    with ThreadPoolExecutor(len(calls)) as pool:
        running: list[Future[int]] = [pool.submit(load, call) for call in calls]
        try:
            yield
        finally:
            stopped.set()
        assert all(caller.result(TIMEOUT_S) > 0 for caller in running)
