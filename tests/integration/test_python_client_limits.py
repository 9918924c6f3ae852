"""Clients that outlive their server: the next one at the same address may have other limits on messages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tensorferry
from array_layouts import Array, check_elements, check_receipt, expect, random_array
from harness import MIB, TIMEOUT_S, Server, becomes_true

# These sizes in bytes fit any message; fill a message of 1 MiB; travel inline within 4 MiB; are chunked in any case.
SIZES = {"small": 64, "brim": MIB - 200, "inline": 3 * MIB, "chunked": 9 * MIB}


def check(outcomes: dict[str, Any], array: Array) -> None:
    check_receipt(outcomes["convert"], array)
    for receipt in outcomes["convert_many"]:
        check_receipt(receipt, array)
    check_elements(outcomes["infer"]["x"], expect(array))


def use(client: tensorferry.Client, array: Array, first: str) -> dict[str, Any]:
    """Calls every method, `first` before the others."""
    calls: dict[str, Callable[[], Any]] = {
        "convert": lambda: client.convert(array, return_data=True),
        "convert_many": lambda: list(client.convert_many([array] * 3, return_data=True)),
        "infer": lambda: client.infer("identity", {"x": array}),
    }
    return {name: calls[name]() for name in sorted(calls, key=lambda name: name != first)}


async def use_async(client: tensorferry.aio.Client, array: Array, first: str) -> dict[str, Any]:
    async def many() -> list[tensorferry.Receipt]:
        return [receipt async for receipt in client.convert_many([array] * 3, return_data=True)]

    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "convert": lambda: client.convert(array, return_data=True),
        "convert_many": many,
        "infer": lambda: client.infer("identity", {"x": array}),
    }
    return {name: await calls[name]() for name in sorted(calls, key=lambda name: name != first)}


def with_server(address: str, limit: str) -> Server:
    return Server("--listen", address, "--max-message-bytes", limit)


def reaches(call: Callable[[], Any]) -> bool:
    """Whether the server is there again for a client that may still wait before it connects anew."""
    try:
        call()
    except tensorferry.TransportError:
        return False
    return True


async def reaches_async(call: Callable[[], Awaitable[Any]]) -> bool:
    try:
        await call()
    except tensorferry.TransportError:
        return False
    return True


@pytest.mark.parametrize(
    ("before", "after", "size", "first"),
    [("64MiB", "1MiB", size, first) for size in SIZES for first in ("convert", "convert_many", "infer")]
    + [("1MiB", "64MiB", size, "convert") for size in SIZES],
)
def test_the_next_servers_limits(before: str, after: str, size: str, first: str, tmp_path: Path) -> None:
    """The first call that sends arrays to it succeeds."""
    address, array = f"unix:{tmp_path}/s", random_array("uint8", (SIZES[size],))
    with tensorferry.Client(address, timeout=TIMEOUT_S) as client:
        with with_server(address, before) as server:
            check(use(client, array, first), array)
            assert server.stop() == 0
        with with_server(address, after):
            assert becomes_true(lambda: reaches(client.models))
            check(use(client, array, first), array)


@pytest.mark.parametrize(
    ("size", "first"),
    [(size, "convert") for size in SIZES] + [("inline", "convert_many"), ("chunked", "infer")],
)
def test_the_next_servers_limits_with_asyncio(size: str, first: str, tmp_path: Path) -> None:
    address, array = f"unix:{tmp_path}/s", random_array("uint8", (SIZES[size],))

    async def main() -> None:
        async with tensorferry.aio.Client(address, timeout=TIMEOUT_S) as client:
            with with_server(address, "64MiB") as server:
                check(await use_async(client, array, first), array)
                assert await asyncio.to_thread(server.stop) == 0
            with with_server(address, "1MiB"):
                async with asyncio.timeout(TIMEOUT_S):
                    while not await reaches_async(client.models):
                        await asyncio.sleep(0.1)  # gRPC waits before it connects anew, and tells nobody.
                check(await use_async(client, array, first), array)

    asyncio.run(main())


def test_a_message_that_no_limit_explains_is_refused_as_before(tmp_path: Path) -> None:
    """A server that refuses what its own limits allow, here by those on one array, is asked once more only."""
    with (
        Server("--max-tensor-bytes", "1MiB") as server,
        tensorferry.Client(server.address, timeout=TIMEOUT_S) as client,
    ):
        for array in (np.zeros(3 * MIB, np.uint8), np.zeros(9 * MIB, np.uint8)):
            for _ in range(2):
                with pytest.raises(tensorferry.RefusedError) as caught:
                    client.convert(array)
                assert caught.value.reason == "TENSOR_TOO_LARGE"


def test_small_arrays_are_sent_again_as_they_were(tmp_path: Path) -> None:
    """Arrays below 4 MiB may change once they are given away, also where they have to be sent twice."""
    address = f"unix:{tmp_path}/s"
    buffer = np.zeros(3 * MIB, np.uint8)

    def refilled() -> Any:
        for value in range(3):
            buffer[:] = value
            yield buffer

    with tensorferry.Client(address, timeout=TIMEOUT_S) as client:
        with with_server(address, "64MiB") as server:
            client.convert(buffer)
            assert server.stop() == 0
        with with_server(address, "1MiB"):
            assert becomes_true(lambda: reaches(client.models))
            for value, receipt in enumerate(client.convert_many(refilled(), return_data=True)):
                check_receipt(receipt, np.full(3 * MIB, value, np.uint8))
