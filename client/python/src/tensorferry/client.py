"""The blocking client."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Optional, TypeVar, cast, overload

import grpc
import numpy.typing as npt

from tensorferry import _arguments
from tensorferry._alarms import ALARMS
from tensorferry._arrays import WireArray
from tensorferry._base import OnError, health_request, unless_error
from tensorferry._calls import CallingClient, Steps
from tensorferry._compiled import CompiledCall, CompiledChannel, compiled_channel, core, native_chunks
from tensorferry._errors import TensorferryError, closed
from tensorferry._files import FilePath, file_arrays, file_nbytes
from tensorferry._info import HealthStatus, Model, ServerInfo, to_health, to_models, to_server_info
from tensorferry._many import END, Many
from tensorferry._outputs import OutputMemory
from tensorferry._pool import Stream, StreamPool, end_before_fork
from tensorferry._progress import Report, reports_together
from tensorferry._receipt import Receipt
from tensorferry._request import CHEAP_LIMITS, Request
from tensorferry._response import Message, Response, whole_response
from tensorferry._results import InferLike, Outputs
from tensorferry._sealed import SealedMemory
from tensorferry._sources import Source
from tensorferry._upload import Upload
from tensorferry.v1 import tensor_service_pb2 as pb

T = TypeVar("T")
Sealed = Optional[tuple[SealedMemory, int]]
Outbox = queue.SimpleQueue[Optional[Upload]]


class Client(CallingClient):
    """A connection to a tensorferry server. Threads may share it.

    Errors: what arrays, server and connection do not allow is a TensorferryError: RefusedError (ArrayError
        where this client refused the array), VerificationError, DeadlineError, TransportError (also where the
        client is closed) or ProtocolError. An argument that cannot be meant is a TypeError or ValueError that
        names it. What the caller's own iterable raises goes through.
    """

    _transport = grpc
    _call_later = staticmethod(ALARMS.call_later)

    def _connect(self) -> None:
        super()._connect()
        self._compiled: CompiledChannel | None = None
        if core() == "compiled" and not self._balance:
            self._compiled = compiled_channel(
                self._address, self._options, self._metadata, self._security, bool(self._wait_for_ready)
            )
        self._plain_options.may_change = False  # Its thread waits.
        self._plain_options.borrow = self._compiled is not None
        self._plain_options.native_chunks = None if self._compiled is None else native_chunks
        if self._compiled is None and not self._balance:  # Each balanced call would need a stream of its own.
            self._default_call_limits = CHEAP_LIMITS
        self._streams = StreamPool(self._call_later, keep=not self._balance)
        end_before_fork(self._streams)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection and all calls under way. Closing twice is closing."""
        self._closed = True
        self._streams.close()
        self._close_side()
        self._channel.close()
        if self._compiled is not None:
            self._compiled.close()

    def convert(
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
        """Makes a torch tensor of `array` on the server.

        Large arrays travel in chunks that borrow the array's memory.

        Args:
            name: A label, echoed in the receipt.
            dtype: What elements of a void array are: np.load makes bfloat16 `|V2`. A name is little-endian.
            strict: Refuse what `torch.from_numpy` would refuse: what is no NumPy array, strides that are
                negative or no multiple of the itemsize, byte orders, dtypes. Besides, bools but 0 and 1.
            return_data: Fetch the tensor's elements as `Receipt.data`.
            digest: Prove the elements by digests taken on both sides.
            request_id: Echoed in the receipt, at most 256 bytes.
            progress: Called with the bytes of elements that were sent so far, and with those of all, while
                they are sent in chunks, in another thread, and at last, with all of them, once they are
                answered. It begins anew where the request is repeated. What it raises ends the call.
            timeout: Seconds; None: the client's.
        """
        options = self._wanted(strict, return_data, digest, progress)
        return self._call(self._convert_request(array, name, dtype, options, request_id), timeout)

    @overload
    def convert_many(
        self,
        arrays: Iterable[Source],
        *,
        dtype: npt.DTypeLike | None = ...,
        strict: bool = ...,
        return_data: bool = ...,
        digest: bool = ...,
        on_error: Literal["raise"] = ...,
        timeout: float | None = ...,
    ) -> Iterator[Receipt]: ...

    @overload
    def convert_many(
        self,
        arrays: Iterable[Source],
        *,
        dtype: npt.DTypeLike | None = ...,
        strict: bool = ...,
        return_data: bool = ...,
        digest: bool = ...,
        on_error: Literal["return"],
        timeout: float | None = ...,
    ) -> Iterator[Receipt | TensorferryError]: ...

    def convert_many(
        self,
        arrays: Iterable[Source],
        *,
        dtype: npt.DTypeLike | None = None,
        strict: bool = False,
        return_data: bool = False,
        digest: bool = True,
        on_error: OnError = "raise",
        timeout: float | None = None,
    ) -> Iterator[Receipt | TensorferryError]:
        """Converts arrays over one stream and yields their receipts in the same order.

        `arrays` is consumed lazily, in the caller's thread, ahead of the receipts by at most 32 arrays and
        about 32 MiB. An array above 4 MiB must not change before its receipt is there.

        Args:
            on_error: For an array that is refused or not equal, "raise" ends the stream there, "return"
                yields the error in the receipt's place and goes on. A broken stream always raises.
            timeout: Seconds for the whole stream; None: the client's.

        The other arguments are those of `convert`.
        """
        options = self._wanted_of_many(strict, return_data, digest)
        many = self._conversions(arrays, dtype, options, timeout)
        return self._many(many, _arguments.on_error(on_error))

    def infer(
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
        """Runs a model on named arrays and returns its outputs by name, those that NumPy lacks as ml_dtypes.

        Inputs are verified as `convert` does it. They and the outputs may be of any size.

        Args:
            version: Of the model; "": the server's choice.
            outputs: The names wanted, in the order wanted; (): all.
            request_id: Echoed in the result, at most 256 bytes.
            progress: As that of `convert`, for all inputs together.
        """
        options = self._wanted(strict, False, digest, progress)
        asked = (model, version, outputs, request_id)
        return self._call(self._infer_request(inputs, asked, options), timeout)

    def convert_file(
        self,
        path: FilePath,
        *,
        dtype: npt.DTypeLike | None = None,
        strict: bool = False,
        return_data: bool = False,
        digest: bool = True,
        progress: Report | None = None,
        timeout: float | None = None,
    ) -> dict[str, Receipt]:
        """Converts the arrays of an .npy, .npz or safetensors file; returns the receipts by name, in order.

        The name is the member's, or the file's without its extension. A file is never read as a whole: .npy
        and safetensors files are mapped, members of an .npz file are read one after the other.

        Args:
            dtype: What elements of void arrays are: np.save makes `|V2` of bfloat16. Others keep theirs.
            progress: As that of `convert`, for all arrays of the file together.

        The other arguments are those of `convert_many`. Errors besides: OSError. An array that cannot be read
        (ArrayError) or is refused ends it.
        """
        path, report, names = _arguments.path(path), _arguments.progress(progress), list[str]()
        together = None if report is None else reports_together(report, file_nbytes(path))
        options = self._wanted_of_many(strict, return_data, digest, together)
        many = self._file_conversions(file_arrays(path), names, dtype, options, timeout)
        receipts = [unless_error(outcome) for outcome in self._many(many, "raise")]
        return dict(zip(names, receipts))

    @overload
    def infer_many(
        self,
        requests: Iterable[InferLike],
        *,
        strict: bool = ...,
        digest: bool = ...,
        on_error: Literal["raise"] = ...,
        timeout: float | None = ...,
    ) -> Iterator[Outputs]: ...

    @overload
    def infer_many(
        self,
        requests: Iterable[InferLike],
        *,
        strict: bool = ...,
        digest: bool = ...,
        on_error: Literal["return"],
        timeout: float | None = ...,
    ) -> Iterator[Outputs | TensorferryError]: ...

    def infer_many(
        self,
        requests: Iterable[InferLike],
        *,
        strict: bool = False,
        digest: bool = True,
        on_error: OnError = "raise",
        timeout: float | None = None,
    ) -> Iterator[Outputs | TensorferryError]:
        """Runs models over one stream and yields their outputs in the order of the requests.

        A request is an Infer, or a pair of model and inputs; each may name another model. `requests` is
        consumed as `convert_many` consumes arrays, and several requests run at once.

        Args:
            on_error: For a request that is refused or fails, "raise" ends the stream there, "return" yields
                the error in the outputs' place and goes on. A broken stream always raises.
            timeout: Seconds for the whole stream; None: the client's.
        """
        options = self._wanted_of_many(strict, False, digest)
        many = self._inferences(requests, options, timeout)
        return self._many(many, _arguments.on_error(on_error))

    def server_info(self, *, timeout: float | None = None) -> ServerInfo:
        """Returns version, limits and dtypes of the server."""
        with self._translated:
            info = self._stub.GetServerInfo(pb.GetServerInfoRequest(), **self._call_settings(timeout))
        return to_server_info(info)

    def models(self, *, timeout: float | None = None) -> list[Model]:
        """Returns every model version, by name, then version."""
        with self._translated:
            models = self._stub.ListModels(pb.ListModelsRequest(), **self._call_settings(timeout))
        return to_models(models)

    def health(self, service: str = "", *, timeout: float | None = None) -> HealthStatus:
        """Asks the standard health service; "" is the server as a whole. RefusedError: no such service."""
        service = _arguments.text("service", service)
        with self._translated:
            status = self._check_health(health_request(service), **self._call_settings(timeout))
        return to_health(status.value)

    def _call(self, request: Request[T], timeout: float | None) -> T:
        end = self._end(timeout)
        failure = None
        try:
            stays = request.nbytes < self._sealed_nbytes and not request.output_nbytes
            if stays and self._is_unary(request):
                left = None if end is None else end - time.monotonic()
                return request.answer(self._unary(request.upload, left))
        except TensorferryError as error:
            failure = error
        try:
            return self._run(self._answer(request, end, failure))
        finally:
            del failure  # Its traceback has this frame.

    def _run(self, steps: Steps[T]) -> T:
        """Hands each step the result of its own I/O, which is there already."""
        result = None
        while True:
            try:
                result = steps.send(result)
            except StopIteration as end:
                return cast(T, end.value)

    def _many(self, many: Many[T], on_error: OnError) -> Iterator[T | TensorferryError]:
        many.items = iter(many.items)
        many.end = self._end(many.timeout)
        self._begin(many)
        try:
            while True:
                steps = self._next_outcome(many)
                outcome = self._run(steps)
                if outcome is None:
                    return
                yield outcome if on_error == "return" else unless_error(outcome)
        finally:
            many.close()

    def _unary(self, upload: Upload, timeout: float | None) -> Response:
        if self._closed:
            raise closed()
        try:
            if self._compiled is not None and self._compiled.is_usable:
                return self._compiled.convert(upload.pieces, timeout)
            answer: bytes = self._convert(upload.message, timeout, self._metadata, None, self._wait_for_ready)
        except Exception as error:
            self._raise_translated(error)
            raise
        return whole_response(answer)

    def _read(self, stream: Stream, room: memoryview | None) -> Message | None:
        call = stream.call
        with self._translated:
            if isinstance(call, CompiledCall):
                return call.read(room)
            message: bytes | None = next(call, None)
        return message

    def _open(self, seconds: float | None) -> Stream:
        outbox: Outbox = queue.SimpleQueue()
        stream = Stream(outbox.put, outbox.get)
        with self._translated:
            stream.call = self._convert_stream(_outgoing(stream), **self._settings_until(seconds))
        return stream

    def _open_kept(self) -> Stream:
        if self._compiled is not None and self._compiled.is_usable:
            return self._compiled.open_stream()
        return super()._open_kept()

    def _open_many(self, many: Many[Any]) -> Stream:
        if self._compiled is None or not self._compiled.is_usable or many.reports:
            return super()._open_many(many)
        with self._translated:
            return self._compiled.open_pipelined_stream(many.left)

    def _next_of(self, items: Any) -> Any:
        return next(items, END)

    def _sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def _sealed(self, array: WireArray, may_copy: bool, may_change: bool) -> Sealed:
        return array.seal(may_copy, may_change)

    def _output_memory(self, nbytes: int) -> OutputMemory:
        return OutputMemory(nbytes)


def _outgoing(stream: Stream) -> Iterator[bytes]:
    """Yields the messages of the uploads that the stream is given. gRPC's thread asks for them."""
    while (upload := stream.get()) is not None:
        yield from upload.messages()
        if upload.failure is not None:
            stream.give_up()
        del upload  # It borrows a caller's array.
