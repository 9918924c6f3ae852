"""What the tests of clients with sealed memory have in common."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tensorferry
from array_layouts import Array
from harness import TIMEOUT_S
from side_peer import attempts

each_client = pytest.mark.parametrize("kind", ["Client", "aio.Client"])
LARGE = np.random.default_rng(1).normal(size=(1000, 700)).astype(np.float32)  # 2.7 MiB: above all thresholds.


Call = tuple[Any, ...] | Callable[[Any], Any]


def use(kind: str, address: str, *calls: Call, transport: str = "auto") -> list[Any]:
    """Makes calls with one client, one after the other: (method, arguments, …), whose arguments may be functions of the
    client, or a function of it. Of iterators it returns the items."""

    def begun(client: Any, call: Call) -> Any:
        if callable(call):
            return call(client)
        method, *arguments = call
        given = [argument(client) if callable(argument) else argument for argument in arguments]
        return getattr(client, method)(*given)

    if kind == "Client":
        with tensorferry.Client(address, timeout=TIMEOUT_S, transport=transport) as client:
            results = [begun(client, call) for call in calls]
            return [list(result) if hasattr(result, "__next__") else result for result in results]

    async def main() -> list[Any]:
        async with tensorferry.aio.Client(address, timeout=TIMEOUT_S, transport=transport) as client:
            results = []
            for call in calls:
                result = begun(client, call)
                is_many = hasattr(result, "__anext__")
                results.append([item async for item in result] if is_many else await result)
            return results

    return asyncio.run(main())


def filled(source: Array) -> Callable[[Any], Array]:
    """Returns what gives a client's own array of the same elements."""

    def make(client: Any) -> Array:
        array = client.empty(source.shape, source.dtype)
        array[...] = source
        return array

    return make


@dataclass
class Attack:
    refused: int = 0  # Attempts to change what was sealed.


@contextmanager
def attacking() -> Iterator[Attack]:
    """Has another thread try to change all memory that clients of this process have sealed."""
    files = [os.open(f"/proc/self/fd/{file}", os.O_RDWR) for file in _memfds(os.getpid())]
    attack, ended = Attack(), threading.Event()

    def run() -> None:
        while not ended.is_set():
            for attempt in [attempt for file in files for attempt in attempts(file)]:
                try:
                    attempt()
                except OSError:
                    attack.refused += 1

    attacker = threading.Thread(target=run)
    attacker.start()
    try:
        yield attack
    finally:
        ended.set()
        attacker.join()
        for file in files:
            os.close(file)


def regions(pid: int) -> int:
    """The memfds of clients that a process has open."""
    return len(_memfds(pid))


def _memfds(pid: int) -> list[int]:
    files = []
    for entry in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):  # It was closed meanwhile.
            if os.readlink(f"/proc/{pid}/fd/{entry}").startswith("/memfd:tensorferry-array"):
                files.append(int(entry))
    return files
