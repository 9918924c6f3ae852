"""What the tests of clients with sealed memory have in common."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorferry
from array_layouts import Array
from harness import TIMEOUT_S

each_client = pytest.mark.parametrize("kind", ["Client", "aio.Client"])
LARGE = np.random.default_rng(1).normal(size=(1000, 700)).astype(np.float32)  # 2.7 MiB: above all thresholds.


def use(kind: str, address: str, *calls: tuple[Any, ...], transport: str = "auto") -> list[Any]:
    """Makes calls of (method, arguments, …) with one client, one after the other; arguments may be functions of it."""

    def given(client: Any, arguments: tuple[Any, ...]) -> list[Any]:
        return [argument(client) if callable(argument) else argument for argument in arguments]

    if kind == "Client":
        with tensorferry.Client(address, timeout=TIMEOUT_S, transport=transport) as client:
            results = [getattr(client, method)(*given(client, arguments)) for method, *arguments in calls]
            return [list(result) if hasattr(result, "__next__") else result for result in results]

    async def main() -> list[Any]:
        async with tensorferry.aio.Client(address, timeout=TIMEOUT_S, transport=transport) as client:
            results = []
            for method, *arguments in calls:
                result = getattr(client, method)(*given(client, arguments))
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


def regions(pid: int) -> int:
    """The memfds of clients that a process has open."""
    links = [os.readlink(f"/proc/{pid}/fd/{entry}") for entry in os.listdir(f"/proc/{pid}/fd")]
    return sum(link.startswith("/memfd:tensorferry-array") for link in links)
