"""One request: what it sends, and what its response becomes. Knows neither calls nor event loops."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Generic, TypeVar

import numpy.typing as npt

from tensorferry import _arguments
from tensorferry._arrays import WireArray, to_array
from tensorferry._elements import Array
from tensorferry._errors import ArrayError, ProtocolError, TensorferryError, about
from tensorferry._receipt import Receipt, make_receipt, verify
from tensorferry._response import Response
from tensorferry._sources import Source
from tensorferry.v1 import tensor_service_pb2 as pb

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """How elements are spread over messages, in bytes."""

    inline_nbytes: int  # Most that one request carries in itself; arrays beyond it are chunked.
    chunk_nbytes: int

    def within(self, other: Limits) -> Limits:
        """Returns limits that both allow."""
        return Limits(
            min(self.inline_nbytes, other.inline_nbytes), min(self.chunk_nbytes, other.chunk_nbytes)
        )


DEFAULT_LIMITS = Limits(inline_nbytes=4 << 20, chunk_nbytes=1 << 20)  # Most servers take them; others say so.


@dataclass(frozen=True)
class Options:
    """What is wanted of a request."""

    strict: bool = False
    return_data: bool = False
    digest: bool = True
    verify: bool = True

    def __post_init__(self) -> None:
        """Errors: TypeError for what is neither true nor false."""
        for name in ("strict", "return_data", "digest", "verify"):
            value = getattr(self, name)
            if type(value) is not bool:
                object.__setattr__(self, name, _arguments.flag(name, value))


class Upload:
    """One try to send a request.

    It shares nothing that changes with another try: gRPC's thread may still send the last one when the next
    begins.

    Attributes:
        message: What to send first, or alone. Arrays that are not in it follow in chunks.
        ended: Set when the response is there, or another try begins: no more chunks are wanted.
    """

    def __init__(self, message: pb.ConvertRequest, chunks: Sequence[Iterator[bytes]]) -> None:
        self.message = message
        self.ended = False
        self._chunks = chunks

    @property
    def is_one_message(self) -> bool:
        return not self._chunks

    def messages(self) -> Iterator[pb.ConvertStreamRequest]:
        """Yields the request and its chunks, or fewer of them if it ended meanwhile."""
        yield pb.ConvertStreamRequest(request=self.message)
        for chunk in chain.from_iterable(self._chunks):
            if self.ended:
                return
            yield pb.ConvertStreamRequest(chunk=chunk)


class Request(ABC, Generic[T]):
    """What is asked about some arrays, and the latest try to send it.

    Attributes:
        limits: Those of the latest try.
        upload: Arrays up to `limits.inline_nbytes` in all are in its message, the others are announced there.
        nbytes: Of all arrays.
    """

    def __init__(
        self,
        arrays: Sequence[WireArray],
        options: Options,
        limits: Limits,
        model: pb.ConvertRequest | None = None,
    ) -> None:
        """Asks for the model and the outputs that the fields of `model` name, if it is given."""
        self._template = pb.ConvertRequest(
            fidelity=pb.FIDELITY_STRICT if options.strict else pb.FIDELITY_CONVERT,
            digest=pb.DIGEST_ALGORITHM_XXH3_128 if options.digest else pb.DIGEST_ALGORITHM_UNSPECIFIED,
            return_data=options.return_data,
        )
        if model is not None:
            self._template.MergeFrom(model)
        self.nbytes = sum(array.nbytes for array in arrays)
        self._arrays = arrays
        self._verify = options.verify
        self.upload = self._plan(limits)

    def plan_again(self, limits: Limits) -> None:
        """Ends the upload and makes another one, for these limits."""
        self.upload.ended = True
        for array, sent in zip(self._arrays, self.upload.message.arrays):
            if sent.WhichOneof("payload") == "data":
                array.keep(sent.data)
        self.upload = self._plan(limits)

    def _plan(self, limits: Limits) -> Upload:
        """Spreads the elements over messages."""
        self.limits = limits
        message = pb.ConvertRequest()
        message.CopyFrom(self._template)
        chunks = []
        room = limits.inline_nbytes
        for array in self._arrays:
            if array.nbytes <= room:
                room -= array.nbytes
                message.arrays.append(array.inline())
            else:
                message.arrays.append(array.announced())
                chunks.append(array.chunks(limits.chunk_nbytes))
        return Upload(message, chunks)

    @property
    def fits_unary(self) -> bool:
        """The request is one message; whether the response is, the server knows."""
        return self.upload.is_one_message

    @property
    def model(self) -> str:
        """The name of the model; "" for conversion alone."""
        return str(self._template.model_name)

    def explain(self, error: TensorferryError) -> TensorferryError:
        """Says in the error which array it speaks of, if there is one alone."""
        return about(error, self._arrays[0].label) if len(self._arrays) == 1 else error

    @abstractmethod
    def finish(self, response: Response) -> T:
        """Turns the complete response into the result. Errors: ProtocolError, VerificationError."""

    def _receipts(self, response: Response) -> list[Receipt]:
        if len(response.tensors) != len(self._arrays):
            raise ProtocolError(f"{len(self._arrays)} arrays were sent, {len(response.tensors)} tensors came")
        receipts = []
        for sent, (metadata, elements) in zip(self._arrays, response.tensors):
            data = None if elements is None else to_array(metadata, elements)
            receipts.append(make_receipt(sent, metadata, data))
            if self._verify:
                verify(receipts[-1], sent)
        return receipts


class ConvertRequest(Request[Receipt]):
    """Converts one array to its receipt."""

    def __init__(
        self,
        array: Source,
        name: str,
        dtype: npt.DTypeLike | None,
        options: Options,
        limits: Limits,
        index: int | None = None,
    ) -> None:
        strict, digest = options.strict, options.digest
        wire = WireArray(array, name=name, dtype=dtype, strict=strict, digest=digest, index=index)
        super().__init__([wire], options, limits)

    def finish(self, response: Response) -> Receipt:
        return self._receipts(response)[0]


def convert_request(
    array: Source, index: int, dtype: npt.DTypeLike | None, options: Options, limits: Limits
) -> ConvertRequest | ArrayError:
    """Returns the request for one array of many, or why there is none: no array costs the others anything."""
    try:
        return ConvertRequest(array, "", dtype, options, limits, index)
    except ArrayError as error:
        return error


class InferRequest(Request["dict[str, Array]"]):
    """Runs a model on named arrays."""

    def __init__(
        self,
        model: str,
        version: str,
        inputs: Mapping[str, Source],
        outputs: Sequence[str],
        options: Options,
        limits: Limits,
    ) -> None:
        strict, digest = options.strict, options.digest
        arrays = [WireArray(array, name=name, strict=strict, digest=digest) for name, array in inputs.items()]
        wanted = pb.ConvertRequest(model_name=model, model_version=version, requested_outputs=outputs)
        super().__init__(arrays, options, limits, wanted)

    def finish(self, response: Response) -> dict[str, Array]:
        self._receipts(response)
        outputs = {}
        for metadata, elements in response.outputs:
            if elements is None:
                raise ProtocolError(f"output '{metadata.name}' came without its elements")
            outputs[metadata.name] = to_array(metadata, elements)
        return outputs
