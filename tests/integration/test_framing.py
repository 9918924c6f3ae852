"""Streams whose chunks are not those announced: in-band errors while the framing holds, a status after."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

import oracle
from harness import MIB, Server
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import array, chunk_part, chunked_parts, converse, convert_unary, request, request_part

DATA = oracle.random_bytes("<f4", 4)
GOOD = request(array("<f4", (4,), DATA), request_id="good")
GOOD_EXPECTED = oracle.expect("<f4", (4,), DATA)


def chunked(nbytes: int, shape: tuple[int, ...] = (4,), name: str = "x") -> pb.Array:
    return pb.Array(name=name, dtype="<f4", shape=shape, chunked_nbytes=nbytes)


def announced(*arrays: pb.Array) -> pb.ConvertStreamRequest:
    return request_part(request(*arrays))


TWO = announced(chunked(16, name="a"), chunked(16, name="b"))
REFUSED = announced(chunked(15))  # 15 bytes are no four float32.

BROKEN = {
    "chunk-nobody-expects": [chunk_part(DATA)],
    "chunk-after-an-inline-request": [request_part(GOOD), chunk_part(DATA)],
    "chunk-after-a-whole-array": [announced(chunked(16)), chunk_part(DATA), chunk_part(DATA)],
    "17-empty-chunks-after-a-whole-array": [announced(chunked(16)), chunk_part(DATA), *[chunk_part(b"")] * 17],
    "too-many-bytes": [announced(chunked(16)), chunk_part(DATA + b"\0")],
    "too-many-bytes-at-last": [announced(chunked(16)), chunk_part(DATA[:15]), chunk_part(DATA[:2])],
    "chunk-of-two-arrays": [TWO, chunk_part(DATA + DATA)],
    "request-while-chunks-are-awaited": [announced(chunked(16)), chunk_part(DATA[:8]), request_part(GOOD)],
    "request-before-the-first-chunk": [announced(chunked(16)), request_part(GOOD)],
    "17-empty-chunks": [announced(chunked(16)), *[chunk_part(b"")] * 17, chunk_part(DATA)],
    "neither-request-nor-chunk": [pb.ConvertStreamRequest()],
    "half-closed-in-mid-array": [announced(chunked(16)), chunk_part(DATA[:8])],
    "half-closed-before-the-first-chunk": [announced(chunked(16))],
    "half-closed-between-arrays": [TWO, chunk_part(DATA)],
    "more-bytes-than-a-refused-request-declared": [REFUSED, chunk_part(DATA)],
}


@pytest.fixture(autouse=True)
def unharmed(server: Server, stub: TensorServiceStub) -> Iterator[None]:
    """Fails the test if the server's memory grew during it, or the server no longer answers."""
    oracle.check_converted(convert_unary(stub, GOOD), GOOD_EXPECTED)
    before = server.rss()
    yield
    oracle.check_converted(convert_unary(stub, GOOD), GOOD_EXPECTED)
    assert server.rss() - before < 16 * MIB


@pytest.mark.parametrize("parts", BROKEN.values(), ids=BROKEN.keys())
def test_broken_framing_ends_the_stream(parts: list[pb.ConvertStreamRequest], stub: TensorServiceStub) -> None:
    _, ended = converse(stub, parts)
    assert ended is not None
    assert (ended.code, ended.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_CHUNK")


def test_what_was_asked_before_the_framing_broke_is_answered(stub: TensorServiceStub) -> None:
    outcomes, ended = converse(stub, [request_part(GOOD), request_part(GOOD), chunk_part(DATA)])
    assert ended is not None
    for outcome in outcomes:
        oracle.check_converted(outcome, GOOD_EXPECTED)
    assert len(outcomes) == 2


def test_16_empty_chunks_are_borne(stub: TensorServiceStub) -> None:
    outcomes, ended = converse(stub, [announced(chunked(16)), *[chunk_part(b"")] * 16, chunk_part(DATA)])
    assert ended is None
    oracle.check_converted(outcomes[0], GOOD_EXPECTED)


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(request(array("!f4", (4,), DATA)), id="dtype"),
        pytest.param(request(array("<f4", (5,), DATA)), id="size"),
        pytest.param(request(array("<f4", (4,), DATA), model_name="no-such-model"), id="model"),
        pytest.param(request(array("<f4", (4,), DATA), array("!f4", (4,), DATA)), id="second-array"),
    ],
)
def test_the_chunks_of_a_refused_request_are_dropped(refused: pb.ConvertRequest, stub: TensorServiceStub) -> None:
    parts = [
        *chunked_parts(refused, 5),
        *chunked_parts(GOOD, 5),
        *chunked_parts(refused, 5),
        request_part(GOOD),
    ]
    outcomes, ended = converse(stub, parts)
    assert ended is None
    assert [outcome.refusal is None for outcome in outcomes] == [False, True, False, True]
    oracle.check_converted(outcomes[1], GOOD_EXPECTED)
    oracle.check_converted(outcomes[3], GOOD_EXPECTED)


def test_the_chunks_of_a_refused_request_need_not_come(stub: TensorServiceStub) -> None:
    outcomes, ended = converse(stub, [REFUSED, request_part(GOOD), REFUSED])
    assert ended is None
    assert [outcome.reason for outcome in outcomes] == ["SIZE_MISMATCH", "", "SIZE_MISMATCH"]


def test_a_declared_terabyte_is_refused_before_its_chunks(stub: TensorServiceStub) -> None:
    terabyte = announced(chunked(1 << 40, shape=(1 << 38,)))
    outcomes, ended = converse(stub, [terabyte, chunk_part(bytes(10)), request_part(GOOD)])
    assert ended is None
    assert [outcome.reason for outcome in outcomes] == ["TENSOR_TOO_LARGE", ""]
