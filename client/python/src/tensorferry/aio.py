"""The asyncio client: the same methods, arguments and errors as `tensorferry.Client`."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, TypeVar, Union, overload

import grpc.aio
import numpy.typing as npt

from tensorferry import _arguments
from tensorferry._awaiting import Outbox, anext_or_none, as_async, is_cancelled, outgoing, read, readable
from tensorferry._base import BaseClient, OnError, health_request, to_limits, unless_error
from tensorferry._errors import (
    RefusedError,
    TensorferryError,
    TransportError,
    closed,
    is_outgrown,
)
from tensorferry._files import FilePath, file_arrays, file_request
from tensorferry._info import HealthStatus, Model, ServerInfo, to_health, to_models, to_server_info
from tensorferry._receipt import Receipt
from tensorferry._request import (
    ConvertRequest,
    InferRequest,
    Limits,
    Options,
    Request,
    Target,
    convert_request,
    infer_request,
)
from tensorferry._response import whole_response
from tensorferry._results import InferLike, Outputs, to_infer
from tensorferry._retry import Attempts
from tensorferry._sources import Source
from tensorferry._stream import StreamState
from tensorferry.v1 import tensor_service_pb2 as pb

T = TypeVar("T")
Arrays = Union[Iterable[Source], AsyncIterable[Source]]
Requests = Union[Iterable[InferLike], AsyncIterable[InferLike]]


class Client(BaseClient):
    """A connection to a tensorferry server, for the event loop that it is first used in.

    `tensorferry.Client` says the rest. Where a task is cancelled, methods raise asyncio.CancelledError.
    """

    _transport = grpc.aio
    _loop: asyncio.AbstractEventLoop | None = None

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
        """Ends the connection and all calls under way. Closing twice is closing."""
        self._closed = True
        if self._loop is not None:
            self._check_loop()
            await self._channel.close()

    async def convert(
        self,
        array: Source,
        *,
        name: str = "",
        dtype: npt.DTypeLike | None = None,
        strict: bool = False,
        return_data: bool = False,
        digest: bool = True,
        request_id: str = "",
        timeout: float | None = None,
    ) -> Receipt:
        """Makes a torch tensor of `array` on the server."""
        options = Options(strict, return_data, digest, self._verify)
        name, dtype = _arguments.text("name", name), _arguments.dtype(dtype)
        target = Target(request_id=_arguments.text("request_id", request_id))
        request = ConvertRequest(array, name, dtype, options, self._limits, target=target)
        return await self._call(request, timeout)

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

    def convert_many(
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
        dtype, on_error = _arguments.dtype(dtype), _arguments.on_error(on_error)
        arrays = _arguments.iterable("arrays", arrays)
        return self._convert_many(arrays, dtype, options, on_error, timeout)

    async def _convert_many(
        self,
        arrays: Arrays,
        dtype: npt.DTypeLike | None,
        options: Options,
        on_error: OnError,
        timeout: float | None,
    ) -> AsyncIterator[Receipt | TensorferryError]:
        state = StreamState[Receipt](self._limits)
        index = itertools.count()
        requests = (
            convert_request(array, next(index), dtype, options, state.limits)
            async for array in as_async(arrays)
        )
        async for outcome in self._stream(state, requests, timeout):
            yield outcome if on_error == "return" else unless_error(outcome)

    async def infer(
        self,
        model: str,
        inputs: Mapping[str, Source],
        *,
        version: str | int = "",
        outputs: Sequence[str] = (),
        strict: bool = False,
        digest: bool = True,
        request_id: str = "",
        timeout: float | None = None,
    ) -> Outputs:
        """Runs a model on named arrays and returns its outputs by name."""
        options = Options(strict=strict, digest=digest, verify=self._verify)
        model, version = _arguments.model(model), _arguments.version(version)
        inputs, outputs = _arguments.inputs(inputs), tuple(_arguments.texts("outputs", outputs))
        target = Target(model, version, outputs, _arguments.text("request_id", request_id))
        request = InferRequest(target, inputs, options, self._limits)
        return await self._call(request, timeout)

    async def convert_file(
        self,
        path: FilePath,
        *,
        dtype: npt.DTypeLike | None = None,
        strict: bool = False,
        return_data: bool = False,
        digest: bool = True,
        timeout: float | None = None,
    ) -> dict[str, Receipt]:
        """Converts the arrays of an .npy or .npz file, which is read in another thread; receipts by name."""
        options = Options(strict, return_data, digest, self._verify)
        dtype = _arguments.dtype(dtype)
        arrays = file_arrays(_arguments.path(path))
        state = StreamState[Receipt](self._limits)
        names: list[str] = []

        async def requests() -> AsyncIterator[ConvertRequest | TensorferryError]:
            while (named := await asyncio.to_thread(next, arrays, None)) is not None:
                names.append(named[0])
                yield file_request(named, dtype, options, state.limits)

        outcomes = self._stream(state, requests(), timeout)
        receipts = [unless_error(outcome) async for outcome in outcomes]
        return dict(zip(names, receipts))

    @overload
    def infer_many(
        self,
        requests: Requests,
        *,
        strict: bool = ...,
        digest: bool = ...,
        on_error: Literal["raise"] = ...,
        timeout: float | None = ...,
    ) -> AsyncIterator[Outputs]: ...

    @overload
    def infer_many(
        self,
        requests: Requests,
        *,
        strict: bool = ...,
        digest: bool = ...,
        on_error: Literal["return"],
        timeout: float | None = ...,
    ) -> AsyncIterator[Outputs | TensorferryError]: ...

    def infer_many(
        self,
        requests: Requests,
        *,
        strict: bool = False,
        digest: bool = True,
        on_error: OnError = "raise",
        timeout: float | None = None,
    ) -> AsyncIterator[Outputs | TensorferryError]:
        """Runs models over one stream, outputs in the order of the requests. `requests` may be async, too."""
        options = Options(strict=strict, digest=digest, verify=self._verify)
        on_error = _arguments.on_error(on_error)
        requests = _arguments.iterable("requests", requests, "requests")
        return self._infer_many(requests, options, on_error, timeout)

    async def _infer_many(
        self, requests: Requests, options: Options, on_error: OnError, timeout: float | None
    ) -> AsyncIterator[Outputs | TensorferryError]:
        state = StreamState[Outputs](self._limits)
        index = itertools.count()
        made = (
            infer_request(to_infer(request), next(index), options, state.limits)
            async for request in as_async(requests)
        )
        async for outcome in self._stream(state, made, timeout):
            yield outcome if on_error == "return" else unless_error(outcome)

    async def server_info(self, *, timeout: float | None = None) -> ServerInfo:
        """Returns version, limits and dtypes of the server."""
        with self._translated:
            info = readable(
                await self._stub.GetServerInfo(pb.GetServerInfoRequest(), **self._call_settings(timeout))
            )
        return to_server_info(info)

    async def models(self, *, timeout: float | None = None) -> list[Model]:
        """Returns every model version, by name, then version."""
        with self._translated:
            models = readable(
                await self._stub.ListModels(pb.ListModelsRequest(), **self._call_settings(timeout))
            )
        return to_models(models)

    async def health(self, service: str = "", *, timeout: float | None = None) -> HealthStatus:
        """Asks the standard health service."""
        service = _arguments.text("service", service)
        with self._translated:
            status = readable(
                await self._check_health(health_request(service), **self._call_settings(timeout))
            )
        return to_health(status.value)

    async def _other_limits(self, error: TensorferryError, used: Limits, timeout: float | None) -> Limits:
        """Returns limits for another try. Errors: `error`, unless another server's limits explain it."""
        if not is_outgrown(error):
            raise error
        self._limits = to_limits(await self.server_info(timeout=timeout))
        limits = self._limits.within(used)
        if limits == used:
            raise error
        return limits

    async def _call(self, request: Request[T], timeout: float | None) -> T:
        attempts = Attempts(self._retries, self._seconds(timeout))
        while True:
            try:
                return await self._try(request, attempts.timeout)
            except TensorferryError as error:
                delay = attempts.delay(error)
            await asyncio.sleep(delay)
            request.plan_again(request.limits)

    async def _try(self, request: Request[T], timeout: float | None) -> T:
        limits = request.limits
        if self._is_unary(request):
            try:
                with self._translated:
                    message = await self._convert(request.upload.message, **self._call_settings(timeout))
                return request.finish(whole_response(message))
            except TensorferryError as error:
                request.explain(error)
                if not self._takes_stream(error, request):
                    limits = await self._other_limits(error, limits, timeout)
                request.plan_again(limits)
        stream = self._stream(StreamState[T](limits), as_async([request]), timeout)
        (outcome,) = [outcome async for outcome in stream]
        return unless_error(outcome)

    async def _stream(
        self,
        state: StreamState[T],
        requests: AsyncIterator[Request[T] | TensorferryError],
        timeout: float | None,
    ) -> AsyncIterator[T | TensorferryError]:
        """Sends requests, in a task of gRPC's, while it yields what became of them."""
        call, outbox = self._open(state, timeout)
        try:
            while not state.done:
                outcome: T | TensorferryError | None = state.take_unsent()
                if outcome is None and state.wants_request:
                    request = await anext_or_none(requests)
                    state.add(request)
                    if not isinstance(request, TensorferryError):
                        outbox.put_nowait(request.upload if request else None)
                elif outcome is None:
                    try:
                        with self._translated:
                            outcome = state.receive(await read(call))
                    except (RefusedError, TransportError) as error:
                        state.limits = await self._other_limits(error, state.limits, timeout)
                        call, outbox = self._open(state, timeout)
                if outcome is not None:
                    yield outcome
            with self._translated:
                while (message := await read(call)) is not None:
                    state.receive(message)
        finally:
            call.cancel()

    def _open(self, state: StreamState[T], timeout: float | None) -> tuple[Any, Outbox]:
        """Begins a stream with what an earlier one left unanswered."""
        outbox: Outbox = asyncio.Queue()
        for upload in state.unanswered():
            outbox.put_nowait(upload)
        with self._translated:
            return self._convert_stream(outgoing(outbox), **self._call_settings(timeout)), outbox

    def _check_usable(self) -> None:
        self._check_loop()
        super()._check_usable()

    def _raise_translated(self, error: BaseException) -> None:
        super()._raise_translated(error)
        is_closed = isinstance(error, asyncio.CancelledError) and self._closed
        if is_closed and not is_cancelled(asyncio.current_task()):
            # gRPC also raises CancelledError for calls that `close` ended.
            raise closed() from error

    def _check_loop(self) -> None:
        """Connects in the event loop of the first call. Errors: TensorferryError in any other loop."""
        loop = asyncio.get_running_loop()
        if self._loop is None and not self._closed:
            self._connect()
            self._loop = loop
        if self._loop not in (None, loop):
            problem = "the client was first used in another event loop; make one client for each loop"
            raise TensorferryError(grpc.StatusCode.FAILED_PRECONDITION, problem, reason="WRONG_EVENT_LOOP")
