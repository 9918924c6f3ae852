"""One request: what it sends, and what its response becomes. Knows neither calls nor event loops."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from tensorferry import _arguments
from tensorferry._arrays import WireArray, to_array
from tensorferry._errors import ArrayError, ProtocolError, TensorferryError, about
from tensorferry._limits import Limits
from tensorferry._outputs import Lease, OutputPool, memory_for
from tensorferry._progress import MakeProgress
from tensorferry._receipt import Receipt, is_faithful, make_receipt, verify
from tensorferry._response import Received, Response
from tensorferry._results import Infer, Outputs, to_timing
from tensorferry._sealed import SealedMemory
from tensorferry._side import Region
from tensorferry._sources import Source
from tensorferry._upload import MakeChunks, NativeChunks, Upload
from tensorferry._wire import Buffer, output_memory
from tensorferry.v1 import tensor_service_pb2 as pb

T = TypeVar("T")


class Options:
    """What is wanted of a request."""

    __slots__ = (
        "borrow", "digest", "may_change", "native_chunks", "outputs", "progress", "return_data", "strict",
        "verify",
    )  # fmt: skip

    def __init__(
        self,
        strict: bool = False,
        return_data: bool = False,
        digest: bool = True,
        verify: bool = True,
        progress: MakeProgress | None = None,
        borrow: bool = False,
        native_chunks: MakeChunks | None = None,
        may_change: bool = True,
        outputs: OutputPool | None = None,
    ) -> None:
        """`progress` makes what is told how much of a request's bytes was sent.

        `borrow`: A request may refer to small arrays as well, whose caller waits until it is answered.
        `native_chunks`: The compiled core cuts large arrays, but for requests with `progress`.
        `may_change`: What was sealed, the caller may write to before the request is answered.
        `outputs`: Has memory that a server can write outputs to.

        Errors: TypeError for what is neither true nor false.
        """
        self.borrow = borrow
        self.native_chunks = native_chunks
        self.may_change = may_change
        self.outputs = outputs
        self.progress = progress
        self.strict = _arguments.flag("strict", strict)
        self.return_data = _arguments.flag("return_data", return_data)
        self.digest = _arguments.flag("digest", digest)
        self.verify = _arguments.flag("verify", verify)


class Target(NamedTuple):
    """The model that a request asks for, and the outputs; none for conversion alone."""

    model: str = ""
    version: str = ""
    outputs: Sequence[str] = ()
    request_id: str = ""


CONVERSION = Target()


@lru_cache(maxsize=256)
def _request_head(target: Target, strict: bool, digest: bool, return_data: bool) -> bytes:
    """Returns the fields of a ConvertRequest that stand before its arrays, but for `request_id`."""
    message = pb.ConvertRequest(
        model_name=target.model,
        model_version=target.version,
        fidelity=pb.FIDELITY_STRICT if strict else pb.FIDELITY_CONVERT,
        digest=pb.DIGEST_ALGORITHM_XXH3_128 if digest else pb.DIGEST_ALGORITHM_UNSPECIFIED,
        return_data=return_data,
        requested_outputs=target.outputs,
    )
    return bytes(message.SerializeToString())


class Place(NamedTuple):
    """Where a server finds the elements of an array: in a region of sealed memory."""

    region: Region
    offset: int
    memory: SealedMemory


class Request(ABC, Generic[T]):
    """What is asked about some arrays, and the latest try to send it.

    Attributes:
        model: The model's name; "" for conversion alone.
        limits: Those of the latest try.
        nbytes: Of all arrays.
        is_placed: The latest try has arrays in sealed memory that was handed over.
        keeps_off: No array is to be handed over any more.
        may_change: What was sealed, the caller may write to before the request is answered.
        output_nbytes: What memory for the elements that come back needs; 0 where none is wanted.
        lease: That memory, which the server may write to until it has answered.
    """

    def __init__(
        self,
        arrays: Sequence[WireArray],
        options: Options,
        limits: Limits,
        target: Target = CONVERSION,
    ) -> None:
        request_id = target.request_id
        kept = target._replace(request_id="") if request_id else target
        self._head = _request_head(kept, options.strict, options.digest, options.return_data)
        if request_id:
            self._head += pb.ConvertRequest(request_id=request_id).SerializeToString()
        self.model = target.model
        self.nbytes = sum([array.nbytes for array in arrays])
        self._arrays = arrays
        self._progress = None if options.progress is None else options.progress(self.nbytes)
        self._verify = options.verify
        self._return_data = options.return_data
        self._places: dict[int, Place] = {}
        self._kept: list[Place] = []  # Those whose regions stay as long as their memory.
        self._upload: Upload | None = None
        self._borrow = options.borrow
        self.may_change = options.may_change
        self._native_chunks = options.native_chunks if options.progress is None else None
        self.limits = limits
        self.is_placed = self.keeps_off = False
        self.lease: Lease | None = None
        self._outputs = options.outputs
        self._key = (kept, self.nbytes)
        self.output_nbytes = 0 if self._outputs is None else self._expected(self._outputs)

    def _expected(self, outputs: OutputPool) -> int:
        """Returns what `output_nbytes` is."""
        return outputs.expected(self._key)

    @property
    def upload(self) -> Upload:
        """The latest try to send it.

        Arrays up to `limits.inline_nbytes` in all are in its message, the others are announced there, or lie
        in sealed memory.
        """
        return self._upload or self.plan()

    def plan(self) -> Upload:
        """Makes the upload, if there is none: from now on the arrays that go in one message may change."""
        if self._upload is None:
            self._upload = self._plan(self.limits)
        return self._upload

    @property
    def is_planned(self) -> bool:
        """An upload was made."""
        return self._upload is not None

    def to_place(self, nbytes: float) -> list[tuple[int, WireArray]]:
        """Returns the arrays of at least so many bytes, and their positions."""
        return [(index, array) for index, array in enumerate(self._arrays) if array.nbytes >= nbytes]

    def put(self, index: int, place: Place) -> None:
        """Takes the place of an array, before the upload is asked for."""
        self._places[index] = place
        if place.memory.may_come_again:
            self._kept.append(place)
        self.is_placed = True

    def lend(self, lease: Lease) -> None:
        """Takes memory for what comes back, before the upload is asked for."""
        self.lease = lease

    def give_up_lease(self) -> bool:
        """Lets go of memory that the server may still write to. Returns whether there was any."""
        lease, self.lease = self.lease, None
        self.output_nbytes = 0
        return lease is not None

    def give_up_places(self) -> None:
        """Lets go of what was handed over, and may be lost: the next upload has all elements."""
        for place in self._kept:
            if place.memory.region is place.region:
                place.memory.region = None
        self._kept, self._places = [], {}
        self.keeps_off = True

    def end(self) -> None:
        """Ends the upload, and lets go of what was handed over: the server has it, or never will."""
        if self._upload is not None:
            self._upload.end()
        self._places = {}

    def plan_again(self, limits: Limits) -> None:
        """Ends the upload and makes another one, for these limits, whose elements come back in messages."""
        self.limits = limits
        self.give_up_lease()
        self.is_placed = bool(self._places)
        if self._upload is None:
            return
        self.upload.end()
        if self._progress is not None:
            self._progress.restart(self.upload)
        for array, sent in zip(self._arrays, pb.ConvertRequest.FromString(self.upload.message).arrays):
            if sent.WhichOneof("payload") == "data":
                array.keep(sent.data)
        self._upload = self._plan(limits)

    def _plan(self, limits: Limits) -> Upload:
        """Spreads the elements over messages, but for those that lie in sealed memory."""
        pieces: list[Buffer] = [self._head]
        chunks: list[Iterator[Buffer] | NativeChunks] = []
        native = self._native_chunks
        room = limits.inline_nbytes
        there = 0
        for index, array in enumerate(self._arrays):
            place = self._places.get(index)
            if place is not None:
                there += array.nbytes
                pieces.append(array.placed(place.region.name, place.offset))
            elif array.nbytes <= room:
                room -= array.nbytes
                pieces += array.inline()
            else:
                pieces.append(array.announced())
                limit = limits.chunk_nbytes
                chunks.append(array.native_chunks(limit, native) if native else array.chunks(limit))
        if self.lease is not None:
            pieces.append(output_memory(self.lease.place()))
        message = pieces if self._borrow else [b"".join(pieces)]
        inline_nbytes = there + limits.inline_nbytes - room
        return Upload(message, chunks, inline_nbytes, self._progress, native is not None)

    @property
    def fits_unary(self) -> bool:
        """The request is one message, and so is a response that brings the same elements back.

        Whether another response is, the server knows.
        """
        comes_back = self._return_data and self.nbytes > self.limits.inline_nbytes and self.lease is None
        return self.upload.is_one_message and not comes_back

    def explain(self, error: TensorferryError) -> TensorferryError:
        """Says in the error which array it speaks of, if there is one alone."""
        return about(error, self._arrays[0].label) if len(self._arrays) == 1 else error

    def answer(self, response: Response) -> T:
        """Takes the complete response. Errors: those of `finish`, and what the caller's `progress` raises."""
        if self.lease is not None:
            self.lease.answered()
        result = self.finish(response)
        self.lease = None
        if self._progress is not None:
            self._progress.complete(self.upload, self.nbytes)
        return result

    @abstractmethod
    def finish(self, response: Response) -> T:
        """Turns the complete response into the result. Errors: ProtocolError, VerificationError."""

    def _received(self, response: Response) -> Iterator[tuple[WireArray, Received]]:
        """Returns the arrays with the tensors that were made of them. Errors: ProtocolError."""
        if len(response.tensors) != len(self._arrays):
            raise ProtocolError(f"{len(self._arrays)} arrays were sent, {len(response.tensors)} tensors came")
        return zip(self._arrays, response.tensors)

    def _elements(self, received: Received) -> npt.NDArray[np.uint8] | None:
        """Returns the bytes of a tensor, wherever they are. Errors: ProtocolError."""
        elements = received[1]
        if not isinstance(elements, pb.SharedMemoryRange):
            return elements
        if self.lease is None:
            raise ProtocolError("elements came in memory that was not offered")
        return self.lease.elements(elements)


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
        target: Target = CONVERSION,
        big_endian: bool = False,
    ) -> None:
        strict, digest = options.strict, options.digest
        wire = WireArray(
            array, name=name, dtype=dtype, strict=strict, digest=digest, index=index, big_endian=big_endian
        )
        super().__init__([wire], options, limits, target)

    def _expected(self, outputs: OutputPool) -> int:
        return memory_for([self.nbytes]) if self._return_data else 0

    def finish(self, response: Response) -> Receipt:
        ((sent, received),) = self._received(response)
        metadata, elements = received[0], self._elements(received)
        data = None if elements is None else to_array(metadata, elements)
        receipt = make_receipt(sent, metadata, data, response.message)
        if self._verify:
            verify(receipt, sent)
        return receipt


