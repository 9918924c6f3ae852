from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import pytest
import xxhash
from array_strategies import Array, canonical_bytes

from tensorferry import (
    Outputs,
    ProtocolError,
    Receipt,
    RefusedError,
    TensorferryError,
    TransportError,
    VerificationError,
)
from tensorferry._limits import Limits
from tensorferry._request import ConvertRequest, InferRequest, Options, Target
from tensorferry._stream import StreamState
from tensorferry._upload import Upload
from tensorferry.v1 import tensor_service_pb2 as pb

LIMITS = Limits(inline_nbytes=64, chunk_nbytes=16)
REFUSAL = pb.ConvertStreamResponse(
    response=pb.ConvertResponse(error=pb.Error(code=3, reason="BAD_SHAPE"))
).SerializeToString()


def convert(array: Array, options: Options = Options()) -> ConvertRequest:  # noqa: B008  Frozen.
    return ConvertRequest(array, "x", None, options, LIMITS)


def tensor(array: Array) -> pb.Tensor:
    """What a faithful server answers."""
    digest = xxhash.xxh3_128(canonical_bytes(array)).digest()
    receipt = pb.Receipt(numpy_dtype=array.dtype.name, dtype_equal=True, digest=digest)
    return pb.Tensor(
        metadata=pb.TensorMetadata(name="x", dtype=array.dtype.name, shape=array.shape, receipt=receipt)
    )


def response(*tensors: pb.Tensor, outputs: tuple[pb.Tensor, ...] = ()) -> bytes:
    answer = pb.ConvertResponse(tensors=tensors, outputs=outputs)
    return bytes(pb.ConvertStreamResponse(response=answer).SerializeToString())


def chunk(data: bytes) -> bytes:
    return bytes(pb.ConvertStreamResponse(chunk=data).SerializeToString())


def message_of(request: ConvertRequest | InferRequest) -> pb.ConvertRequest:
    message: pb.ConvertRequest = pb.ConvertRequest.FromString(request.upload.message)
    return message


def messages_of(upload: Upload) -> Iterator[pb.ConvertStreamRequest]:
    return map(pb.ConvertStreamRequest.FromString, upload.messages())


def test_small_arrays_travel_inline_and_what_does_not_fit_in_chunks() -> None:
    inputs = {"a": np.arange(10.0), "b": np.zeros(0), "c": np.arange(-40.0, 0.0)}
    request = InferRequest(Target("m", "3", ("y",)), inputs, Options(), LIMITS)
    message = message_of(request)
    assert (message.model_name, message.model_version, message.requested_outputs) == ("m", "3", ["y"])
    assert [array.WhichOneof("payload") for array in message.arrays] == [
        "chunked_nbytes",
        "data",
        "chunked_nbytes",
    ]
    parts = list(messages_of(request.upload))
    assert [part.WhichOneof("part") for part in parts] == ["request"] + ["chunk"] * 25
    elements = b"".join(part.chunk for part in parts)
    assert elements == inputs["a"].tobytes() + inputs["c"].tobytes()


@pytest.mark.parametrize("array", [np.arange(4.0), np.ones((3, 140_000), order="F")], ids=["small", "blocks"])
def test_inline_arrays_may_change_once_the_request_is_made(array: Array) -> None:
    array = array.copy(order="K")
    answer = tensor(array)
    request = ConvertRequest(array, "x", None, Options(), Limits(inline_nbytes=4 << 20, chunk_nbytes=1 << 20))
    assert request.fits_unary
    array[:] = 0
    state = StreamState[Receipt]()
    state.add(request)
    receipt = state.receive(response(answer))
    assert isinstance(receipt, Receipt)
    assert receipt.digest_equal


def test_options_become_fields() -> None:
    strict = message_of(convert(np.zeros(1), Options(strict=True, return_data=True, digest=False)))
    assert (strict.fidelity, strict.return_data, strict.digest) == (pb.FIDELITY_STRICT, True, 0)
    default = message_of(convert(np.zeros(1)))
    assert (default.fidelity, default.return_data) == (pb.FIDELITY_CONVERT, False)
    assert default.digest == pb.DIGEST_ALGORITHM_XXH3_128


