"""Many requests on one stream whose server stops: with `retries=` they go on where another stream leads."""

from __future__ import annotations

import threading
from typing import Any

import grpc
import numpy as np
import pytest
from both_clients import CLIENTS, TIMEOUT_S, call, raised
from fake_server import serving
from streaming_server import OK, Streaming

from tensorferry import RefusedError, TransportError
from tensorferry.v1 import tensor_service_pb2 as pb

each_client = pytest.mark.parametrize("kind", CLIENTS)
COUNT = 100  # More than are on their way at a time.
LARGE = np.zeros((3, 1 << 19))  # 12 MiB, which travel in chunks.
DRAINING = pb.Error(code=14, reason="DRAINING", message="the server stops", retry_after_ms=10)


class Restarting(Streaming):
    """Each of its first `stops` streams answers so many requests, and is refused what follows."""

    def __init__(self, answered: int, stops: int, error: pb.Error = DRAINING) -> None:
        super().__init__(self._answer_or_refuse)
        self._answered = answered
        self._stops = stops
        self._error = error
        self._lock = threading.Lock()
        self._counts: dict[Any, int] = {}

    def _answer_or_refuse(self, number: int, context: Any) -> pb.ConvertResponse:
        with self._lock:
            count = self._counts[context] = self._counts.get(context, 0) + 1
            is_stopping = count > self._answered and self.contexts.index(context) < self._stops
        return self.refusal(context) if is_stopping else OK

    def refusal(self, context: Any) -> pb.ConvertResponse:
        return pb.ConvertResponse(error=self._error)


class Ending(Restarting):
    """Ends a stream where the other one refuses requests."""

    def refusal(self, context: Any) -> pb.ConvertResponse:
        context.set_trailing_metadata((("grpc-retry-pushback-ms", "10"),))
        context.abort(grpc.StatusCode.UNAVAILABLE, "the server stops")
        raise AssertionError


def convert_many(kind: str, address: str, arrays: Any, retries: int, **arguments: Any) -> Any:
    settings = {"timeout": TIMEOUT_S, "verify": False, "retries": retries}
    return call(kind, address, "convert_many", arrays, digest=False, client=settings, **arguments)


@pytest.mark.parametrize("array", [np.zeros(3), LARGE], ids=["small", "chunks"])
@pytest.mark.parametrize(
    ("kind", "server"),
    # Where a stream ends while grpc.aio writes to it, grpc.aio forgets the server's status.
    [("Client", Restarting), ("Client", Ending), ("aio.Client", Restarting)],
)
def test_each_is_answered(kind: str, server: type[Restarting], array: Any) -> None:
    """The number of tries is that of one request: a long stream outlives more restarts."""
    count = COUNT if array.size == 3 else 5
    restarting = server(answered=1, stops=4)
    with serving(restarting) as address:
        receipts = convert_many(kind, address, [array] * count, retries=1)
    assert [receipt.dtype for receipt in receipts] == ["float64"] * count
    assert restarting.streams == 5


@each_client
def test_each_is_sent_as_it_was_given_away(kind: str) -> None:
    """What goes in one message may change once it is given away, and is sent again as it was."""
    array = np.zeros(3)

    def arrays() -> Any:
        for number in range(COUNT):
            array[:] = number
            yield array

    restarting = Restarting(answered=40, stops=1)
    with serving(restarting) as address:
        assert len(convert_many(kind, address, arrays(), retries=1)) == COUNT
    again = [data for stream, data in zip(restarting.requests, restarting.inline) if stream == 1]
    assert [np.frombuffer(data)[0] for data in again] == [*range(40, COUNT)]


@pytest.mark.parametrize(("retries", "stops"), [(0, 1), (2, 3)])
@each_client
def test_each_is_refused_in_the_end(kind: str, retries: int, stops: int) -> None:
    restarting = Restarting(answered=0, stops=stops)
    with serving(restarting) as address:
        error = raised(lambda: convert_many(kind, address, [np.zeros(3)] * COUNT, retries))
    assert isinstance(error, RefusedError)
    assert (error.reason, restarting.streams) == ("DRAINING", stops)


@each_client
def test_errors_that_are_returned_are_those_of_the_last_try(kind: str) -> None:
    with serving(Restarting(answered=1, stops=1)) as address:
        outcomes = convert_many(kind, address, [np.zeros(3)] * 3, 0, on_error="return")
    assert [isinstance(outcome, RefusedError) for outcome in outcomes] == [False, True, True]


@each_client
def test_what_others_wait_behind_is_not_repeated(kind: str) -> None:
    """A server that is full will answer those behind: only one that stops refuses all of them."""
    full = pb.Error(code=8, reason="QUEUE_FULL", message="full", retry_after_ms=10)
    restarting = Restarting(answered=1, stops=1, error=full)
    with serving(restarting) as address:
        error = raised(lambda: convert_many(kind, address, [np.zeros(3)] * 3, retries=5))
    assert isinstance(error, RefusedError)
    assert (error.reason, restarting.streams) == ("QUEUE_FULL", 1)


def test_a_stream_that_ends_without_a_word_of_another_try() -> None:
    class Broken(Restarting):
        def refusal(self, context: Any) -> pb.ConvertResponse:
            context.abort(grpc.StatusCode.UNAVAILABLE, "broken")
            raise AssertionError

    broken = Broken(answered=1, stops=1)
    with serving(broken) as address:
        error = raised(lambda: convert_many("Client", address, [np.zeros(3)] * 3, retries=5))
    assert isinstance(error, TransportError)
    assert broken.streams == 1
