"""The asyncio client: the same methods, arguments and errors as `tensorferry.Client`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, TypeVar, Union, overload

import grpc.aio
import numpy.typing as npt

from tensorferry._base import BaseClient, OnError, health_request, to_limits, unless_error
from tensorferry._elements import Array
from tensorferry._errors import TensorferryError, translated
from tensorferry._info import HealthStatus, Model, ServerInfo, to_models, to_server_info
from tensorferry._receipt import Receipt
from tensorferry._request import ConvertRequest, InferRequest, Limits, Options, Request
from tensorferry._response import Response
from tensorferry._stream import StreamState
from tensorferry.v1 import tensor_service_pb2 as pb

T = TypeVar("T")
Arrays = Union[Iterable[npt.ArrayLike], AsyncIterable[npt.ArrayLike]]


class Client(BaseClient):
    """A connection to a tensorferry server, for one event loop. `tensorferry.Client` says the rest."""

    _transport = grpc.aio

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection and all calls under way."""
        await self._channel.close()

    async def convert(
        self,
        array: npt.ArrayLike,
        *,
        name: str = "",
        dtype: npt.DTypeLike | None = None,
        strict: bool = False,
        return_data: bool = False,
        digest: bool = True,
        timeout: float | None = None,
    ) -> Receipt:
        """Makes a torch tensor of `array` on the server."""
        options = Options(strict, return_data, digest, self._verify)
        limits = await self._get_limits(timeout)
        return await self._call(ConvertRequest(array, name, dtype, options, limits), timeout)

    @overload
    def convert_many(
        self,
        arrays: Arrays,
        *,
        dtype: npt.DTypeLike | None = ...,
        strict: bool = ...,
        return_data: bool = ...,
        digest: bool = ...,
        on_error: Literal["raise"] = ...,
        timeout: float | None = ...,
    ) -> AsyncIterator[Receipt]: ...

    @overload
    def convert_many(
        self,
        arrays: Arrays,
        *,
        dtype: npt.DTypeLike | None = ...,
        strict: bool = ...,
        return_data: bool = ...,
        digest: bool = ...,
        on_error: Literal["return"],
        timeout: float | None = ...,
    ) -> AsyncIterator[Receipt | TensorferryError]: ...

    async def convert_many(
        self,
        arrays: Arrays,
        *,
        dtype: npt.DTypeLike | None = None,
        strict: bool = False,
        return_data: bool = False,
        digest: bool = True,
        on_error: OnError = "raise",
        timeout: float | None = None,
    ) -> AsyncIterator[Receipt | TensorferryError]:
        """Converts arrays over one stream and yields their receipts in order. `arrays` may be async, too."""
        options = Options(strict, return_data, digest, self._verify)
        limits = await self._get_limits(timeout)
        requests = (ConvertRequest(array, "", dtype, options, limits) async for array in _aiter(arrays))
        async for outcome in self._stream(requests, timeout):
            yield outcome if on_error == "return" else unless_error(outcome)

    async def infer(
        self,
        model: str,
        inputs: Mapping[str, npt.ArrayLike],
        *,
        version: str = "",
        outputs: Sequence[str] = (),
        strict: bool = False,
        digest: bool = True,
        timeout: float | None = None,
    ) -> dict[str, Array]:
        """Runs a model on named arrays and returns its outputs by name."""
        options = Options(strict=strict, digest=digest, verify=self._verify)
        limits = await self._get_limits(timeout)
        return await self._call(InferRequest(model, version, inputs, outputs, options, limits), timeout)

    async def server_info(self, *, timeout: float | None = None) -> ServerInfo:
        """Returns version, limits and dtypes of the server."""
        with translated():
            info = await self._stub.GetServerInfo(pb.GetServerInfoRequest(), **self._call_settings(timeout))
        return to_server_info(info)

    async def models(self, *, timeout: float | None = None) -> list[Model]:
        """Returns every model version, by name, then version."""
        with translated():
            models = await self._stub.ListModels(pb.ListModelsRequest(), **self._call_settings(timeout))
        return to_models(models)

    async def health(self, service: str = "", *, timeout: float | None = None) -> HealthStatus:
        """Asks the standard health service."""
        with translated():
            status = await self._check_health(health_request(service), **self._call_settings(timeout))
        return HealthStatus(status.value)

    async def _get_limits(self, timeout: float | None) -> Limits:
        if self._limits is None:
            self._limits = to_limits(await self.server_info(timeout=timeout))
        return self._limits

    async def _call(self, request: Request[T], timeout: float | None) -> T:
        if request.fits_unary:
            with translated():
                message = await self._stub.Convert(request.message, **self._call_settings(timeout))
            return request.finish(Response(message))
        (outcome,) = [outcome async for outcome in self._stream(_aiter([request]), timeout)]
        return unless_error(outcome)

    async def _stream(
        self, requests: AsyncIterator[Request[T]], timeout: float | None
    ) -> AsyncIterator[T | TensorferryError]:
        """Sends requests, in a task of gRPC's, while it yields what became of them."""
        state = StreamState[T]()
        outbox: asyncio.Queue[Request[T] | None] = asyncio.Queue()
        call = self._stub.ConvertStream(_outgoing(outbox), **self._call_settings(timeout))
        try:
            while not state.done:
                if state.wants_request:
                    request = await _anext(requests)
                    state.add(request)
                    outbox.put_nowait(request)
                    continue
                outcome = state.receive(await _read(call))
                if outcome is not None:
                    yield outcome
            while (message := await _read(call)) is not None:
                state.receive(message)
        finally:
            call.cancel()


async def _outgoing(outbox: asyncio.Queue[Request[T] | None]) -> AsyncIterator[pb.ConvertStreamRequest]:
    while (request := await outbox.get()) is not None:
        for message in request.stream_messages():
            yield message


async def _read(call: Any) -> pb.ConvertStreamResponse | None:
    with translated():
        message = await call.read()
    return None if message is grpc.aio.EOF else message


async def _anext(items: AsyncIterator[T]) -> T | None:
    async for item in items:
        return item
    return None


async def _aiter(items: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