def test_results_and_errors_come_in_the_order_of_the_requests() -> None:
    state = StreamState[Receipt]()
    for value in range(3):
        state.add(convert(np.full(2, value)))
    state.add(None)
    first = state.receive(response(tensor(np.full(2, 0))))
    second = state.receive(REFUSAL)
    assert not state.done
    third = state.receive(response(tensor(np.full(2, 2))))
    assert isinstance(first, Receipt)
    assert isinstance(second, RefusedError)
    assert second.reason == "BAD_SHAPE"
    assert isinstance(third, Receipt)
    assert first.digest != third.digest
    assert state.done


def test_chunks_of_a_refused_request_are_not_sent() -> None:
    state = StreamState[Receipt]()
    request = convert(np.zeros(100))
    state.add(request)
    messages = messages_of(request.upload)
    assert [part.WhichOneof("part") for part in islice(messages, 3)] == ["request", "chunk", "chunk"]
    assert isinstance(state.receive(REFUSAL), RefusedError)
    assert list(messages) == []


def test_an_upload_ends_where_the_next_begins() -> None:
    """gRPC's thread may be at the first one still: what it sends then must not become part of the digest."""
    array = np.arange(100.0)
    state = StreamState[Receipt](LIMITS)
    request = convert(array)
    state.add(request)
    first = messages_of(request.upload)
    assert [part.WhichOneof("part") for part in islice(first, 2)] == ["request", "chunk"]
    state.limits = Limits(inline_nbytes=32, chunk_nbytes=8)
    (second,) = state.unanswered()
    assert second is not None
    assert list(first) == []
    assert b"".join(part.chunk for part in messages_of(second)) == array.tobytes()
    receipt = state.receive(response(tensor(array)))
    assert isinstance(receipt, Receipt)
    assert receipt.digest_equal


def test_chunked_tensors_and_outputs_are_put_together_in_order() -> None:
    array = np.arange(6, dtype="f4").reshape(2, 3)
    elements = array.tobytes()
    state = StreamState[Outputs]()
    state.add(InferRequest(Target("m"), {"x": array}, Options(), LIMITS))
    echoed, first, empty, last = tensor(array), tensor(array), tensor(array[:0]), tensor(array)
    for index, announced in enumerate((echoed, first, empty)):
        announced.metadata.name = str(index)
        announced.chunked_nbytes = announced.metadata.shape[0] * 12
    last.metadata.name = "last"
    last.data = elements
    assert state.receive(response(echoed, outputs=(first, empty, last))) is None
    for data in (elements, elements[:5], b"", elements[5:23]):
        assert state.receive(chunk(data)) is None
    outputs = state.receive(chunk(elements[23:]))
    assert isinstance(outputs, dict)
    assert {name: output.shape for name, output in outputs.items()} == {
        "1": (2, 3),
        "2": (0, 3),
        "last": (2, 3),
    }
    assert outputs["1"].tobytes() == outputs["last"].tobytes() == elements


def test_window_is_bounded_in_requests_and_in_bytes() -> None:
    state = StreamState[Receipt]()
    sent = 0
    while state.wants_request:
        state.add(convert(np.zeros(1)))
        sent += 1
    assert sent == 32
    state.receive(REFUSAL)
    assert state.wants_request
    state.add(convert(np.zeros(1 << 22)))
    assert not state.wants_request


def test_window_takes_one_array_of_any_size() -> None:
    state = StreamState[Receipt]()
    state.add(convert(np.zeros(1 << 23)))
    assert not state.wants_request
    state.receive(REFUSAL)
    assert state.wants_request
    state.add(None)
    assert state.done
    assert not state.wants_request


ARRAY = np.arange(4, dtype="u2")


def tampered(change: Callable[[pb.TensorMetadata], object]) -> pb.Tensor:
    answer = tensor(ARRAY)
    answer.data = ARRAY.tobytes()
    change(answer.metadata)
    return answer


def wrong_data() -> pb.Tensor:
    answer = tensor(ARRAY)
    answer.data = ARRAY.byteswap().tobytes()
    return answer


