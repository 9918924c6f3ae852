"""The blocking client."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Optional, TypeVar, overload

import grpc
import numpy.typing as npt

from tensorferry import _arguments
from tensorferry._base import BaseClient, OnError, health_request, to_limits, unless_error
from tensorferry._errors import RefusedError, TensorferryError, TransportError, is_outgrown
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
    Upload,
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
Outbox = queue.SimpleQueue[Optional[Upload]]


class Client(BaseClient):
    """A connection to a tensorferry server. Threads may share it.

    Errors: what arrays, server and connection do not allow is a TensorferryError: RefusedError (ArrayError
        where this client refused the array), VerificationError, DeadlineError, TransportError (also where the
        client is closed) or ProtocolError. An argument that cannot be meant is a TypeError or ValueError that
        names it. What the caller's own iterable raises goes through.
    """

    _transport = grpc

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
        self._channel.close()

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
        timeout: float | None = None,
    ) -> Receipt:
        """Makes a torch tensor of `array` on the server.

        Arrays above 4 MiB travel in chunks that borrow the array's memory.

        Args:
            name: A label, echoed in the receipt.
            dtype: What elements of a void array are: np.load makes bfloat16 `|V2`. A name is little-endian.
            strict: Refuse what `torch.from_numpy` would refuse: what is no NumPy array, strides that are
                negative or no multiple of the itemsize, byte orders, dtypes. Besides, bools but 0 and 1.
            return_data: Fetch the tensor's elements as `Receipt.data`.
            digest: Prove the elements by digests taken on both sides.
            request_id: Echoed in the receipt, at most 256 bytes.
            timeout: Seconds; None: the client's.
        """
        options = Options(strict, return_data, digest, self._verify)
        name, dtype = _arguments.text("name", name), _arguments.dtype(dtype)
        target = Target(request_id=_arguments.text("request_id", request_id))
        request = ConvertRequest(array, name, dtype, options, self._limits, target=target)
        return self._call(request, timeout)

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
        options = Options(strict, return_data, digest, self._verify)
        dtype, on_error = _arguments.dtype(dtype), _arguments.on_error(on_error)
        arrays = _arguments.iterable("arrays", arrays)
        return self._convert_many(arrays, dtype, options, on_error, timeout)

    def _convert_many(
        self,
        arrays: Iterable[Source],
        dtype: npt.DTypeLike | None,
        options: Options,
        on_error: OnError,
        timeout: float | None,
    ) -> Iterator[Receipt | TensorferryError]:
        state = StreamState[Receipt](self._limits)
        requests = (
            convert_request(array, index, dtype, options, state.limits) for index, array in enumerate(arrays)
        )
        for outcome in self._stream(state, requests, timeout):
            yield outcome if on_error == "return" else unless_error(outcome)

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
        timeout: float | None = None,
    ) -> Outputs:
        """Runs a model on named arrays and returns its outputs by name, those that NumPy lacks as ml_dtypes.

        Inputs are verified as `convert` does it. They and the outputs may be of any size.

        Args:
            version: Of the model; "": the server's choice.
            outputs: The names wanted, in the order wanted; (): all.
            request_id: Echoed in the result, at most 256 bytes.
        """
        options = Options(strict=strict, digest=digest, verify=self._verify)
        model, version = _arguments.model(model), _arguments.version(version)
        inputs, outputs = _arguments.inputs(inputs), tuple(_arguments.texts("outputs", outputs))
        target = Target(model, version, outputs, _arguments.text("request_id", request_id))
        request = InferRequest(target, inputs, options, self._limits)
        return self._call(request, timeout)

    def convert_file(
        self,
        path: FilePath,
        *,
        dtype: npt.DTypeLike | None = None,
        strict: bool = False,
        return_data: bool = False,
        digest: bool = True,
        timeout: float | None = None,
    ) -> dict[str, Receipt]:
        """Converts the arrays of an .npy or .npz file and returns their receipts by name, in its order.

        The name is the member's, or the file's without its extension. A file is never read as a whole: an
        .npy file is mapped, members of an .npz file are read one after the other.

        Args:
            dtype: What elements of void arrays are: np.save makes `|V2` of bfloat16. Others keep theirs.

        The other arguments are those of `convert_many`. Errors besides: OSError. An array that cannot be read
        (ArrayError) or is refused ends it.
        """
        options = Options(strict, return_data, digest, self._verify)
        dtype = _arguments.dtype(dtype)
        path = _arguments.path(path)
        state = StreamState[Receipt](self._limits)
        names: list[str] = []

        def requests() -> Iterator[ConvertRequest | TensorferryError]:
            for named in file_arrays(path):
                names.append(named[0])
                yield file_request(named, dtype, options, state.limits)

        receipts = [unless_error(outcome) for outcome in self._stream(state, requests(), timeout)]
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
        options = Options(strict=strict, digest=digest, verify=self._verify)
        on_error = _arguments.on_error(on_error)
        requests = _arguments.iterable("requests", requests, "requests")
        return self._infer_many(requests, options, on_error, timeout)

    def _infer_many(
        self, requests: Iterable[InferLike], options: Options, on_error: OnError, timeout: float | None
    ) -> Iterator[Outputs | TensorferryError]:
        state = StreamState[Outputs](self._limits)
        made = (
            infer_request(to_infer(request), index, options, state.limits)
            for index, request in enumerate(requests)
        )
        for outcome in self._stream(state, made, timeout):
            yield outcome if on_error == "return" else unless_error(outcome)

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

    def _other_limits(self, error: TensorferryError, used: Limits, timeout: float | None) -> Limits:
        """Returns limits for another try. Errors: `error`, unless another server's limits explain it."""
        if not is_outgrown(error):
            raise error
        self._limits = to_limits(self.server_info(timeout=timeout))
        limits = self._limits.within(used)
        if limits == used:
            raise error
        return limits

    def _call(self, request: Request[T], timeout: float | None) -> T:
        attempts = Attempts(self._retries, self._seconds(timeout))
        while True:
            try:
                return self._try(request, attempts.timeout)
            except TensorferryError as error:
                delay = attempts.delay(error)
            time.sleep(delay)
            request.plan_again(request.limits)

    def _try(self, request: Request[T], timeout: float | None) -> T:
        limits = request.limits
        if self._is_unary(request):
            try:
                with self._translated:
                    message = self._convert(request.upload.message, **self._call_settings(timeout))
                return request.finish(whole_response(message))
            except TensorferryError as error:
                request.explain(error)
                if not self._takes_stream(error, request):
                    limits = self._other_limits(error, limits, timeout)
                request.plan_again(limits)
        (outcome,) = self._stream(StreamState[T](limits), iter([request]), timeout)
        return unless_error(outcome)

    def _stream(
        self,
        state: StreamState[T],
        requests: Iterator[Request[T] | TensorferryError],
        timeout: float | None,
    ) -> Iterator[T | TensorferryError]:
        """Sends requests, on gRPC's thread, while it yields what became of them."""
        call, outbox = self._open(state, timeout)
        try:
            while not state.done:
                outcome: T | TensorferryError | None = state.take_unsent()
                if outcome is None and state.wants_request:
                    request = next(requests, None)
                    state.add(request)
                    if not isinstance(request, TensorferryError):
                        outbox.put(request.upload if request else None)
                elif outcome is None:
                    try:
                        with self._translated:
                            outcome = state.receive(next(call, None))
                    except (RefusedError, TransportError) as error:
                        state.limits = self._other_limits(error, state.limits, timeout)
                        outbox.put(None)
                        call, outbox = self._open(state, timeout)
                if outcome is not None:
                    yield outcome
            with self._translated:
                for message in call:
                    state.receive(message)
        finally:
            outbox.put(None)
            call.cancel()

    def _open(self, state: StreamState[T], timeout: float | None) -> tuple[Any, Outbox]:
        """Begins a stream with what an earlier one left unanswered."""
        outbox: Outbox = queue.SimpleQueue()
        for upload in state.unanswered():
            outbox.put(upload)
        with self._translated:
            return self._convert_stream(_outgoing(outbox), **self._call_settings(timeout)), outbox


def _outgoing(outbox: Outbox) -> Iterator[bytes]:
    for upload in iter(outbox.get, None):
        yield from upload.messages()
