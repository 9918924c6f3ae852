"""What the sync and the asyncio client have in common: settings, stubs, and how arrays become requests."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from types import ModuleType, TracebackType
from typing import Any, Literal, TypeVar

import grpc
import grpc.aio
import numpy as np
import numpy.typing as npt
from google.protobuf import wrappers_pb2

from tensorferry import _arguments
from tensorferry._address import balances, server_address
from tensorferry._elements import Array
from tensorferry._errors import (
    ProtocolError,
    TensorferryError,
    TransportError,
    check_time,
    closed,
    ends,
    from_rpc_error,
    needs_stream,
)
from tensorferry._info import ServerInfo
from tensorferry._limits import DEFAULT_LIMITS, Limits
from tensorferry._outputs import OutputPool
from tensorferry._request import Options, Request
from tensorferry._sealed import AVAILABLE, empty
from tensorferry._side import AsyncSide, Side, sealed_error, side_path
from tensorferry._tls import TLS, authorized, connection_security
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub

T = TypeVar("T")
_SERVICE = pb.DESCRIPTOR.services_by_name["TensorService"].full_name
OnError = Literal["raise", "return"]
Transport = Literal["auto", "bytes", "sealed"]
# With transport="auto" an array travels in sealed memory that it lies in already from so many bytes on, and
# is copied there for these sizes: a larger one goes in chunks, which take less time, and little memory.
# docs/performance.md has the measurement.
_SEALED_NBYTES = 1 << 18
_COPIED_NBYTES = range(1 << 20, (4 << 20) + 1)

_MIB = 1 << 20
_CHANNEL_OPTIONS = {
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
    # These options send large tensors at full speed: look-ahead and frames of their size, and no probing for
    # a better one.
    "grpc.http2.bdp_probe": 0,
    "grpc.http2.lookahead_bytes": 8 * _MIB,
    "grpc.http2.max_frame_size": _MIB,
    # These options notice a peer that vanished, by probes that are no more frequent than servers allow by
    # default.
    "grpc.keepalive_time_ms": 300_000,
    "grpc.keepalive_timeout_ms": 20_000,
}
# gRPC leaves out who is not SERVING, and asks again who cannot be reached within so many milliseconds.
_BALANCED = {
    "grpc.service_config": json.dumps(
        {
            "loadBalancingConfig": [{"round_robin": {}}],
            "healthCheckConfig": {"serviceName": _SERVICE},
        }
    ),
    "grpc.max_reconnect_backoff_ms": 5000,
}


class BaseClient:
    """A channel, its stubs, and the settings of the calls made with them."""

    _transport: ModuleType  # grpc or grpc.aio: their channels are made alike.
    _channel: Any
    _stub: Any
    _convert: Any
    _convert_stream: Any
    _check_health: Any
    _side: Any  # Side, AsyncSide or None: no sealed memory is handed over.

    def __init__(
        self,
        target: str | None = None,
        *,
        timeout: float | None = None,
        verify: bool = True,
        tls: bool | TLS | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        token: str | None = None,
        metadata: Sequence[tuple[str, str | bytes]] = (),
        options: Sequence[tuple[str, Any]] = (),
        retries: int = 0,
        wait_for_ready: bool = False,
        balance: bool | None = None,
        transport: Transport = "auto",
    ) -> None:
        """Connects on the first call.

        Args:
            target: "host:port" or "unix:/path"; None: $TENSORFERRY_SERVER, else 127.0.0.1:8001. Several
                servers are "ipv4:10.0.0.1:8001,10.0.0.2:8001" or a name with `balance`, "dns:///servers:8001".
            timeout: Seconds that a call may take where it names no other; None: for ever. Of a call that has
                none, as with 0, nothing is sent: it is a DeadlineError.
            verify: Raise VerificationError where dtype, shape, digest or returned data are not the array's.
            tls: Speak TLS: True, or TLS(ca=, cert=, key=) with paths of PEM files; None: as $TENSORFERRY_TLS
                (on or off), _CA, _CERT and _KEY say, in the clear without them and to Unix sockets.
            credentials: gRPC's own, in the place of `tls`.
            token: Sent with every call, as the metadata "authorization: Bearer …"; None: $TENSORFERRY_TOKEN,
                unless `metadata` has "authorization". A token in both is a ValueError.
            metadata: Sent with every call besides.
            options: gRPC channel arguments besides, or instead of, this client's own.
            retries: How often a call tries again where the server says when: after `retry_after` of the
                error, within the call's timeout. A request of `convert_many` or `infer_many` is tried again
                where its server stops, on another stream, with those behind it.
            wait_for_ready: Calls wait for a server that cannot be reached, until their timeout.
            balance: Calls go in turn to all addresses of `target` whose health service says that they serve;
                those of one convert_many or infer_many to one of them. None: if `target` lists several.
            transport: How elements travel. "bytes": in messages. "sealed": all arrays in sealed memory, to a
                server at unix:PATH on this machine; where that cannot be, a TensorferryError. "auto": those
                that are quicker in sealed memory, where the server takes it, and the others in messages.

        Errors: TypeError and ValueError, as with all methods, for arguments that cannot be meant.
        """
        self._address = server_address(target)
        self._timeout = _arguments.seconds("timeout", timeout)
        self._verify = _arguments.flag("verify", verify)
        self._plain_options = Options(verify=self._verify)
        self._security = connection_security(self._address, tls, credentials)
        self._metadata = authorized(_arguments.metadata(metadata), token)
        self._balance = balances(self._address, balance)
        own = {**_CHANNEL_OPTIONS, **_BALANCED} if self._balance else _CHANNEL_OPTIONS
        self._options = list({**own, **_arguments.options(options)}.items())
        self._side, self._must_seal = self._side_of(transport)
        self._sealed_nbytes = 1 if self._must_seal else _SEALED_NBYTES if self._side else math.inf
        self._copied_nbytes = range(1, sys.maxsize) if self._must_seal else _COPIED_NBYTES
        self._outputs = self._plain_options.outputs = None if self._side is None else OutputPool()
        self._retries = _arguments.count("retries", retries)
        # gRPC's None leaves it to the service's configuration.
        self._wait_for_ready = _arguments.flag("wait_for_ready", wait_for_ready) or None
        self._forget_server()
        self._closed = False
        self._translated = _Translated(self)
        if self._transport is grpc:  # grpc.aio's channels belong to an event loop, which need not run yet.
            self._connect()

    def __repr__(self) -> str:
        module = "tensorferry" if self._transport is grpc else "tensorferry.aio"
        return f"<{module}.{type(self).__name__} {self._address!r}{' closed' * self._closed}>"

    def _connect(self) -> None:
        """Makes channel and stubs. Errors: ValueError for options that gRPC does not take."""
        try:
            own = self._security.credentials
            if own is None:
                channel = self._transport.insecure_channel(self._address, self._options)
            else:
                channel = self._transport.secure_channel(self._address, own, self._options)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"options: gRPC does not take them: {error}") from error
        self._channel = channel
        self._stub = TensorServiceStub(channel)
        # Without a serializer gRPC takes and gives bytes; _wire makes and reads them.
        self._convert = channel.unary_unary(f"/{_SERVICE}/Convert")
        self._convert_stream = channel.stream_stream(f"/{_SERVICE}/ConvertStream")
        # On the wire the messages of grpc.health.v1 equal these well-known ones: one field, number 1.
        self._check_health = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=wrappers_pb2.StringValue.SerializeToString,
            response_deserializer=wrappers_pb2.Int32Value.FromString,
        )

    def empty(self, shape: Any, dtype: npt.DTypeLike = float) -> Array:
        """Returns a new array for elements that are to be sent, as `np.empty` does.

        Where arrays travel in sealed memory, this one, or a contiguous part of it, needs no copy. It is sent
        as it is at the time of the call, and can be used on: what is written to it later stays here, and the
        next call copies it.

        Errors: those of `np.empty`; with transport="sealed" TensorferryError where there is no such memory.
        """
        if self._side is None:
            return np.empty(shape, dtype)
        try:
            return empty(shape, dtype)
        except OSError as error:
            if self._must_seal:
                raise sealed_error(error) from error
            return np.empty(shape, dtype)

    def _side_of(self, transport: Any) -> tuple[Side | None, bool]:
        """Returns what hands sealed memory over, if anything does, and whether all arrays have to go so.

        Errors: ValueError.
        """
        must_seal = _arguments.transport(transport) == "sealed"
        path = side_path(self._address) if AVAILABLE and transport != "bytes" else None
        if path is not None:
            return (Side if self._transport is grpc else AsyncSide)(path), must_seal
        if must_seal and not AVAILABLE:
            raise ValueError("transport 'sealed' needs Linux: this system has no sealed memory")
        if must_seal:
            raise ValueError(f"transport 'sealed' needs an address unix:PATH, not {self._address!r}")
        return None, False

    def _close_side(self) -> None:
        if self._outputs is not None:
            self._outputs.turn_off()
        if self._side is not None:
            self._side.close()

    def _forget_server(self) -> None:
        """Expects nothing of the server any more: the next one at this address may have others.

        _limits are those of most servers until one refuses a message; only then it is asked for its own.
        _streamed names the models whose outputs did not fit one message.
        """
        self._limits: Limits = DEFAULT_LIMITS
        self._streamed: set[str] = set()

    def _is_unary(self, request: Request[Any]) -> bool:
        is_small = request.lease is not None or request.model not in self._streamed
        return request.fits_unary and is_small

    def _takes_stream(self, error: TensorferryError, request: Request[Any]) -> bool:
        """Whether a stream can bring what a unary call could not; remembers it of the model."""
        if not needs_stream(error):
            return False
        if request.model:
            self._streamed.add(request.model)
        return True

    def _call_settings(self, timeout: float | None) -> dict[str, Any]:
        """Returns what a call is given whose caller named a timeout or, with None, left it to the client."""
        return self._settings_until(self._seconds(timeout))

    def _settings_until(self, seconds: float | None) -> dict[str, Any]:
        """Returns what a call is given that ends in so many seconds from now; None: it has no deadline.

        Errors: DeadlineError.
        """
        check_time(seconds)
        return {"timeout": seconds, "metadata": self._metadata, "wait_for_ready": self._wait_for_ready}

    def _seconds(self, timeout: float | None) -> float | None:
        return self._timeout if timeout is None else _arguments.seconds("timeout", timeout)

    def _check_usable(self) -> None:
        """Errors: TransportError if the client is closed, or the interpreter ends.

        Then calls would wait for threads of gRPC's that have stopped, and for locks of other threads.
        """
        if self._closed:
            raise closed()
        if sys.is_finalizing():
            raise ends()

    def _raise_translated(self, error: BaseException) -> None:
        """Raises this package's error in the place of one that is not for callers; returns for others."""
        if isinstance(error, grpc.RpcError):
            translation = from_rpc_error(error)
            if isinstance(translation, TransportError):
                self._forget_server()
            raise translation from error
        if isinstance(error, TransportError):
            self._forget_server()
        elif isinstance(error, (ValueError, grpc.aio.UsageError)) and self._closed:
            # gRPC answers so if another thread or task closed the channel while the call began.
            raise closed() from error


class _Translated:
    """A `with` block of calls. Costs less than a contextmanager, and serves every block of a client."""

    def __init__(self, client: BaseClient) -> None:
        self._client = client

    def __enter__(self) -> None:
        self._client._check_usable()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self._client._raise_translated(error)


def health_request(service: str) -> Any:
    return wrappers_pb2.StringValue(value=service)


def to_limits(info: ServerInfo) -> Limits:
    """Returns limits that keep requests, and responses with the same data, within one message.

    Errors: ProtocolError if no message holds anything.
    """
    half_message = info.max_message_bytes // 2
    if half_message == 0:
        raise ProtocolError(f"the server says that its messages have at most {info.max_message_bytes} bytes")
    return Limits(
        min(DEFAULT_LIMITS.inline_nbytes, half_message),
        min(info.recommended_chunk_bytes or DEFAULT_LIMITS.chunk_nbytes, half_message),
    )


def unless_error(outcome: T | TensorferryError) -> T:
    """Returns the result, or raises the error that stands in its place."""
    if isinstance(outcome, TensorferryError):
        raise outcome
    return outcome
