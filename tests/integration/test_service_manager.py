"""What the server tells systemd: the datagrams that sd_notify(3) documents, on a socket of the test's."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import TIMEOUT_S, Server


class Manager:
    """The service manager's end: a datagram socket, under a path or in the abstract namespace."""

    def __init__(self, name: str) -> None:
        self.variables = {"NOTIFY_SOCKET": name}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(name.replace("@", "\0", 1))
        self._socket.settimeout(TIMEOUT_S)

    def receive(self) -> str:
        return self._socket.recv(4096).decode()

    def next(self) -> dict[str, str]:
        """The assignments of the next datagram that is not the watchdog's."""
        while (text := self.receive()) == "WATCHDOG=1":
            pass
        return dict(line.split("=", 1) for line in text.splitlines())

    def next_sign_of_life(self) -> None:
        while self.receive() != "WATCHDOG=1":
            pass

    def close(self) -> None:
        self._socket.close()


@contextmanager
def manager_at(name: str) -> Iterator[Manager]:
    manager = Manager(name)
    try:
        yield manager
    finally:
        manager.close()


@pytest.mark.parametrize("abstract", [False, True])
def test_it_is_told_of_the_start_and_the_end(tmp_path: Path, abstract: bool) -> None:
    name = f"@{tmp_path.name}-{time.monotonic_ns()}" if abstract else f"{tmp_path}/notify"
    with manager_at(name) as manager, Server(environment=manager.variables) as server:
        assert manager.next() == {"STATUS": "loading models"}
        assert manager.next() == {"READY": "1", "STATUS": "serving"}
        server.terminate()
        assert manager.next() == {"STOPPING": "1", "STATUS": "finishing the requests in progress"}
        assert server.wait() == 0


def test_it_is_told_of_a_reload(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("infer a\n")
    with (
        manager_at(f"{tmp_path}/notify") as manager,
        Server("--auth-token-file", str(tokens), environment=manager.variables) as server,
    ):
        assert manager.next() == {"STATUS": "loading models"}
        assert manager.next()["READY"] == "1"
        before = time.monotonic_ns() // 1000
        server.terminate(signal.SIGHUP)
        reloading = manager.next()
        assert reloading["RELOADING"] == "1"
        assert before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        assert manager.next() == {"READY": "1"}
        assert server.stop() == 0


def test_it_sees_signs_of_life(tmp_path: Path) -> None:
    variables = {"WATCHDOG_USEC": "100000"}
    with (
        manager_at(f"{tmp_path}/notify") as manager,
        Server(environment={**manager.variables, **variables}) as server,
    ):
        for _ in range(3):
            manager.next_sign_of_life()
        assert server.stop() == 0


def test_signs_of_life_are_for_the_process_that_is_asked(tmp_path: Path) -> None:
    variables = {"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}
    with (
        manager_at(f"{tmp_path}/notify") as manager,
        Server(environment={**manager.variables, **variables}) as server,
    ):
        assert server.stop() == 0
        told = [manager.receive().partition("\n")[0] for _ in range(3)]
        assert told == ["STATUS=loading models", "READY=1", "STOPPING=1"]


def test_nobody_needs_to_listen(tmp_path: Path) -> None:
    with Server(environment={"NOTIFY_SOCKET": f"{tmp_path}/nobody"}) as server:
        assert server.stop() == 0


def test_another_kind_of_address_is_a_warning() -> None:
    with Server(environment={"NOTIFY_SOCKET": "vsock:2:1234"}) as server:
        assert "NOTIFY_SOCKET is neither an absolute path nor" in server.log()
        assert server.stop() == 0
