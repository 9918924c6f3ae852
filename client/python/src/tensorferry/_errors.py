"""What can go wrong, as exceptions, and how the wire spells it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from tensorferry._portable import PortableError
from tensorferry.v1 import tensor_service_pb2 as pb

if TYPE_CHECKING:
    from tensorferry._receipt import Receipt

_DOMAIN = "tensorferry"
_PUSHBACK = "grpc-retry-pushback-ms"
# grpc.aio says so, with INTERNAL, when a message cannot be sent any more; the server's own words are lost.
_UNSENT = "Internal error from Core"
_UNSENT_MESSAGE = "the connection was lost while a message was sent"
_NAMELESS = re.compile(r"array ''|^(?:array \d+|the array)(?=: )")
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_UNREADABLE = (
    "Exception deserializing response!"  # grpc's words, with INTERNAL, for bytes that are no message.
)
_TRANSPORT_CODES = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
}


class TensorferryError(PortableError):
    """Base of all errors of this package. They pickle and copy, so that pools of processes can pass them on.

    Attributes:
        code: The gRPC status code.
        reason: Why, in UPPER_SNAKE_CASE, from the server's closed list; "" where nobody gave one.
        message: For people.
        metadata: `array`, `index` (of convert_many), `field`, `expected`, `actual`, `limit`, as they apply.
        retry_after: Seconds after which the same request may succeed. None: do not retry it unchanged.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        *,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{reason or code.name}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})
        self.retry_after = retry_after


class RefusedError(TensorferryError):
    """The server refused the request, or failed on it, and said why."""


class ArrayError(RefusedError, ValueError):
    """This client cannot send the array as it is, and says what can be sent. The server never saw it."""


class TransportError(TensorferryError, ConnectionError):
    """The server cannot be reached, or the connection broke."""


class DeadlineError(TensorferryError, TimeoutError):
    """The timeout passed before the answer was there."""


class ProtocolError(TensorferryError):
    """The server's answer makes no sense to this client."""

    def __init__(self, message: str) -> None:
        super().__init__(grpc.StatusCode.INTERNAL, message, reason="PROTOCOL")


class VerificationError(TensorferryError):
    """What the server holds, or sent back, is not what was sent. `receipt` is what it stated."""

    def __init__(self, what: str, expected: object, actual: object, receipt: Receipt) -> None:
        super().__init__(
            grpc.StatusCode.DATA_LOSS,
            f"{Label(receipt.name)}: {what} expected {expected}, got {actual}",
            reason=f"{what.upper()}_NOT_EQUAL",
            metadata={"array": receipt.name, "field": what, "expected": str(expected), "actual": str(actual)},
        )
        self.receipt = receipt


def from_response_error(error: pb.Error) -> TensorferryError:
    """Translates the error that answers one request on a stream."""
    retry_after = error.retry_after_ms / 1000 if error.retry_after_ms else None
    code = _CODES.get(error.code, grpc.StatusCode.UNKNOWN)
    return _make(code, error.message, error.reason, error.metadata, retry_after)


def from_rpc_error(error: grpc.RpcError) -> TensorferryError:
    """Translates the status that a call ended with, and its `grpc-status-details-bin`."""
    info = error_details_pb2.ErrorInfo()
    retry = error_details_pb2.RetryInfo()
    with suppress(DecodeError):  # Details that do not parse are as good as none.
        for detail in _details(error):
            detail.Unpack(info) or detail.Unpack(retry)
    if info.domain != _DOMAIN:
        info.Clear()
    delay = retry.retry_delay
    retry_after = delay.seconds + delay.nanos / 1e9 if retry.HasField("retry_delay") else _pushback(error)
    code, message = _status(error)
    if code is grpc.StatusCode.INTERNAL and message == _UNREADABLE:
        return unreadable()
    if code is grpc.StatusCode.INTERNAL and message == _UNSENT:
        code, message = grpc.StatusCode.UNAVAILABLE, _UNSENT_MESSAGE
    return _make(code, message, info.reason, info.metadata, retry_after)


