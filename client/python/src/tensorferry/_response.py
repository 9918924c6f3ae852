"""Puts a response and the chunks that follow it together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional, Union

import numpy as np
import numpy.typing as npt

from tensorferry._errors import ProtocolError
from tensorferry._wire import Buffer, parsed_response, read_response
from tensorferry.v1 import tensor_service_pb2 as pb

# A Message of a stream is the message; the bytes of a chunk that lies where it belongs already; or a response
# without its elements, and these.
Message = Union[bytes, int, tuple[bytes, Sequence[Optional[npt.NDArray[np.uint8]]]]]
# The bytes of a tensor, or where the server has written them.
Received = tuple[pb.TensorMetadata, Union[npt.NDArray[np.uint8], pb.SharedMemoryRange, None]]


class Response:
    """A ConvertResponse and the elements of its tensors; chunks go straight into their tensor's memory.

    Attributes:
        message: The ConvertResponse, whose tensors may be without their elements.
        tensors, outputs: Metadata and bytes of each tensor, in order, or the place that these were written
            to; None for bytes that were not asked for.
    """

    def __init__(self, message: Buffer, cut: Sequence[npt.NDArray[np.uint8] | None] = ()) -> None:
        """`cut` has the elements that were cut out of the message already, as `read_response` does it.

        Errors: ProtocolError if it is no message, or announces more than memory holds.
        """
        self.message, elements = (parsed_response(message), cut) if cut else read_response(message)
        # _room has the memory of the chunked tensors that is still to be filled, in order of arrival.
        self._room: list[memoryview] = []
        cut_out = iter(elements)
        receive = self._receive
        self.tensors = [receive(tensor, next(cut_out, None)) for tensor in self.message.tensors[:]]
        self.outputs = [receive(tensor, next(cut_out, None)) for tensor in self.message.outputs[:]]

    @property
    def complete(self) -> bool:
        return not self._room

    @property
    def room(self) -> memoryview | None:
        """Where the next chunk begins, up to the end of its tensor."""
        return self._room[0] if self._room else None

    def add_chunk(self, chunk: Buffer | int) -> None:
        """Takes a chunk, or the number of bytes of one that lies in `room`.

        Errors: ProtocolError if no tensor waits for that many bytes.
        """
        nbytes = chunk if isinstance(chunk, int) else len(chunk)
        if not self._room or nbytes > len(self._room[0]):
            raise ProtocolError(f"a chunk of {nbytes} bytes came that nobody expects")
        if not isinstance(chunk, int):
            self._room[0][:nbytes] = chunk
        self._room[0] = self._room[0][nbytes:]
        if not self._room[0]:
            del self._room[0]

    def _receive(self, tensor: pb.Tensor, elements: Buffer | npt.NDArray[np.uint8] | None) -> Received:
        if isinstance(elements, np.ndarray):
            return tensor.metadata, elements
        data = elements or tensor.data  # Of those without data it is empty.
        payload = "data" if data or elements is not None else tensor.WhichOneof("payload")
        if payload is None:
            return tensor.metadata, None
        if payload == "shared_memory":
            return tensor.metadata, tensor.shared_memory
        if payload == "data":
            return tensor.metadata, np.frombuffer(data, np.uint8).copy()
        try:
            room = np.empty(tensor.chunked_nbytes, np.uint8)
        except (MemoryError, ValueError) as error:
            announced = f"tensor '{tensor.metadata.name}' announces {tensor.chunked_nbytes} bytes"
            raise ProtocolError(f"{announced}, for which there is no memory") from error
        if room.nbytes:
            self._room.append(room.data)
        return tensor.metadata, room


def whole_response(message: bytes, cut: Sequence[npt.NDArray[np.uint8] | None] = ()) -> Response:
    """Returns the response of a unary call. Errors: ProtocolError if it is none, or announces chunks."""
    response = Response(message, cut)
    if not response.complete:
        raise ProtocolError("the answer of a call announces chunks, which only a stream brings")
    return response
