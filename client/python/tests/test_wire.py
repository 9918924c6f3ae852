"""What is written and read around elements is what protobuf writes and reads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensorferry import ProtocolError
from tensorferry._wire import (
    announced_array,
    array_head,
    read_response,
    read_stream_message,
    stream_chunk,
    stream_request,
    varint,
)
from tensorferry.v1 import tensor_service_pb2 as pb

LARGE = bytes(1 << 16)  # From here on elements are not left to protobuf.


@given(st.integers(0, (1 << 64) - 1))
def test_numbers(value: int) -> None:
    assert pb.Timing.FromString(b"\x08" + varint(value)).receive_ns == value


@given(
    st.text(max_size=20),
    st.lists(st.integers(0, (1 << 63) - 1), max_size=4),
    st.booleans(),
    st.one_of(st.binary(), st.binary(min_size=120, max_size=135)),
)
def test_an_array_with_its_elements(
    name: str, shape: list[int], fortran_order: bool, elements: bytes
) -> None:
    head = array_head(name, "<f4", tuple(shape), fortran_order, len(elements))
    array = pb.Array(name=name, dtype="<f4", shape=shape, fortran_order=fortran_order, data=elements)
    assert pb.ConvertRequest.FromString(head + elements) == pb.ConvertRequest(arrays=[array])


def test_an_array_without_its_elements() -> None:
    array = pb.Array(name="x", dtype="<f4", shape=[3], fortran_order=True, chunked_nbytes=12)
    message = announced_array("x", "<f4", (3,), True, 12)
    assert pb.ConvertRequest.FromString(message) == pb.ConvertRequest(arrays=[array])


@given(st.one_of(st.binary(), st.binary(min_size=120, max_size=135)))
def test_messages_of_a_stream(data: bytes) -> None:
    request = pb.ConvertRequest(request_id=data.hex())
    sent = b"".join(stream_request([request.SerializeToString()]))
    assert pb.ConvertStreamRequest.FromString(sent) == pb.ConvertStreamRequest(request=request)
    sent = b"".join(stream_chunk(memoryview(data)))
    assert pb.ConvertStreamRequest.FromString(sent) == pb.ConvertStreamRequest(chunk=data)


def tensor(name: str, **payload: Any) -> pb.Tensor:
    return pb.Tensor(metadata=pb.TensorMetadata(name=name, shape=[1 << 40, 0]), **payload)


RESPONSES = {
    "empty": pb.ConvertResponse(),
    "small": pb.ConvertResponse(tensors=[tensor("x")], outputs=[tensor("y", data=b"1")]),
    "large": pb.ConvertResponse(
        request_id="7",
        model_version="2",
        tensors=[tensor("x", data=LARGE), tensor("none"), tensor("empty", data=b"")],
        outputs=[tensor("y", data=b"1" + LARGE), tensor("chunked", chunked_nbytes=1 << 33)],
        timing=pb.Timing(compute_ns=1 << 60),
    ),
}


def as_read(message: bytes) -> pb.ConvertResponse:
    """Puts what was read back together."""
    response, elements = read_response(message)
    assert len(elements) in (0, len(response.tensors) + len(response.outputs))
    for tensor, data in zip((*response.tensors, *response.outputs), elements):
        if data is not None:
            tensor.data = bytes(data)
    return response


def test_elements_of_large_responses_are_cut_out_of_the_message() -> None:
    message = RESPONSES["large"].SerializeToString()
    response, elements = read_response(message)
    assert [tensor.data for tensor in response.tensors] == [b""] * 3
    assert [data if data is None else len(data) for data in elements] == [
        1 << 16,
        None,
        0,
        (1 << 16) + 1,
        None,
    ]
    assert all(isinstance(data, memoryview) and data.obj is message for data in elements if data is not None)


@pytest.mark.parametrize("name", RESPONSES)
def test_a_response_and_its_elements(name: str) -> None:
    message = RESPONSES[name].SerializeToString()
    assert as_read(message) == RESPONSES[name]
    is_chunk, part = read_stream_message(
        b"".join(stream_request([message]))
    )  # The parts have the same numbers both ways.
    assert not is_chunk
    assert as_read(bytes(part)) == RESPONSES[name]


UNUSUAL = {
    "two payloads": pb.Tensor(data=LARGE).SerializeToString() + pb.Tensor(data=b"2").SerializeToString(),
    "chunks after elements": pb.Tensor(data=LARGE).SerializeToString()
    + pb.Tensor(chunked_nbytes=5).SerializeToString(),
    "elements after chunks": pb.Tensor(chunked_nbytes=5).SerializeToString()
    + pb.Tensor(data=LARGE).SerializeToString(),
    "unknown fields": b"\x78\x05" + pb.Tensor(data=LARGE).SerializeToString() + b"\xfa\x06\x01a",
    "fixed numbers": b"\x7d1234" + pb.Tensor(data=LARGE).SerializeToString(),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_messages_mean_what_they_mean_to_protobuf(name: str) -> None:
    message = b"\x2a" + varint(len(UNUSUAL[name])) + UNUSUAL[name]
    expected = pb.ConvertResponse.FromString(message)
    read = as_read(message)
    assert [(t.WhichOneof("payload"), t.data, t.chunked_nbytes) for t in read.tensors] == [
        (t.WhichOneof("payload"), t.data, t.chunked_nbytes) for t in expected.tensors
    ]


@given(st.integers(0, 200), st.integers(0, 255))
def test_a_damaged_response_is_what_protobuf_says(position: int, byte: int) -> None:
    message = bytearray(RESPONSES["large"].SerializeToString())
    message[position if position < 100 else -position] = byte
    try:
        expected = pb.ConvertResponse.FromString(bytes(message))
    except Exception:
        with pytest.raises(ProtocolError):
            read_response(bytes(message))
    else:
        assert as_read(bytes(message)) == expected


@pytest.mark.parametrize("end", [1, 2, 100, -1])
def test_a_truncated_response(end: int) -> None:
    message = RESPONSES["large"].SerializeToString()
    with pytest.raises(ProtocolError):
        read_response(message[:end])
    with pytest.raises(ProtocolError):
        read_stream_message(b"".join(stream_request([message]))[:end])


def test_chunks() -> None:
    for data in (b"", b"1", LARGE):
        assert read_stream_message(b"".join(stream_chunk(data))) == (True, data)


@pytest.mark.parametrize("message", [b"", b"\x18\x01"])
def test_a_message_without_a_part(message: bytes) -> None:
    with pytest.raises(ProtocolError, match="answers no request"):
        read_stream_message(message)


def test_two_parts_of_which_the_last_one_counts() -> None:
    pieces = (*stream_chunk(b"1"), *stream_request([RESPONSES["small"].SerializeToString()]))
    message = b"".join(pieces)
    is_chunk, part = read_stream_message(message)
    assert not is_chunk
    assert as_read(bytes(part)) == RESPONSES["small"]
