"""How what callers ask for becomes requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

from tensorferry import _arguments
from tensorferry._base import BaseClient
from tensorferry._errors import TensorferryError
from tensorferry._files import Named, file_request
from tensorferry._limits import DEFAULT_LIMITS, Limits
from tensorferry._many import Many
from tensorferry._progress import MakeProgress, Report, reports_to
from tensorferry._receipt import Receipt
from tensorferry._request import (
    CONVERSION,
    ConvertRequest,
    InferRequest,
    Options,
    Target,
    convert_request,
    infer_request,
)
from tensorferry._results import InferLike, Outputs, to_infer
from tensorferry._sources import Source
from tensorferry._stream import StreamState


class AskingClient(BaseClient):
    """A client that makes requests of arguments, and does not send them."""

    _plain_options: Options  # Those of most calls.
    _default_call_limits = DEFAULT_LIMITS

    def _wanted(self, strict: bool, return_data: bool, digest: bool, progress: Report | None) -> Options:
        """Errors: TypeError for arguments that cannot be meant."""
        if digest is True and strict is False and return_data is False and progress is None:
            return self._plain_options
        options = Options(strict, return_data, digest, self._verify, reports_to(progress))
        options.borrow = self._plain_options.borrow
        options.native_chunks = self._plain_options.native_chunks
        options.may_change = self._plain_options.may_change
        options.outputs = self._outputs
        return options

    def _wanted_of_many(
        self, strict: bool, return_data: bool, digest: bool, progress: MakeProgress | None = None
    ) -> Options:
        """Options of requests whose arrays of one message may change before they are answered."""
        native = self._plain_options.native_chunks
        return Options(
            strict, return_data, digest, self._verify, progress, native_chunks=native, outputs=self._outputs
        )

    def _convert_request(
        self, array: Source, name: str, dtype: npt.DTypeLike | None, options: Options, request_id: str
    ) -> ConvertRequest:
        """Errors: TypeError and ValueError for arguments that cannot be meant; ArrayError."""
        name, dtype = _arguments.text("name", name), _arguments.dtype(dtype)
        target = CONVERSION
        if request_id != "":
            target = Target(request_id=_arguments.text("request_id", request_id))
        return ConvertRequest(array, name, dtype, options, self._call_limits(), target=target)

    def _infer_request(
        self,
        inputs: Mapping[str, Source],
        asked: tuple[str, str | int, Sequence[str], str],
        options: Options,
    ) -> InferRequest:
        """`asked` is what Target has. Errors: as those of `_convert_request`."""
        model, version, outputs, request_id = asked
        target = Target(
            _arguments.model(model),
            version if version == "" else _arguments.version(version),
            outputs if outputs == () else tuple(_arguments.texts("outputs", outputs)),
            request_id if request_id == "" else _arguments.text("request_id", request_id),
        )
        return InferRequest(target, _arguments.inputs(inputs), options, self._call_limits())

    def _call_limits(self) -> Limits:
        """Returns the limits of a request whose caller waits for its answer."""
        limits = self._limits
        if limits is DEFAULT_LIMITS:
            return self._default_call_limits
        return limits.within(self._default_call_limits)

    def _conversions(
        self, arrays: Any, dtype: npt.DTypeLike | None, options: Options, timeout: float | None
    ) -> Many[Receipt]:
        dtype, arrays = _arguments.dtype(dtype), _arguments.iterable("arrays", arrays)
        state = StreamState[Receipt](self._limits)

        def make(index: int, array: Source) -> ConvertRequest | TensorferryError:
            return convert_request(array, index, dtype, options, state.limits)

        return Many(state, arrays, make, timeout)

    def _inferences(self, requests: Any, options: Options, timeout: float | None) -> Many[Outputs]:
        requests = _arguments.iterable("requests", requests, "requests")
        state = StreamState[Outputs](self._limits)

        def make(index: int, request: InferLike) -> InferRequest | TensorferryError:
            return infer_request(to_infer(request), index, options, state.limits)

        return Many(state, requests, make, timeout)

    def _file_conversions(
        self,
        items: Any,
        names: list[str],
        dtype: npt.DTypeLike | None,
        options: Options,
        timeout: float | None,
    ) -> Many[Receipt]:
        """Appends to `names` those of the arrays that are asked for."""
        dtype = _arguments.dtype(dtype)
        state = StreamState[Receipt](self._limits)

        def make(_: int, named: Named) -> ConvertRequest | TensorferryError:
            names.append(named[0])
            return file_request(named, dtype, options, state.limits)

        return Many(state, items, make, timeout, options.progress is not None)
