"""What a server is told of a call's deadline: for a stream that other calls will have, nothing."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from both_clients import CLIENTS, TIMEOUT_S, call, raised
from fake_server import serving
from streaming_server import OK, Streaming

import tensorferry
from tensorferry import _calls, _many
from tensorferry.v1 import tensor_service_pb2 as pb

each_client = pytest.mark.parametrize("kind", CLIENTS)
LARGE = np.zeros(5 << 17)  # 5 MiB, which travel in chunks.
FOREVER_S = 1e6  # gRPC has a number for deadlines that never come, too.
LONGER = 1.05  # gRPC sends a time as one that it has sent before, where that is up to 3 % longer.
SMALL = pb.GetServerInfoResponse(max_message_bytes=1 << 20, recommended_chunk_bytes=1 << 18)


def told(streaming: Streaming, left: list[float]) -> Streaming:
    """Has the server note the seconds that each request has left."""

    def answer(number: int, context: Any) -> pb.ConvertResponse:
        left.append(context.time_remaining())
        return OK

    streaming.answer = answer
    return streaming


@each_client
def test_of_a_kept_stream_none_although_the_client_has_a_timeout(kind: str) -> None:
    left: list[float] = []
    with serving(told(Streaming(), left)) as address:
        call(kind, address, "convert", LARGE, digest=False, client={"verify": False})
    assert left[0] > FOREVER_S


@each_client
@pytest.mark.parametrize("timeout", [None, 5.0], ids=["the client's", "its own"])
def test_of_many_on_one_stream(timeout: float | None, kind: str) -> None:
    left: list[float] = []
    with serving(told(Streaming(), left)) as address:
        arrays = [np.ones(2)] * 3
        call(kind, address, "convert_many", arrays, timeout=timeout, digest=False, client={"verify": False})
    assert len(left) == 3
    most = (TIMEOUT_S if timeout is None else timeout) * LONGER
    assert all(0 < seconds <= most for seconds in left)


class _Small(Streaming):
    """Says that it takes small messages."""

    def service(self, details: Any) -> Any:
        if details.method.endswith("/GetServerInfo"):
            return grpc.unary_unary_rpc_method_handler(lambda request, context: SMALL.SerializeToString())
        return super().service(details)


def ticking() -> Iterator[float]:
    """A clock that is a hundred seconds older whenever somebody looks at it."""
    return itertools.count(time.monotonic(), 100.0)


@each_client
def test_a_stream_in_the_place_of_another_has_what_that_one_left(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[float] = []

    def answer(number: int, context: Any) -> pb.ConvertResponse:
        left.append(context.time_remaining())
        if number == 1:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "the message is too large")
        return OK

    clock = SimpleNamespace(monotonic=ticking().__next__)
    for module in (_calls, _many):
        monkeypatch.setattr(module, "time", clock)
    with serving(_Small(answer)) as address:
        call(kind, address, "convert_many", [LARGE], timeout=1000, digest=False, client={"verify": False})
    assert left[1] * LONGER < left[0]


class _Noting(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers every call with an empty message, and notes its method."""

    def __init__(self) -> None:
        self.methods: list[str] = []

    def service(self, details: Any) -> Any:
        self.methods.append(details.method)
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")


def errors(kind: str, address: str, make: Callable[[Any], Any], calls: int) -> list[BaseException | None]:
    """Returns what such calls of a client raise that is connected already."""
    if kind == "Client":
        with tensorferry.Client(address, timeout=TIMEOUT_S) as client:
            client.models()
            return [raised(lambda: collected(make(client))) for _ in range(calls)]

    async def main() -> list[BaseException | None]:
        async with tensorferry.aio.Client(address, timeout=TIMEOUT_S) as client:
            await client.models()
            return [await raised_async(make(client)) for _ in range(calls)]

    return asyncio.run(main())


def collected(result: Any) -> Any:
    return list(result) if hasattr(result, "__next__") else result


async def raised_async(result: Any) -> BaseException | None:
    try:
        [item async for item in result] if hasattr(result, "__anext__") else await result
    except BaseException as error:
        return error
    return None


@each_client
@pytest.mark.parametrize("timeout", [0, -1])
@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("convert", (np.ones(2),)),
        ("convert", (LARGE,)),
        ("convert_many", ([np.ones(2)],)),
        ("infer", ("m", {"x": np.ones(2)})),
        ("infer_many", ([("m", {"x": np.ones(2)})],)),
        ("server_info", ()),
        ("models", ()),
        ("health", ()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_of_a_call_that_has_no_time_nothing_is_sent(
    method: str, arguments: tuple[Any, ...], timeout: float, kind: str
) -> None:
    """gRPC alone lets some of them through: whether the answer or its clock is first, is chance."""
    noting = _Noting()
    with serving(noting) as address:
        ends = errors(kind, address, lambda client: getattr(client, method)(*arguments, timeout=timeout), 50)
    assert [type(end) for end in ends] == [tensorferry.DeadlineError] * 50
    assert len(noting.methods) == 1, "that which connected"
