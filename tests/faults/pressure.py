"""Loads: what they are, and the process from which one presses on a server while the probe measures."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import grpc

from harness import TIMEOUT_S, connect
from wire import refusal_of_call

LOST = "no answer"
FAILED = "the load's process failed"


def status_of(call: Any) -> str:
    """What became of a call: OK, or the code's name, with the reason if there is one."""
    error = call.exception()
    if error is None:
        return "OK"
    refusal = refusal_of_call(error)
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED and not refusal.reason:
        return LOST
    return f"{error.code().name} {refusal.reason}".strip()


class Pressure:
    """Where the server is, how long to press, and what became of the calls."""

    def __init__(self, address: str, stopped: Any) -> None:
        self.address = address
        self._stopped = stopped
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()

    def goes_on(self) -> bool:
        return not self._stopped.is_set()

    def wait(self, seconds: float) -> None:
        """Waits for that long, or for the end."""
        self._stopped.wait(seconds)

    def count(self, status: str) -> None:
        with self._lock:
            self.counts[status] += 1

    def repeat(self, step: Callable[[grpc.Channel], None], callers: int) -> None:
        """Runs `step` again and again until the end, on a thread and a connection for each caller."""

        def run() -> None:
            with connect(self.address) as channel:
                while self.goes_on():
                    step(channel)

        threads = [threading.Thread(target=run) for _ in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def call(self, channel: grpc.Channel, method: str, message: bytes) -> None:
        """Calls, waits for the end, and counts it."""
        self.count(status_of(_ended(channel.unary_unary(method).future(message, timeout=TIMEOUT_S))))


def _ended(call: Any) -> Any:
    call.exception()
    return call


@dataclass(frozen=True)
class Load:
    """A hostile load. `press` applies it until the end; a process may call it, so it belongs to a module."""

    name: str
    press: Callable[[Pressure], None]
    flags: tuple[str, ...] = ()
    put_models: Callable[[Path], None] | None = None  # Fills the server's model repository.


CONTEXT = get_context("forkserver")  # Its processes start at once: the server of forks has imported what they need.


def _press(press: Callable[[Pressure], None], address: str, stopped: Any, orders: Any) -> None:
    os.nice(5)  # The server and the probe come first: what the load costs the server is measured, not its own work.
    orders.send("ready")
    while orders.recv():
        pressure = Pressure(address, stopped)
        press(pressure)
        orders.send(pressure.counts)


class Pressing:
    """A process that presses on a server between `begin` and `end`, any number of times."""

    def __init__(self, load: Load, address: str) -> None:
        self._stopped = CONTEXT.Event()
        self._orders, orders = CONTEXT.Pipe()
        self._process = CONTEXT.Process(target=_press, args=(load.press, address, self._stopped, orders))
        self._process.start()
        orders.close()
        assert self._orders.recv() == "ready"

    def __enter__(self) -> Pressing:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    def begin(self) -> None:
        self._stopped.clear()
        self._orders.send(True)

    def end(self) -> Counter[str]:
        """What became of the load's calls."""
        self._stopped.set()
        try:
            return self._orders.recv() if self._orders.poll(2 * TIMEOUT_S) else Counter({LOST: 1})
        except EOFError:
            return Counter({FAILED: 1})
