"""A replica of Ray Serve without Ray: what it passes on to the server beside it. `make test-fleet` has Ray itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2

import tensorferry
from harness import SERVER
from tensorferry._ray_serve import Gateway, add_services
from tensorferry.v1 import tensor_service_pb2 as pb
from wire import array, request

VALUES = np.arange(4, dtype="<i4")
GOOD = request(array("<i4", (4,), VALUES.tobytes()))
BAD = request(array("<i4", (5,), VALUES.tobytes()))


class Context:
    """What Ray Serve hands to a replica with each call, and sends back."""

    def __init__(self, *metadata: tuple[str, str]) -> None:
        self._metadata = list(metadata)
        self.code: grpc.StatusCode | None = None
        self.details = ""
        self.trailing: list[tuple[str, Any]] = []

    def invocation_metadata(self) -> list[tuple[str, str]]:
        return self._metadata

    def set_code(self, code: grpc.StatusCode) -> None:
        self.code = code

    def set_details(self, details: str) -> None:
        self.details = details

    def set_trailing_metadata(self, metadata: list[tuple[str, Any]]) -> None:
        self.trailing = metadata


def with_gateway(run: Callable[[Gateway], Coroutine[Any, Any, None]]) -> None:
    gateway = Gateway(partial(tensorferry.Server, program=SERVER))
    try:
        asyncio.run(run(gateway))
    finally:
        gateway._server.stop()


def test_calls_streams_and_health_are_passed_on() -> None:
    async def run(gateway: Gateway) -> None:
        await gateway.check_health()
        answer = await gateway.Convert(GOOD.SerializeToString(), grpc_context=Context(("user-agent", "x")))
        assert pb.ConvertResponse.FromString(answer.SerializeToString()).tensors[0].metadata.dtype == "int32"

        async def requests() -> AsyncIterator[bytes]:
            for each in (GOOD, BAD, GOOD):
                yield pb.ConvertStreamRequest(request=each).SerializeToString()

        stream = gateway.ConvertStream(requests(), grpc_context=Context())
        answers = [pb.ConvertStreamResponse.FromString(each.SerializeToString()).response async for each in stream]
        assert [each.error.reason for each in answers] == ["", "SIZE_MISMATCH", ""]

    with_gateway(run)


def test_a_refusal_keeps_its_details() -> None:
    async def run(gateway: Gateway) -> None:
        context = Context()
        await gateway.Convert(BAD.SerializeToString(), grpc_context=context)
        assert context.code == grpc.StatusCode.INVALID_ARGUMENT
        assert context.details == "array 'x': int32 with shape [5] needs 20 bytes, got 16"
        ((key, value),) = context.trailing
        assert key == "grpc-status-details-bin"
        info = error_details_pb2.ErrorInfo()
        assert status_pb2.Status.FromString(value).details[0].Unpack(info)
        assert info.reason == "SIZE_MISMATCH"

    with_gateway(run)


def test_a_replica_without_its_server_is_not_healthy() -> None:
    async def run(gateway: Gateway) -> None:
        await gateway.check_health()
        gateway._server.stop()
        with pytest.raises(grpc.aio.AioRpcError):
            await gateway.check_health()

    with_gateway(run)


def test_the_proxy_takes_every_method_as_bytes() -> None:
    class Proxy:
        def __init__(self) -> None:
            self.methods: dict[str, grpc.RpcMethodHandler] = {}

        def add_generic_rpc_handlers(self, handlers: tuple[Any, ...]) -> None:
            (handler,) = handlers
            self.methods.update(handler._method_handlers)

    proxy = Proxy()
    add_services(None, proxy)
    assert {
        "/tensorferry.v1.TensorService/Convert",
        "/inference.GRPCInferenceService/ModelInfer",
    } <= proxy.methods.keys()
    for path, handler in proxy.methods.items():
        assert handler.request_deserializer is None
        assert callable(getattr(Gateway, path.rpartition("/")[2]))
        assert handler.request_streaming == handler.response_streaming == ("Stream" in path)
