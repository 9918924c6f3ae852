from __future__ import annotations

import grpc
import pytest
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2, status_pb2

from tensorferry import Client, DeadlineError, RefusedError, TensorferryError, TransportError
from tensorferry._errors import from_response_error, from_rpc_error
from tensorferry.v1 import tensor_service_pb2 as pb


class FakeRpcError(grpc.RpcError):  # type: ignore[misc]
    def __init__(
        self, code: grpc.StatusCode, trailers: tuple[tuple[str, str | bytes], ...] | None = ()
    ) -> None:
        self._code, self._trailers = code, trailers

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "array 'x': float32 with shape [2] needs 8 bytes, got 7"

    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...] | None:
        return self._trailers


def refusal(code: grpc.StatusCode, info: error_details_pb2.ErrorInfo, retry_ms: int = 0) -> FakeRpcError:
    status = status_pb2.Status(code=code.value[0])
    status.details.add().Pack(info)
    if retry_ms:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(retry_ms)
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return FakeRpcError(code, (("x-other", "1"), ("grpc-status-details-bin", status.SerializeToString())))


def test_status_with_details() -> None:
    info = error_details_pb2.ErrorInfo(domain="tensorferry", reason="MEMORY_BUDGET", metadata={"limit": "8"})
    error = from_rpc_error(refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, info, retry_ms=1250))
    assert isinstance(error, RefusedError)
    assert error.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (error.reason, error.metadata, error.retry_after) == ("MEMORY_BUDGET", {"limit": "8"}, 1.25)
    assert str(error) == "MEMORY_BUDGET: array 'x': float32 with shape [2] needs 8 bytes, got 7"


def test_reason_of_another_domain_is_not_ours() -> None:
    info = error_details_pb2.ErrorInfo(domain="example.com", reason="QUOTA", metadata={"limit": "8"})
    error = from_rpc_error(refusal(grpc.StatusCode.PERMISSION_DENIED, info))
    assert (type(error), error.reason, error.metadata, error.retry_after) == (RefusedError, "", {}, None)


@pytest.mark.parametrize("trailers", [None, (), (("grpc-status-details-bin", b"\xff"),)])
@pytest.mark.parametrize(
    ("code", "kind", "builtin"),
    [
        (grpc.StatusCode.UNAVAILABLE, TransportError, ConnectionError),
        (grpc.StatusCode.CANCELLED, TransportError, ConnectionError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineError, TimeoutError),
        (grpc.StatusCode.UNIMPLEMENTED, RefusedError, Exception),
    ],
)
def test_status_without_details(
    code: grpc.StatusCode,
    kind: type[TensorferryError],
    builtin: type[Exception],
    trailers: tuple[tuple[str, str | bytes], ...] | None,
) -> None:
    with pytest.raises(builtin) as caught, Client("unix:/absent") as client, client._translated:
        raise FakeRpcError(code, trailers)
    assert type(caught.value) is kind
    assert isinstance(caught.value.__cause__, FakeRpcError)


class UnsentMessageError(FakeRpcError):
    """What grpc.aio raises where the connection ends before a message is sent."""

    def details(self) -> str:
        return "Internal error from Core"


def test_a_message_that_cannot_be_sent_is_a_broken_connection() -> None:
    error = from_rpc_error(UnsentMessageError(grpc.StatusCode.INTERNAL))
    assert (type(error), error.code) == (TransportError, grpc.StatusCode.UNAVAILABLE)
    assert "connection" in str(error)


def test_refusal_of_a_server_that_drains_is_no_broken_connection() -> None:
    info = error_details_pb2.ErrorInfo(domain="tensorferry", reason="DRAINING")
    assert type(from_rpc_error(refusal(grpc.StatusCode.UNAVAILABLE, info))) is RefusedError


def test_error_on_a_stream() -> None:
    error = from_response_error(
        pb.Error(code=3, reason="BAD_SHAPE", message="no", metadata={"field": "shape"}, retry_after_ms=250)
    )
    assert (type(error), error.code) == (RefusedError, grpc.StatusCode.INVALID_ARGUMENT)
    assert (error.reason, error.message, error.metadata) == ("BAD_SHAPE", "no", {"field": "shape"})
    assert error.retry_after == 0.25


def test_error_on_a_stream_with_an_unknown_code_and_no_retry() -> None:
    error = from_response_error(pb.Error(code=99, reason="NEW", message="no"))
    assert (type(error), error.code, error.retry_after) == (RefusedError, grpc.StatusCode.UNKNOWN, None)
