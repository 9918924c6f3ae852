"""A deployment of Ray Serve that passes calls on to a server beside each replica, as the bytes that came."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Union

import grpc

from tensorferry._ray_server import MakeServer

_NATIVE, _INFERENCE = "tensorferry.v1.TensorService", "inference.GRPCInferenceService"
# What any replica can answer. Methods that change one server, such as loads of models, are not among it.
_UNARY = {
    **dict.fromkeys(("Convert", "GetServerInfo", "ListModels"), _NATIVE),
    **dict.fromkeys(("ServerLive", "ServerReady", "ServerMetadata"), _INFERENCE),
    **dict.fromkeys(
        ("ModelReady", "ModelMetadata", "ModelConfig", "ModelInfer", "RepositoryIndex"), _INFERENCE
    ),
}
_STREAMS = {"ConvertStream": _NATIVE, "ModelStreamInfer": _INFERENCE}
_PASSED_ON = frozenset({"traceparent", "tracestate", "x-request-id"})
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
# HealthCheckRequest for the native service: that of the empty name serves before models are loaded, too.
_HEALTH_OF = b"\x0a" + bytes([len(_NATIVE)]) + _NATIVE.encode()
_HEALTHY = b"\x08\x01"  # HealthCheckResponse with the status SERVING.
_Metadata = tuple[tuple[str, Union[str, bytes]], ...]


class _Message(bytes):
    """A message of any service. Ray Serve asks for its bytes as it asks those of generated code."""

    def SerializeToString(self) -> bytes:  # noqa: N802
        return bytes(self)


def _path(services: Mapping[str, str], method: str) -> str:
    return f"/{services[method]}/{method}"


def _metadata(context: Any) -> _Metadata:
    return tuple((key, value) for key, value in context.invocation_metadata() if key in _PASSED_ON)


def _refuse(context: Any, error: grpc.aio.AioRpcError) -> None:
    """Ends a call as the server has ended it, with the error's details."""
    context.set_code(error.code())
    context.set_details(error.details())
    context.set_trailing_metadata(
        [(key, value) for key, value in error.trailing_metadata() or () if key.endswith("-bin")]
    )


class Gateway:
    """A replica: it starts a server, which ends with it, and has a method for each that callers may name."""

    def __init__(self, make_server: MakeServer) -> None:
        self._server = make_server()
        self._address = self._server.start()
        self._opened: grpc.aio.Channel | None = None

    @property
    def channel(self) -> grpc.aio.Channel:
        if self._opened is None:  # A channel belongs to the loop in which it is first used.
            self._opened = grpc.aio.insecure_channel(self._address, options=_UNLIMITED)
        return self._opened

    async def check_health(self) -> None:
        """Raises if the server is not ready, or not there: Ray Serve then starts another replica."""
        answer = await self.channel.unary_unary("/grpc.health.v1.Health/Check")(_HEALTH_OF, timeout=5)
        if answer != _HEALTHY:
            raise RuntimeError("the server beside this replica does not serve")


def _unary(method: str) -> Callable[[Gateway, bytes, Any], Awaitable[_Message]]:
    path = _path(_UNARY, method)

    async def call(self: Gateway, request: bytes, grpc_context: Any) -> _Message:
        try:
            return _Message(await self.channel.unary_unary(path)(request, metadata=_metadata(grpc_context)))
        except grpc.aio.AioRpcError as error:
            _refuse(grpc_context, error)
            return _Message()

    return call


def _stream(method: str) -> Callable[[Gateway, AsyncIterator[bytes], Any], AsyncIterator[_Message]]:
    path = _path(_STREAMS, method)

    async def call(
        self: Gateway, requests: AsyncIterator[bytes], grpc_context: Any
    ) -> AsyncIterator[_Message]:
        try:
            async for response in self.channel.stream_stream(path)(
                requests, metadata=_metadata(grpc_context)
            ):
                yield _Message(response)
        except grpc.aio.AioRpcError as error:
            _refuse(grpc_context, error)
            raise

    return call


for _name in _UNARY:
    setattr(Gateway, _name, _unary(_name))
for _name in _STREAMS:
    setattr(Gateway, _name, _stream(_name))


def add_services(_servicer: Any, server: Any) -> None:
    """Adds the methods to the proxy of Ray Serve, which looks into no message."""

    def unused(*_: Any) -> None:
        raise NotImplementedError

    for service in (_NATIVE, _INFERENCE):
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(unused) for name, of in _UNARY.items() if of == service
        }
        for name, of in _STREAMS.items():
            if of == service:
                handlers[name] = grpc.stream_stream_rpc_method_handler(unused)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
