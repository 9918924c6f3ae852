"""Calls are repeated as often as the caller wants it, where and when the server says so; some wait for it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from both_clients import CLIENTS, TIMEOUT_S
from fake_server import serving
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2, status_pb2

import tensorferry
from tensorferry import TensorferryError, TransportError
from tensorferry.v1 import tensor_service_pb2 as pb

each_client = pytest.mark.parametrize("kind", CLIENTS)
ANSWER = pb.ConvertResponse(tensors=[pb.Tensor(metadata=pb.TensorMetadata(dtype="float64"))])
Trailers = tuple[tuple[str, "str | bytes"], ...]


def retry_info(seconds: float) -> Trailers:
    status = status_pb2.Status(code=8)
    status.details.add().Pack(error_details_pb2.ErrorInfo(domain="tensorferry", reason="QUEUE_FULL"))
    delay = duration_pb2.Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))
    status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return (("grpc-status-details-bin", status.SerializeToString()),)


class Busy(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Refuses the first `refusals` requests, then converts. `calls` counts them all."""

    def __init__(
        self,
        refusals: int,
        trailers: Trailers,
        code: grpc.StatusCode = grpc.StatusCode.RESOURCE_EXHAUSTED,
    ) -> None:
        self._refusals = refusals
        self._trailers = trailers
        self._code = code
        self.calls = 0

    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(self._convert)

    def _convert(self, request: bytes, context: Any) -> bytes:
        self.calls += 1
        if self.calls <= self._refusals:
            context.set_trailing_metadata(self._trailers)
            context.abort(self._code, "busy")
        return bytes(ANSWER.SerializeToString())


def convert(kind: str, address: str, array: Any, **settings: Any) -> Any:
    settings = {"timeout": TIMEOUT_S, "verify": False, **settings}
    if kind == "Client":
        with tensorferry.Client(address, **settings) as client:
            return client.convert(array, digest=False)

    async def main() -> Any:
        async with tensorferry.aio.Client(address, **settings) as client:
            return await client.convert(array, digest=False)

    return asyncio.run(main())


SOON = retry_info(0.01)
PUSHBACK: Trailers = (("grpc-retry-pushback-ms", "10"),)


@pytest.mark.parametrize(
    ("trailers", "refusals", "retries", "calls"),
    [
        (SOON, 2, 2, 3),
        (SOON, 2, 5, 3),
        (PUSHBACK, 1, 1, 2),
        (SOON, 0, 3, 1),
    ],
)
@each_client
def test_a_call_is_repeated(trailers: Trailers, refusals: int, retries: int, calls: int, kind: str) -> None:
    busy = Busy(refusals, trailers)
    with serving(busy) as address:
        assert convert(kind, address, 1.0, retries=retries).dtype == "float64"
    assert busy.calls == calls


@pytest.mark.parametrize(
    ("trailers", "retries", "calls", "retry_after"),
    [
        (SOON, 0, 1, 0.01),
        (SOON, 2, 3, 0.01),
        (PUSHBACK, 1, 2, 0.01),
        (retry_info(TIMEOUT_S * 2), 5, 1, TIMEOUT_S * 2),  # The call's time would be over.
        ((("grpc-retry-pushback-ms", "-1"),), 5, 1, None),
        ((("grpc-retry-pushback-ms", "soon"),), 5, 1, None),
        ((), 5, 1, None),
    ],
)
@each_client
def test_a_call_is_repeated_no_more(
    trailers: Trailers, retries: int, calls: int, retry_after: float | None, kind: str
) -> None:
    busy = Busy(100, (("x-other", "1"), *trailers), grpc.StatusCode.UNAVAILABLE)
    with serving(busy) as address, pytest.raises(TensorferryError) as caught:
        convert(kind, address, 1.0, retries=retries)
    assert (busy.calls, caught.value.retry_after) == (calls, retry_after)


@each_client
def test_a_call_waits_for_its_server(kind: str, tmp_path: Path) -> None:
    listen = f"unix:{tmp_path}/s"
    with pytest.raises(TransportError):
        convert(kind, listen, 1.0)
    with pytest.raises(tensorferry.DeadlineError):
        convert(kind, listen, 1.0, wait_for_ready=True, timeout=0.05)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(convert, kind, listen, 1.0, wait_for_ready=True)
        with serving(Busy(0, ()), listen):
            assert waiting.result(TIMEOUT_S).dtype == "float64"


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"retries": -1}, ValueError, "retries is a number of times, not -1"),
        ({"retries": 1.5}, TypeError, "retries is a number of times, not float 1.5"),
        ({"retries": True}, TypeError, "retries"),
        ({"wait_for_ready": "yes"}, TypeError, "wait_for_ready is True or False, not str 'yes'"),
    ],
)
def test_what_cannot_be_meant(settings: Any, error: type[Exception], text: str) -> None:
    for client in (tensorferry.Client, tensorferry.aio.Client):
        with pytest.raises(error, match=text):
            client("localhost:1", **settings)
