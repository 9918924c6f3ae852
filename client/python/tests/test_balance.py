"""Several servers at one address: who is asked, and which addresses are of several."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from both_clients import CLIENTS, TIMEOUT_S
from fake_server import serving
from google.protobuf import wrappers_pb2
from streaming_server import OK

import tensorferry

SERVING, NOT_SERVING = 1, 2
each_client = pytest.mark.parametrize("kind", CLIENTS)


class Watched(grpc.GenericRpcHandler):  # type: ignore[misc]
    """A server that says something of its health, and counts its calls."""

    def __init__(self, health: int) -> None:
        self._health = health
        self.asked: list[str] = []
        self.calls = 0

    def service(self, details: Any) -> Any:
        if details.method == "/grpc.health.v1.Health/Watch":
            return grpc.unary_stream_rpc_method_handler(self._watch)
        return grpc.unary_unary_rpc_method_handler(self._convert)

    def _watch(self, request: bytes, context: Any) -> Iterator[bytes]:
        self.asked.append(wrappers_pb2.StringValue.FromString(request).value)
        ended = threading.Event()
        context.add_callback(ended.set)
        yield wrappers_pb2.Int32Value(value=self._health).SerializeToString()
        ended.wait(TIMEOUT_S)

    def _convert(self, request: bytes, context: Any) -> bytes:
        self.calls += 1
        return bytes(OK.SerializeToString())


def convert(kind: str, address: str, count: int, **settings: Any) -> None:
    settings = {"timeout": TIMEOUT_S, "verify": False, **settings}
    if kind == "Client":
        with tensorferry.Client(address, **settings) as client:
            for _ in range(count):
                client.convert(np.zeros(1), digest=False)
        return

    async def main() -> None:
        async with tensorferry.aio.Client(address, **settings) as client:
            for _ in range(count):
                await client.convert(np.zeros(1), digest=False)

    asyncio.run(main())


@each_client
def test_a_server_that_says_it_does_not_serve_is_left_out(kind: str) -> None:
    healthy, ill = Watched(SERVING), Watched(NOT_SERVING)
    with serving(healthy) as first, serving(ill) as second:
        convert(kind, f"ipv4:{second},{first}", 20)
    assert (healthy.calls, ill.calls) == (20, 0)
    assert set(healthy.asked + ill.asked) == {"tensorferry.v1.TensorService"}


@pytest.mark.parametrize(
    ("prefix", "settings", "asks"),
    [
        ("", {}, False),
        ("ipv4:", {}, False),
        ("dns:///", {}, False),
        ("dns:///", {"balance": True}, True),
        ("", {"balance": True}, True),
        ("ipv4:", {"balance": True}, True),
        ("ipv4:", {"balance": False}, False),
    ],
)
def test_one_address_is_balanced_where_it_is_asked_for(
    prefix: str, settings: dict[str, Any], asks: bool
) -> None:
    watched = Watched(SERVING)
    with serving(watched) as address:
        convert("Client", prefix + address, 1, **settings)
    assert bool(watched.asked) == asks


@pytest.mark.parametrize("kind", [tensorferry.Client, tensorferry.aio.Client])
def test_what_cannot_be_meant(kind: Any) -> None:
    with pytest.raises(TypeError, match="balance is True or False, not str 'yes'"):
        kind("ipv4:127.0.0.1:1,127.0.0.1:2", balance="yes")
    with pytest.raises(ValueError, match="balance: 'unix:/s' is the address of one server"):
        kind("unix:/s", balance=True)
