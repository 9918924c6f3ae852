"""Many requests on one stream, and responses too large for one message."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import numpy as np
import pytest

import oracle
from harness import MIB, Server, connect_stub
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import (
    TRANSPORTS,
    Outcome,
    Transport,
    array,
    chunk_part,
    chunked_parts,
    converse,
    convert_chunks,
    convert_stream,
    convert_unary,
    request,
    request_part,
)

MESSAGE_LIMIT = 4 * MIB


@pytest.fixture(scope="module")
def small_messages() -> Iterator[TensorServiceStub]:
    """A server whose messages hold 4 MiB at most."""
    with Server("--max-message-bytes", "4MiB") as server, connect_stub(server.address) as stub:
        yield stub


def numbered(number: int) -> tuple[pb.ConvertRequest, oracle.Expected]:
    """A request that differs from every other in size and content."""
    dtype, numel = oracle.ALL[number % len(oracle.ALL)], number % 37
    data = oracle.random_bytes(dtype, numel, seed=number)
    message = request(array(dtype, (numel,), data), request_id=f"{number}")
    return message, oracle.expect(dtype, (numel,), data)


def test_answers_come_in_the_order_of_the_requests(stub: TensorServiceStub) -> None:
    cases = [numbered(number) for number in range(500)]
    outcomes, ended = converse(stub, (request_part(message) for message, _ in cases))
    assert ended is None
    assert [outcome.response.request_id for outcome in outcomes] == [message.request_id for message, _ in cases]
    for outcome, (_, expected) in zip(outcomes, cases, strict=True):
        oracle.check_converted(outcome, expected)


def test_refused_requests_are_answered_in_their_place(stub: TensorServiceStub) -> None:
    def parts() -> Iterator[pb.ConvertStreamRequest]:
        for number in range(200):
            message, _ = numbered(number)
            if number % 3 == 0:
                message.arrays[0].dtype = "!f4"
            yield from chunked_parts(message, 11) if number % 2 else [request_part(message)]

    outcomes, ended = converse(stub, parts())
    assert ended is None
    assert [outcome.response.request_id for outcome in outcomes] == [f"{number}" for number in range(200)]
    assert [outcome.reason for outcome in outcomes] == ["" if n % 3 else "BAD_DTYPE" for n in range(200)]


@pytest.mark.parametrize("limit", ["64KiB", "1MiB", "64MiB"])
def test_a_message_holds_a_chunk_of_the_size_that_the_server_recommends(limit: str) -> None:
    data = oracle.random_bytes("|u1", 3 * MIB)
    with Server("--max-message-bytes", limit) as server, connect_stub(server.address) as stub:
        size = stub.GetServerInfo(pb.GetServerInfoRequest()).recommended_chunk_bytes
        (outcome,), ended = converse(stub, chunked_parts(request(array("|u1", (3 * MIB,), data)), size))
    assert ended is None
    oracle.check_converted(outcome, oracle.expect("|u1", (3 * MIB,), data))


@pytest.mark.parametrize("convert", TRANSPORTS.values(), ids=TRANSPORTS.keys())
def test_a_request_may_hold_no_array_or_many(convert: Transport, stub: TensorServiceStub) -> None:
    assert convert(stub, request()).tensors == ()

    sources = [(name, oracle.random_bytes(name, 6)) for name in oracle.ALL]
    outcome = convert(stub, request(*(array(name, (2, 3), data, name=name) for name, data in sources)))
    oracle.check_converted(outcome, *(oracle.expect(name, (2, 3), data) for name, data in sources))
    assert [tensor.metadata.name for tensor in outcome.tensors] == oracle.ALL


def test_names_may_be_empty_and_repeated(stub: TensorServiceStub) -> None:
    outcome = convert_unary(stub, request(*(array("|u1", (1,), bytes([i]), name="") for i in range(3))))
    assert [tensor.data for tensor in outcome.tensors] == [b"\0", b"\1", b"\2"]


def test_inline_chunked_and_empty_arrays_mix(stub: TensorServiceStub) -> None:
    data = [oracle.random_bytes("<i2", numel, seed=numel) for numel in (5, 0, 3, 0, 7)]
    arrays = [
        pb.Array(name=f"{i}", dtype="<i2", shape=[len(d) // 2], chunked_nbytes=len(d)) for i, d in enumerate(data)
    ]
    arrays[2].data = data[2]
    chunks = [chunk_part(data[i]) for i in (0, 4)]
    outcomes, ended = converse(stub, [request_part(request(*arrays)), *chunks])
    assert ended is None
    oracle.check_converted(outcomes[0], *(oracle.expect("<i2", (len(d) // 2,), d) for d in data))


def test_the_first_bad_array_is_named(stub: TensorServiceStub) -> None:
    arrays = [array("<f4", (), bytes(4), name="good"), array("<f4", (), bytes(3), name="bad")]
    refusal = convert_unary(stub, request(*arrays)).refusal
    assert refusal is not None
    assert refusal.metadata["array"] == "bad"


@pytest.mark.parametrize("convert", TRANSPORTS.values(), ids=TRANSPORTS.keys())
def test_only_what_was_asked_for_is_sent(convert: Transport, stub: TensorServiceStub) -> None:
    sent = request(array("<f4", (), bytes(4)), return_data=False, digest=pb.DIGEST_ALGORITHM_UNSPECIFIED)
    (tensor,) = convert(stub, sent).tensors
    assert tensor.data is None
    assert tensor.metadata.receipt.digest == b""


@pytest.mark.parametrize("convert", [convert_stream, convert_unary])
def test_metadata_of_a_response_without_model(convert: Transport, stub: TensorServiceStub) -> None:
    response = convert(stub, request(array("<f4", (), bytes(4)), request_id="my-id")).response
    assert response.request_id == "my-id"
    assert (response.model_name, response.model_version) == ("", "")
    assert response.timing.convert_ns > 0
    assert (response.timing.queue_ns, response.timing.compute_ns) == (0, 0)


def check_large(outcome: Outcome, data: bytes) -> None:
    oracle.check_converted(outcome, oracle.expect(">f4", (len(data) // 4,), data))


def test_a_large_array_goes_through_both_ways_in_chunks(small_messages: TensorServiceStub) -> None:
    data = oracle.random_bytes(">f4", 3 * MIB)
    assert len(data) > 2 * MESSAGE_LIMIT
    outcome = convert_chunks(small_messages, request(array(">f4", (3 * MIB,), data)), MIB)
    check_large(outcome, data)
    assert outcome.response.tensors[0].WhichOneof("payload") == "chunked_nbytes"


def test_a_small_response_is_not_chunked(small_messages: TensorServiceStub) -> None:
    data = oracle.random_bytes(">f4", 1000)
    outcome = convert_chunks(small_messages, request(array(">f4", (1000,), data)), 999)
    check_large(outcome, data)
    assert outcome.response.tensors[0].WhichOneof("payload") == "data"


def test_large_responses_do_not_mix(small_messages: TensorServiceStub) -> None:
    sources = [oracle.random_bytes(">f4", MIB + 17 * seed, seed) for seed in range(4)]
    messages = [request(array(">f4", (len(data) // 4,), data)) for data in sources]
    outcomes, ended = converse(small_messages, (p for m in messages for p in chunked_parts(m, 3 * MIB // 2)))
    assert ended is None
    for outcome, data in zip(outcomes, sources, strict=True):
        check_large(outcome, data)


def test_tensors_come_before_outputs(small_messages: TensorServiceStub) -> None:
    sources = {name: oracle.random_bytes("<f4", MIB, seed) for seed, name in enumerate("abc")}
    arrays = [array("<f4", (MIB,), data, name=name) for name, data in sources.items()]
    outcome = convert_chunks(small_messages, request(*arrays, model_name="identity"), MIB)
    assert outcome.refusal is None
    assert {t.metadata.name: t.data for t in outcome.tensors} == sources
    assert {t.metadata.name: t.data for t in outcome.outputs} == sources


def test_fortran_order_is_undone_in_large_responses(small_messages: TensorServiceStub) -> None:
    matrix = np.arange(2 * MIB, dtype="<f4").reshape(1024, 2048)
    data = matrix.tobytes(order="F")
    message = request(array("<f4", matrix.shape, data, fortran_order=True))
    outcome = convert_chunks(small_messages, message, MIB)
    oracle.check_converted(outcome, oracle.expect("<f4", matrix.shape, data, fortran_order=True))
    assert outcome.tensors[0].data == matrix.tobytes()


def test_a_response_too_large_for_a_unary_call_names_the_stream(small_messages: TensorServiceStub) -> None:
    data = bytes(3 * MIB)  # Twice in the response: as tensor and as output.
    message = request(array("|u1", (len(data),), data), model_name="identity")
    refusal = convert_unary(small_messages, message).refusal
    assert refusal is not None
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "TENSOR_TOO_LARGE")
    assert "ConvertStream" in refusal.message
    assert convert_stream(small_messages, message).refusal is None
