"""The blocking client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, overload

import numpy.typing as npt

from tensorferry import _arguments
from tensorferry._base import OnError, health_request
from tensorferry._blocking import BlockingClient
from tensorferry._errors import TensorferryError
from tensorferry._files import FilePath, file_arrays, file_nbytes
from tensorferry._info import HealthStatus, Model, ServerInfo, to_health, to_models, to_server_info
from tensorferry._progress import Report, reports_together
from tensorferry._receipt import Receipt
from tensorferry._results import InferLike, Outputs
from tensorferry._sources import Source
from tensorferry.v1 import tensor_service_pb2 as pb


class Client(BlockingClient):
    """A connection to a tensorferry server. Threads may share it.

    Errors: what arrays, server and connection do not allow is a TensorferryError: RefusedError (ArrayError
        where this client refused the array), VerificationError, DeadlineError, TransportError (also where the
        client is closed) or ProtocolError. An argument that cannot be meant is a TypeError or ValueError that
        names it. What the caller's own iterable raises goes through.
    """

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

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
                they are sent in chunks, in another thread unless the compiled core sends them, and at last,
                with all of them, once they are answered. It begins anew where the request is repeated. What
                it raises ends the call.
            timeout: Seconds, of which 0 are too few for anything to be sent; None: the client's.
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

    @overload
    def convert_file(
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
    def convert_file(
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

    def convert_file(
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
        """Converts the arrays of an .npy, .npz or safetensors file; returns the receipts by name, in order.

        The name is the member's, or the file's without its extension. A file is never read as a whole: .npy
        and safetensors files are mapped, members of an .npz file are read one after the other. Nobody may
        make the file smaller meanwhile: the system ends a process that reads what is no longer in it.

        Args:
            dtype: What elements of void arrays are: np.save makes `|V2` of bfloat16. Others keep theirs. The
                byte order is the file's, which np.load forgets.
            progress: As that of `convert`, for all arrays of the file together.

            on_error: For an array that cannot be read (ArrayError), is refused or not equal, "raise" ends it
                there, "return" puts the error in the receipt's place and goes on.

        The other arguments are those of `convert_many`. Errors besides: OSError.
        """
        path, report, names = _arguments.path(path), _arguments.progress(progress), list[str]()
        together = None if report is None else reports_together(report, file_nbytes(path))
        options = self._wanted_of_many(strict, return_data, digest, together)
        many = self._file_conversions(file_arrays(path), names, dtype, options, timeout)
        outcomes = self._many(many, _arguments.on_error(on_error))
        return dict(zip(names, list(outcomes)))

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