UNFAITHFUL = {
    "DTYPE_NOT_EQUAL": tampered(lambda metadata: setattr(metadata, "dtype", "int16")),
    "SHAPE_NOT_EQUAL": tampered(lambda metadata: metadata.shape.insert(0, 1)),
    "DIGEST_NOT_EQUAL": tampered(lambda metadata: setattr(metadata.receipt, "digest", b"")),
    "DATA_NOT_EQUAL": wrong_data(),
}


@pytest.mark.parametrize("reason", UNFAITHFUL)
def test_unfaithful_answer_costs_only_its_own_array(reason: str) -> None:
    state = StreamState[Receipt]()
    state.add(convert(ARRAY))
    state.add(convert(ARRAY))
    error = state.receive(response(UNFAITHFUL[reason]))
    assert isinstance(error, VerificationError)
    assert error.reason == reason
    assert error.metadata["array"] == error.receipt.name == "x"
    assert isinstance(state.receive(response(tensor(ARRAY))), Receipt)


@pytest.mark.parametrize("reason", UNFAITHFUL)
def test_without_verification_the_receipt_says_it(reason: str) -> None:
    state = StreamState[Receipt]()
    state.add(convert(ARRAY, Options(verify=False)))
    receipt = state.receive(response(UNFAITHFUL[reason]))
    assert isinstance(receipt, Receipt)
    assert receipt.dtype_equal == (reason != "DTYPE_NOT_EQUAL")
    assert receipt.digest_equal == (reason != "DIGEST_NOT_EQUAL")


def test_server_that_denies_equality_is_believed() -> None:
    state = StreamState[Receipt]()
    state.add(convert(ARRAY))
    answer = tensor(ARRAY)
    answer.metadata.receipt.dtype_equal = False
    assert isinstance(state.receive(response(answer)), VerificationError)


def test_receipt_of_an_array_without_digest() -> None:
    state = StreamState[Receipt]()
    state.add(convert(ARRAY, Options(digest=False)))
    answer = tensor(ARRAY)
    answer.metadata.receipt.digest = b""
    answer.metadata.receipt.adjustments.extend([1, 2, 77])
    receipt = state.receive(response(answer))
    assert isinstance(receipt, Receipt)
    assert receipt.digest_equal is None
    assert receipt.adjustments == ("BYTE_ORDER_SWAPPED", "BOOL_NORMALIZED", "77")


def with_chunks(nbytes: int) -> bytes:
    answer = tensor(ARRAY)
    answer.chunked_nbytes = nbytes
    return response(answer)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([chunk(b"1")], "answers no request"),
        ([b""], "answers no request"),
        ([with_chunks(8), response(tensor(ARRAY))], "before the chunks"),
        ([with_chunks(8), chunk(b"1" * 9)], "9 bytes came that nobody expects"),
        ([response(tensor(ARRAY)), response(tensor(ARRAY))], "answers no request"),
    ],
)
def test_broken_framing_ends_the_stream(messages: list[bytes], reason: str) -> None:
    state = StreamState[Receipt]()
    state.add(convert(ARRAY))
    for message in messages[:-1]:
        state.receive(message)
    with pytest.raises(ProtocolError, match=reason):
        state.receive(messages[-1])


def test_stream_that_ends_early() -> None:
    state = StreamState[Receipt]()
    state.add(convert(ARRAY))
    with pytest.raises(TransportError, match="1 requests unanswered"):
        state.receive(None)


@pytest.mark.parametrize(
    ("request_", "answer", "reason"),
    [
        (convert(ARRAY), response(), "1 arrays were sent, 0 tensors came"),
        (
            InferRequest(Target("m"), {"x": ARRAY}, Options(), LIMITS),
            response(tensor(ARRAY), outputs=(tensor(ARRAY),)),
            "output 'x' came without its elements",
        ),
    ],
)
def test_incomplete_answer(request_: ConvertRequest, answer: bytes, reason: str) -> None:
    state = StreamState[Receipt]()
    state.add(request_)
    error = state.receive(answer)
    assert isinstance(error, ProtocolError)
    assert isinstance(error, TensorferryError)
    assert error.message == reason
