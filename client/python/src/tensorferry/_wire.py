"""Requests and responses as bytes: protobuf writes and reads what stands around the elements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Union

from google.protobuf.message import DecodeError

from tensorferry._errors import ProtocolError, unreadable
from tensorferry._portable import PortableError
from tensorferry.v1 import tensor_service_pb2 as pb

Buffer = Union[bytes, memoryview]


def _tag(field: int, wire_type: int) -> bytes:
    return bytes([field << 3 | wire_type])  # All fields here have numbers below 16.


_LENGTH_DELIMITED = 2
_REQUEST = _tag(pb.ConvertStreamRequest.REQUEST_FIELD_NUMBER, _LENGTH_DELIMITED)
_CHUNK = _tag(pb.ConvertStreamRequest.CHUNK_FIELD_NUMBER, _LENGTH_DELIMITED)
_ARRAYS = _tag(pb.ConvertRequest.ARRAYS_FIELD_NUMBER, _LENGTH_DELIMITED)
_OUTPUT_MEMORY = _tag(pb.ConvertRequest.OUTPUT_MEMORY_FIELD_NUMBER, _LENGTH_DELIMITED)
_ARRAY_DATA = _tag(pb.Array.DATA_FIELD_NUMBER, _LENGTH_DELIMITED)
_RESPONSE_TAG = pb.ConvertStreamResponse.RESPONSE_FIELD_NUMBER << 3 | _LENGTH_DELIMITED
_CHUNK_TAG = pb.ConvertStreamResponse.CHUNK_FIELD_NUMBER << 3 | _LENGTH_DELIMITED
_TENSORS_TAG = pb.ConvertResponse.TENSORS_FIELD_NUMBER << 3 | _LENGTH_DELIMITED
_OUTPUTS_TAG = pb.ConvertResponse.OUTPUTS_FIELD_NUMBER << 3 | _LENGTH_DELIMITED
_TENSOR_DATA_TAG = pb.Tensor.DATA_FIELD_NUMBER << 3 | _LENGTH_DELIMITED
_MIN_SPLIT_NBYTES = 1 << 16  # Below, protobuf's copies cost less than to look for what need not be copied.


def varint(value: int) -> bytes:
    """Writes a number that is not negative."""
    if value < 0x80:
        return bytes([value])
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


@lru_cache(maxsize=512)
def array_head(name: str, dtype: str, shape: tuple[int, ...], fortran_order: bool, nbytes: int) -> bytes:
    """Returns what stands before the elements of an array in a ConvertRequest, which hold `nbytes`."""
    array = pb.Array(name=name, dtype=dtype, shape=shape, fortran_order=fortran_order)
    head = b"".join((array.SerializeToString(), _ARRAY_DATA, varint(nbytes)))
    return _ARRAYS + varint(len(head) + nbytes) + head


def announced_array(name: str, dtype: str, shape: tuple[int, ...], fortran_order: bool, nbytes: int) -> bytes:
    """Returns an array of a ConvertRequest whose elements follow in chunks."""
    array = pb.Array(
        name=name, dtype=dtype, shape=shape, fortran_order=fortran_order, chunked_nbytes=nbytes
    ).SerializeToString()
    return _ARRAYS + varint(len(array)) + bytes(array)


def placed_array(
    head: tuple[str, str, tuple[int, ...], bool], region: str, offset: int, nbytes: int
) -> bytes:
    """Returns an array of a ConvertRequest whose elements lie in a region. `head`: name to Fortran order."""
    name, dtype, shape, fortran_order = head
    place = pb.SharedMemoryRange(region=region, offset=offset, nbytes=nbytes)
    array = pb.Array(
        name=name, dtype=dtype, shape=shape, fortran_order=fortran_order, shared_memory=place
    ).SerializeToString()
    return _ARRAYS + varint(len(array)) + bytes(array)


def output_memory(place: pb.SharedMemoryRange) -> bytes:
    """Returns the field of a ConvertRequest that says where elements that come back may be written to."""
    encoded = place.SerializeToString()
    return _OUTPUT_MEMORY + varint(len(encoded)) + bytes(encoded)


def stream_request(pieces: Sequence[Buffer]) -> Sequence[Buffer]:
    """Returns a ConvertRequest as a message of a stream, in pieces."""
    return (_REQUEST + varint(sum(map(len, pieces))), *pieces)


def stream_chunk(elements: Buffer) -> Sequence[Buffer]:
    """Returns a chunk as a message of a stream, in pieces."""
    return (_CHUNK + varint(len(elements)), elements)


def read_response(message: Buffer) -> tuple[pb.ConvertResponse, Sequence[Buffer | None]]:
    """Reads a ConvertResponse.

    Returns it, and the elements cut out of its tensors and then of its outputs, None for those without.
    They borrow `message`. Where nothing was cut out, there are none at all.

    Errors: ProtocolError if it is none.
    """
    if len(message) >= _MIN_SPLIT_NBYTES:
        with suppress(_UnusualError):
            return _split(memoryview(message))
    return _parsed(pb.ConvertResponse, message), ()


def parsed_response(message: Buffer) -> pb.ConvertResponse:
    """Errors: ProtocolError if it is none."""
    response: pb.ConvertResponse = _parsed(pb.ConvertResponse, message)
    return response


def read_stream_message(message: bytes) -> tuple[bool, Buffer]:
    """Returns whether a ConvertStreamResponse is a chunk, and the chunk or the ConvertResponse as it came.

    Errors: ProtocolError if it is neither.
    """
    if message and message[0] in (_RESPONSE_TAG, _CHUNK_TAG):
        with suppress(_UnusualError):
            field, start, end = next(_fields(view := memoryview(message)))
            if end == len(message):
                return field == _CHUNK_TAG, view[start:end]
    response = _parsed(pb.ConvertStreamResponse, message)
    kind = response.WhichOneof("part")
    if kind is None:
        raise ProtocolError("a message came that answers no request")
    return kind == "chunk", response.chunk if kind == "chunk" else response.response.SerializeToString()


def _parsed(kind: Any, message: Buffer) -> Any:
    try:
        return kind.FromString(message if type(message) is bytes else bytes(message))
    except DecodeError as error:
        raise unreadable() from error


class _UnusualError(PortableError):
    """A message is not as this server writes it; protobuf knows what it means."""


def _split(message: memoryview) -> tuple[pb.ConvertResponse, Sequence[Buffer | None]]:
    """Does what `read_response` says, and gives protobuf all but the elements. Errors: _UnusualError."""
    kept: list[Buffer] = []
    tensors: list[Buffer | None] = []
    outputs: list[Buffer | None] = []
    before = 0
    for tag, start, end in _fields(message):
        if tag in (_TENSORS_TAG, _OUTPUTS_TAG):
            rest, elements = _without_elements(message[start:end])
            kept += (bytes([tag]), varint(len(rest)), rest)
            (tensors if tag == _TENSORS_TAG else outputs).append(elements)
        else:
            kept.append(message[before:end])
        before = end
    return _parsed(pb.ConvertResponse, b"".join(kept)), tensors + outputs


def _without_elements(tensor: memoryview) -> tuple[bytes, Buffer | None]:
    """Returns the fields of a Tensor but `data`, and that. Errors: _UnusualError."""
    kept: list[Buffer] = []
    elements: Buffer | None = None
    before = 0
    for tag, start, end in _fields(tensor):
        if tag == _TENSOR_DATA_TAG and elements is None:
            elements = tensor[start:end]
        elif elements is None:
            kept.append(tensor[before:end])
        else:
            raise _UnusualError  # Of the members of a oneof the last one counts.
        before = end
    return b"".join(kept), elements


def _fields(message: memoryview) -> Iterator[tuple[int, int, int]]:
    """Yields the tag of each field, and where its value starts and ends.

    Errors: _UnusualError for tags of more than one byte, for types that no message here has, and where the
        message ends too early.
    """
    at = 0
    while at < len(message):
        tag, (value, start) = message[at], _read_varint(message, at + 1)
        at = start
        if tag & 7 == _LENGTH_DELIMITED:
            at += value
        elif tag & 7:
            raise _UnusualError
        if tag >= 0x80 or at > len(message):
            raise _UnusualError
        yield tag, start, at


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    """Returns a number, and where it ends. Errors: _UnusualError."""
    value = shift = 0
    for byte in message[at : at + 10]:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at + shift // 7
    raise _UnusualError