def is_outgrown(error: TensorferryError) -> bool:
    """Whether a message may have been larger than the server takes or sends, whose limits were others once.

    gRPC says so of requests, without a reason, and grpc.aio not even that; the server says it of responses.
    """
    is_exhausted = error.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    by_grpc = is_exhausted and not error.reason and error.retry_after is None
    return by_grpc or error.reason == "TENSOR_TOO_LARGE" or error.message == _UNSENT_MESSAGE


def needs_stream(error: TensorferryError) -> bool:
    """Whether the server made an answer that one message cannot hold, and names the call that can."""
    return error.reason == "TENSOR_TOO_LARGE" and "ConvertStream" in error.message


@dataclass
class Label:
    """Which of the caller's arrays an error speaks of: by its name, else by its index among others."""

    name: str = ""
    index: int | None = None

    def __str__(self) -> str:
        if self.name:
            return f"array '{self.name}'"
        return "the array" if self.index is None else f"array {self.index}"


def array_error(label: Label, problem: str, reason: str, **metadata: str) -> ArrayError:
    """Returns the error of an array that this client refuses."""
    if label.name:
        metadata["array"] = label.name
    if label.index is not None:
        metadata["index"] = str(label.index)
    message = f"{label}: {problem}"
    return ArrayError(grpc.StatusCode.INVALID_ARGUMENT, message, reason=reason, metadata=metadata)


def about(error: TensorferryError, label: Label) -> TensorferryError:
    """Says which array the error speaks of, where it has no name and the server knows it as one of one."""
    if not label.name:
        error.message = _NAMELESS.sub(str(label), error.message)
        error.args = (f"{error.reason or error.code.name}: {error.message}",)
        if label.index is not None:
            error.metadata["index"] = str(label.index)
    return error


def unreadable() -> ProtocolError:
    return ProtocolError("the answer is not a message of this service")


def too_late() -> DeadlineError:
    return DeadlineError(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")


def check_time(seconds: float | None) -> None:
    """Errors: DeadlineError if no seconds are left; None stands for no end of them.

    gRPC looks at deadlines once in a while: what it is given too late may be answered all the same.
    """
    if seconds is not None and seconds <= 0:
        raise too_late()


def closed() -> TransportError:
    return TransportError(grpc.StatusCode.CANCELLED, "the client is closed")


def ends() -> TransportError:
    return TransportError(grpc.StatusCode.CANCELLED, "Python ends, and no more calls are made")


def no_thread(error: RuntimeError) -> TensorferryError:
    return TensorferryError(
        grpc.StatusCode.RESOURCE_EXHAUSTED, f"the system gives this process no thread for the call: {error}"
    )


def _make(
    code: grpc.StatusCode, message: str, reason: str, metadata: Mapping[str, str], retry_after: float | None
) -> TensorferryError:
    kind: type[TensorferryError] = RefusedError
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        kind = DeadlineError
    elif code in _TRANSPORT_CODES and not reason:
        kind = TransportError
    return kind(code, message, reason=reason, metadata=metadata, retry_after=retry_after)


def _status(error: grpc.RpcError) -> tuple[grpc.StatusCode, str]:
    """Returns code and details; an RpcError need not have them, as those that interceptors raise."""
    if not hasattr(error, "code") or not hasattr(error, "details"):
        return grpc.StatusCode.UNKNOWN, str(error)
    return error.code() or grpc.StatusCode.UNKNOWN, error.details() or ""


def _pushback(error: grpc.RpcError) -> float | None:
    """Returns the seconds that gRPC's own word for a delay gives; a negative one forbids a retry."""
    for key, value in _trailers(error):
        if key == _PUSHBACK:
            with suppress(ValueError):
                return int(value) / 1000 if int(value) >= 0 else None
    return None


def _trailers(error: grpc.RpcError) -> Sequence[tuple[str, str | bytes]]:
    return (error.trailing_metadata() if hasattr(error, "trailing_metadata") else None) or ()


def _details(error: grpc.RpcError) -> list[error_details_pb2.Any]:
    for key, value in _trailers(error):
        if key == "grpc-status-details-bin":
            return list(status_pb2.Status.FromString(value).details)
    return []
