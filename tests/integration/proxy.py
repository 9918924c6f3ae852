"""Stands between a client and a real server, and changes answers on their way back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc

from harness import TIMEOUT_S, connect_stub
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import (
    TensorServiceServicer,
    TensorServiceStub,
    add_TensorServiceServicer_to_server,
)

Tamper = Callable[[pb.Tensor], None]


def wrong_digest(tensor: pb.Tensor) -> None:
    digest = tensor.metadata.receipt.digest
    tensor.metadata.receipt.digest = bytes([digest[0] ^ 1]) + digest[1:]


def wrong_dtype(tensor: pb.Tensor) -> None:
    tensor.metadata.dtype = "float64" if tensor.metadata.dtype == "int64" else "int64"


def wrong_shape(tensor: pb.Tensor) -> None:
    tensor.metadata.shape.append(1)


def wrong_data(tensor: pb.Tensor) -> None:
    if tensor.data:
        tensor.data = tensor.data[:-1] + bytes([tensor.data[-1] ^ 1])


class _Proxy(TensorServiceServicer):
    def __init__(self, stub: TensorServiceStub, tamper: Tamper) -> None:
        self._stub = stub
        self._tamper = tamper

    def _tampered(self, response: pb.ConvertResponse) -> None:
        for tensor in response.tensors:
            self._tamper(tensor)

    def Convert(self, request: pb.ConvertRequest, context: grpc.ServicerContext) -> pb.ConvertResponse:  # noqa: N802
        response = self._stub.Convert(request, timeout=TIMEOUT_S)
        self._tampered(response)
        return response

    def ConvertStream(  # noqa: N802
        self, parts: Iterator[pb.ConvertStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.ConvertStreamResponse]:
        for part in self._stub.ConvertStream(parts, timeout=TIMEOUT_S):
            if part.HasField("response"):
                self._tampered(part.response)
            yield part

    def GetServerInfo(  # noqa: N802
        self, request: pb.GetServerInfoRequest, context: grpc.ServicerContext
    ) -> pb.GetServerInfoResponse:
        return self._stub.GetServerInfo(request, timeout=TIMEOUT_S)


class _Cutter(_Proxy):
    """Cuts a file off as soon as the first of its chunks has come."""

    def __init__(self, stub: TensorServiceStub, file: Path) -> None:
        super().__init__(stub, lambda tensor: None)
        self._file = file

    def _cut(self, parts: Iterator[pb.ConvertStreamRequest]) -> Iterator[pb.ConvertStreamRequest]:
        for part in parts:
            if part.HasField("chunk") and self._file.stat().st_size > 1000:
                os.truncate(self._file, 1000)
            yield part

    def ConvertStream(  # noqa: N802
        self, parts: Iterator[pb.ConvertStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.ConvertStreamResponse]:
        return super().ConvertStream(self._cut(parts), context)


class _Recorder(_Proxy):
    """Writes down which calls come."""

    def __init__(self, stub: TensorServiceStub) -> None:
        super().__init__(stub, lambda tensor: None)
        self.calls: list[str] = []

    def Convert(self, request: pb.ConvertRequest, context: grpc.ServicerContext) -> pb.ConvertResponse:  # noqa: N802
        self.calls.append("Convert")
        try:
            return super().Convert(request, context)
        except grpc.RpcError as error:
            context.set_trailing_metadata(error.trailing_metadata())
            context.abort(error.code(), error.details())

    def ConvertStream(  # noqa: N802
        self, parts: Iterator[pb.ConvertStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.ConvertStreamResponse]:
        self.calls.append("ConvertStream")
        return super().ConvertStream(parts, context)

    def GetServerInfo(  # noqa: N802
        self, request: pb.GetServerInfoRequest, context: grpc.ServicerContext
    ) -> pb.GetServerInfoResponse:
        self.calls.append("GetServerInfo")
        return super().GetServerInfo(request, context)


@contextmanager
def recording(address: str, listen: str = "127.0.0.1:0") -> Iterator[tuple[str, list[str]]]:
    """Yields the address of a proxy for the server at `address`, and the names of the calls that come to it."""
    with connect_stub(address) as stub:
        recorder = _Recorder(stub)
        with _serving(recorder, listen) as proxy:
            yield proxy, recorder.calls


@contextmanager
def tampering(address: str, tamper: Tamper) -> Iterator[str]:
    """Yields the address of a proxy for the server at `address` that runs `tamper` on every converted tensor."""
    with connect_stub(address) as stub, _serving(_Proxy(stub, tamper)) as proxy:
        yield proxy


@contextmanager
def cutting(address: str, file: Path) -> Iterator[str]:
    """Yields the address of a proxy for the server at `address` that cuts `file` off while it is sent."""
    with connect_stub(address) as stub, _serving(_Cutter(stub, file)) as proxy:
        yield proxy


@contextmanager
def _serving(servicer: _Proxy, listen: str = "127.0.0.1:0") -> Iterator[str]:
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with ThreadPoolExecutor(4) as pool:
        proxy = grpc.server(pool, options=options)
        add_TensorServiceServicer_to_server(servicer, proxy)
        port = proxy.add_insecure_port(listen)
        proxy.start()
        yield listen.replace(":0", f":{port}")
        proxy.stop(grace=None).wait()
