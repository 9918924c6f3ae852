"""The asyncio client: the same methods, arguments and errors as `tensorferry.Client`."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Literal, TypeVar, Union, cast, overload

import grpc.aio
import numpy.typing as npt

from tensorferry import _arguments
from tensorferry._arrays import WireArray
from tensorferry._awaiting import Outbox, as_async, in_a_thread, is_cancelled, outgoing, readable
from tensorferry._base import OnError, health_request, unless_error
from tensorferry._calls import CallingClient, Steps
from tensorferry._errors import TensorferryError, TransportError, check_time, closed
from tensorferry._files import FilePath, file_arrays, file_nbytes
from tensorferry._info import HealthStatus, Model, ServerInfo, to_health, to_models, to_server_info
from tensorferry._many import END, Many
from tensorferry._outputs import OutputMemory
from tensorferry._pool import Idle, Stream, StreamPool, end_all
from tensorferry._progress import Report, reports_together
from tensorferry._receipt import Receipt
from tensorferry._request import Request
from tensorferry._response import Response, whole_response
from tensorferry._results import InferLike, Outputs
from tensorferry._sealed import SealedMemory
from tensorferry._sources import Source
from tensorferry._upload import Upload
from tensorferry.v1 import tensor_service_pb2 as pb

T = TypeVar("T")
Arrays = Union[Iterable[Source], AsyncIterable[Source]]
Requests = Union[Iterable[InferLike], AsyncIterable[InferLike]]


class Client(CallingClient):
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
        if sys.is_finalizing():
            return
        self._close_side()
        if self._loop is not None:
            self._check_loop()
            self._streams.close()
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
        progress: Report | None = None,
        timeout: float | None = None,
    ) -> Receipt:
        """Makes a torch tensor of `array` on the server."""
        options = self._wanted(strict, return_data, digest, progress)
        return await self._call(self._convert_request(array, name, dtype, options, request_id), timeout)

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
        options = self._wanted_of_many(strict, return_data, digest)
        many = self._conversions(arrays, dtype, options, timeout)
        return self._many(many, _arguments.on_error(on_error))

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
        progress: Report | None = None,
        timeout: float | None = None,
    ) -> Outputs:
        """Runs a model on named arrays and returns its outputs by name."""
        options = self._wanted(strict, False, digest, progress)
        asked = (model, version, outputs, request_id)
        return await self._call(self._infer_request(inputs, asked, options), timeout)

    @overload
    async def convert_file(
        self,
        path: FilePath,
        *,
        dtype: npt.DTypeLike | None = ...,
        strict: bool = ...,
        return_data: bool = ...,
        digest: bool = ...,
        on_error: Literal["raise"] = ...,
        progress: Report | None = ...,
        timeout: float | None = ...,
    ) -> dict[str, Receipt]: ...

    @overload
    async def convert_file(
        self,
        path: FilePath,
        *,
        dtype: npt.DTypeLike | None = ...,
        strict: bool = ...,
        return_data: bool = ...,
        digest: bool = ...,
        on_error: Literal["return"],
        progress: Report | None = ...,
        timeout: float | None = ...,
    ) -> dict[str, Receipt | TensorferryError]: ...

    async def convert_file(
        self,
        path: FilePath,
        *,
        dtype: npt.DTypeLike | None = None,
        strict: bool = False,
        return_data: bool = False,
        digest: bool = True,
        on_error: OnError = "raise",
        progress: Report | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Converts an .npy, .npz or safetensors file, which is read in another thread; receipts by name."""
        path, report, names = _arguments.path(path), _arguments.progress(progress), list[str]()
        together = None
        if report is not None:
            together = reports_together(report, await asyncio.to_thread(file_nbytes, path))
        options = self._wanted_of_many(strict, return_data, digest, together)
        arrays = in_a_thread(file_arrays(path))
        many = self._file_conversions(arrays, names, dtype, options, timeout)
        outcomes = [outcome async for outcome in self._many(many, _arguments.on_error(on_error))]
        return dict(zip(names, outcomes))

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
        options = self._wanted_of_many(strict, False, digest)
        many = self._inferences(requests, options, timeout)
        return self._many(many, _arguments.on_error(on_error))

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

    async def _call(self, request: Request[T], timeout: float | None) -> T:
        end = self._end(timeout)
        failure = None
        try:
            stays = request.nbytes < self._sealed_nbytes and not request.output_nbytes
            if stays and self._is_unary(request):
                left = None if end is None else end - time.monotonic()
                return request.answer(await self._unary(request.upload, left))
        except TensorferryError as error:
            failure = error
        try:
            return await self._run(self._answer(request, end, failure))
        finally:
            del failure  # Its traceback has this frame.

    async def _run(self, steps: Steps[T]) -> T:
        """Awaits each step's I/O, and hands its result back."""
        try:
            pending = next(steps)
            while True:
                try:
                    result = await pending
                except BaseException as error:
                    pending = steps.throw(error)
                else:
                    pending = steps.send(result)
        except StopIteration as end:
            return cast(T, end.value)

    async def _many(self, many: Many[T], on_error: OnError) -> AsyncIterator[T | TensorferryError]:
        many.items = as_async(many.items)
        many.end = self._end(many.timeout)
        self._begin(many)
        try:
            while True:
                steps = self._next_outcome(many)
                outcome = await self._run(steps)
                if outcome is None:
                    return
                yield outcome if on_error == "return" else unless_error(outcome)
        finally:
            many.close()

    async def _unary(self, upload: Upload, timeout: float | None) -> Response:
        self._check_usable()
        check_time(timeout)
        try:
            answer: bytes = await self._convert(
                upload.message, timeout=timeout, metadata=self._metadata, wait_for_ready=self._wait_for_ready
            )
        except BaseException as error:
            self._raise_translated(error)
            raise
        return whole_response(answer)

    async def _read(self, stream: Stream, room: memoryview | None) -> bytes | None:
        try:
            with self._translated:
                message = await stream.call.read()
        except asyncio.CancelledError as error:
            if stream.given_up and not is_cancelled(asyncio.current_task()):
                raise TransportError(grpc.StatusCode.CANCELLED, "this client gave the call up") from error
            raise
        return None if message is grpc.aio.EOF else message

    def _open(self, seconds: float | None) -> Stream:
        outbox: Outbox = asyncio.Queue()
        stream = Stream(outbox.put_nowait, outbox.get)
        with self._translated:
            stream.call = self._convert_stream(outgoing(stream), **self._settings_until(seconds))
        return stream

    async def _next_of(self, items: Any) -> Any:
        async for item in items:
            return item
        return END

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _sealed(
        self, array: WireArray, may_copy: bool, may_change: bool
    ) -> tuple[SealedMemory, int] | None:
        return await asyncio.to_thread(array.seal, may_copy, may_change)

    async def _output_memory(self, nbytes: int) -> OutputMemory:
        return await asyncio.to_thread(OutputMemory, nbytes)

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
            self._call_later = loop.call_later
            self._streams = StreamPool(
                loop.call_later, keep=not self._balance, dispose=partial(_end_in, loop)
            )
        if self._loop not in (None, loop):
            problem = "the client was first used in another event loop; make one client for each loop"
            raise TensorferryError(grpc.StatusCode.FAILED_PRECONDITION, problem, reason="WRONG_EVENT_LOOP")


def _end_in(loop: asyncio.AbstractEventLoop, idle: Idle) -> None:
    """Ends streams from whichever thread, in their loop; a loop that is closed has ended them itself."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(end_all, idle)
