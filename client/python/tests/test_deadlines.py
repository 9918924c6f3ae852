"""What a server is told of a call's deadline: for a stream that other calls will have, nothing."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from both_clients import CLIENTS, TIMEOUT_S, call
from fake_server import serving
from streaming_server import OK, Streaming

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
