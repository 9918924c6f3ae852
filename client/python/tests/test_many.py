"""Many requests on one stream: what goes on while the caller does something else, and how they end early."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest
from both_clients import CLIENTS, TIMEOUT_S, call, raised
from fake_server import serving
from streaming_server import OK, Streaming

import tensorferry
from tensorferry.v1 import tensor_service_pb2 as pb

each_client = pytest.mark.parametrize("kind", CLIENTS)
LARGE = np.zeros((3, 1 << 19))  # 12 MiB, which travel in chunks.
SETTINGS: dict[str, Any] = {"timeout": TIMEOUT_S, "verify": False}


@pytest.mark.parametrize("digest", [False, True])
@pytest.mark.parametrize("array", [np.zeros(3), LARGE, LARGE[:, ::-1]], ids=["small", "large", "gathered"])
def test_what_was_taken_is_sent_while_the_next_one_is_made(array: Any, digest: bool) -> None:
    """A loader of data takes its time, and the server has the last batch meanwhile."""
    came = threading.Semaphore(0)

    def answer(number: int, context: Any) -> pb.ConvertResponse:
        came.release()
        return OK

    def arrays() -> Iterator[Any]:
        for _ in range(3):
            yield array
            assert came.acquire(timeout=TIMEOUT_S)

    with serving(Streaming(answer)) as address:
        receipts = call("Client", address, "convert_many", arrays(), digest=digest, client=SETTINGS)
    assert [receipt.dtype for receipt in receipts] == ["float64"] * 3


def waiting(number: int, context: Any) -> pb.ConvertResponse:
    """Answers the first request, and no other before the call ends."""
    if number > 1:
        ended = threading.Event()
        context.add_callback(ended.set)
        ended.wait(TIMEOUT_S)
    return OK


@each_client
def test_their_time_is_over(kind: str) -> None:
    with serving(Streaming(waiting)) as address:
        arrays = [LARGE, LARGE]
        error = raised(
            lambda: call(kind, address, "convert_many", arrays, digest=False, timeout=0.3, client=SETTINGS)
        )
    assert isinstance(error, tensorferry.DeadlineError)


@each_client
def test_a_stream_that_breaks_raises(kind: str) -> None:
    def answer(number: int, context: Any) -> pb.ConvertResponse:
        if number == 2:
            context.abort(grpc.StatusCode.UNAVAILABLE, "broken")
        return OK

    with serving(Streaming(answer)) as address:
        error = raised(
            lambda: call(kind, address, "convert_many", [np.zeros(2)] * 2, digest=False, client=SETTINGS)
        )
    assert isinstance(error, tensorferry.TransportError)
    assert error.message == "broken"


@each_client
def test_none(kind: str) -> None:
    with serving(Streaming()) as address:
        assert call(kind, address, "convert_many", [], client=SETTINGS) == []


def test_close_ends_them() -> None:
    reached = threading.Event()

    def answer(number: int, context: Any) -> pb.ConvertResponse:
        if number > 1:
            reached.set()
        return waiting(number, context)

    with serving(Streaming(answer)) as address, ThreadPoolExecutor(1) as pool:
        client = tensorferry.Client(address, **SETTINGS)
        under_way = pool.submit(lambda: list(client.convert_many([LARGE] * 2, digest=False)))
        assert reached.wait(TIMEOUT_S)
        client.close()
        assert isinstance(under_way.exception(TIMEOUT_S), tensorferry.TransportError)


def test_whoever_stops_reading_ends_the_stream() -> None:
    streaming = Streaming()
    with serving(streaming) as address, tensorferry.Client(address, **SETTINGS) as client:
        receipts = client.convert_many((LARGE for _ in range(1000)), digest=False)
        assert next(receipts).dtype == "float64"
        del receipts
        assert streaming.ended.acquire(timeout=TIMEOUT_S)
