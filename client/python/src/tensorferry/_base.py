"""What the sync and the asyncio client have in common: settings, stubs, and how arrays become requests."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any, Literal, TypeVar

import grpc
from google.protobuf import wrappers_pb2

from tensorferry._errors import TensorferryError
from tensorferry._info import ServerInfo
from tensorferry._request import Limits
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub

T = TypeVar("T")
OnError = Literal["raise", "return"]

_MIB = 1 << 20
_MAX_INLINE_NBYTES = 4 * _MIB
_CHANNEL_OPTIONS = {
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
    # Large tensors at full speed: look-ahead and frames of their size, and no probing for a better one.
    "grpc.http2.bdp_probe": 0,
    "grpc.http2.lookahead_bytes": 8 * _MIB,
    "grpc.http2.max_frame_size": _MIB,
    # A peer that vanished is noticed; not more often than servers allow by default.
    "grpc.keepalive_time_ms": 300_000,
    "grpc.keepalive_timeout_ms": 20_000,
}


class BaseClient:
    """A channel, its stubs, and the settings of the calls made with them."""

    _transport: ModuleType  # grpc or grpc.aio: their channels are made alike.

    def __init__(
        self,
        target: str,
        *,
        timeout: float | None = None,
        verify: bool = True,
        credentials: grpc.ChannelCredentials | None = None,
        metadata: Sequence[tuple[str, str]] = (),
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        """Connects on the first call.

        Args:
            target: "host:port" or "unix:/path".
            timeout: Seconds that a call may take where it names no other; None: for ever.
            verify: Raise VerificationError where dtype, shape, digest or returned data are not the array's.
            credentials: For TLS; None: in the clear.
            metadata: Sent with every call, such as ("authorization", "Bearer …").
            options: gRPC channel arguments besides, or instead of, this client's own.
        """
        all_options = list({**_CHANNEL_OPTIONS, **dict(options)}.items())
        if credentials is None:
            channel = self._transport.insecure_channel(target, all_options)
        else:
            channel = self._transport.secure_channel(target, credentials, all_options)
        self._channel = channel
        self._timeout = timeout
        self._verify = verify
        self._metadata = tuple(metadata)
        self._limits: Limits | None = None
        self._stub = TensorServiceStub(channel)
        # The messages of grpc.health.v1 are these well-known ones on the wire: one field, number 1.
        self._check_health = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=wrappers_pb2.StringValue.SerializeToString,
            response_deserializer=wrappers_pb2.Int32Value.FromString,
        )

    def _call_settings(self, timeout: float | None) -> dict[str, Any]:
        return {"timeout": self._timeout if timeout is None else timeout, "metadata": self._metadata}


def health_request(service: str) -> Any:
    return wrappers_pb2.StringValue(value=service)


def to_limits(info: ServerInfo) -> Limits:
    """Returns limits that keep requests, and responses with the same data, within one message."""
    half_message = info.max_message_bytes // 2
    return Limits(
        min(_MAX_INLINE_NBYTES, half_message), min(info.recommended_chunk_bytes or _MIB, half_message)
    )


def unless_error(outcome: T | TensorferryError) -> T:
    """Returns the result, or raises the error that stands in its place."""
    if isinstance(outcome, TensorferryError):
        raise outcome
    return outcome