def convert_request(
    array: Source, index: int, dtype: npt.DTypeLike | None, options: Options, limits: Limits
) -> ConvertRequest | ArrayError:
    """Returns the request for one array of many, or why there is none: no array costs the others anything."""
    try:
        return ConvertRequest(array, "", dtype, options, limits, index)
    except ArrayError as error:
        return error


class InferRequest(Request[Outputs]):
    """Runs a model on named arrays. `index` is the request's position among others."""

    def __init__(
        self,
        target: Target,
        inputs: Mapping[str, Source],
        options: Options,
        limits: Limits,
        index: int | None = None,
    ) -> None:
        self._index = index
        strict, digest = options.strict, options.digest
        arrays = [WireArray(array, name=name, strict=strict, digest=digest) for name, array in inputs.items()]
        super().__init__(arrays, options, limits, target)

    def explain(self, error: TensorferryError) -> TensorferryError:
        if self._index is not None:
            error.metadata["index"] = str(self._index)
        return super().explain(error)

    def finish(self, response: Response) -> Outputs:
        for sent, (metadata, _) in self._received(response):
            if self._verify and not is_faithful(metadata, sent):
                verify(make_receipt(sent, metadata, None, response.message), sent)
        message = response.message
        outputs = Outputs(
            {},
            model=message.model_name,
            version=message.model_version,
            request_id=message.request_id,
            timing=to_timing(message.timing),
        )
        for received in response.outputs:
            metadata, elements = received[0], self._elements(received)
            if elements is None:
                raise ProtocolError(f"output '{metadata.name}' came without its elements")
            outputs[metadata.name] = to_array(metadata, elements)
        if self._outputs is not None:
            self._outputs.learn(self._key, [output.nbytes for output in outputs.values()])
        return outputs


def infer_request(asked: Infer, index: int, options: Options, limits: Limits) -> InferRequest | ArrayError:
    """Returns one request of many, or why there is none: no request costs the others anything."""
    target = Target(asked.model, str(asked.version), asked.outputs, asked.request_id)
    try:
        return InferRequest(target, asked.inputs, options, limits, index)
    except ArrayError as error:
        error.metadata["index"] = str(index)
        return error
