"""Requests of a caller who means harm: refused with a reason, in unchanged memory, by a server that lives on."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

import oracle
from harness import MIB, TIMEOUT_S, Server, connect, connect_stub
from npy_files import MAGIC, file_of, file_with_header
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import (
    TRANSPORTS,
    WHOLE,
    Outcome,
    Transport,
    array,
    chunk_part,
    converse,
    convert_stream,
    convert_unary,
    npy_array,
    request,
    request_part,
)

each_transport = pytest.mark.parametrize("convert", TRANSPORTS.values(), ids=TRANSPORTS.keys())

TIB_SHAPE = (1 << 38,)  # The shape of a TiB of float32.
HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)%s}"

HOSTILE_ARRAYS = {
    "size-overflow-64-bits": (array("<f8", (2**33, 2**33), b""), "SIZE_OVERFLOW"),
    "size-overflow-wraps-to-0": (array("<i8", (1 << 40, 1 << 40), b""), "SIZE_OVERFLOW"),
    "size-overflow-by-itemsize": (array("<c16", (2**62,), b""), "SIZE_OVERFLOW"),
    "size-overflow-of-64-dims": (array("|u1", (2**62,) * 64, b""), "SIZE_OVERFLOW"),
    "terabyte-with-ten-bytes": (array("<f4", TIB_SHAPE, bytes(10)), "TENSOR_TOO_LARGE"),
    "65-dims": (array("<f4", (1,) * 65, bytes(4)), "TOO_MANY_DIMS"),
    "100000-dims": (array("<f4", (1,) * 100_000, bytes(4)), "TOO_MANY_DIMS"),
    "smallest-dim": (array("<f4", (-(2**63),), b""), "BAD_SHAPE"),
    "two-negative-dims": (array("<f4", (-2, -2), bytes(16)), "BAD_SHAPE"),
    "negative-beside-zero": (array("<f4", (0, -1), b""), "BAD_SHAPE"),
    "truncated-to-nothing": (array("<f4", (1000,), b""), "SIZE_MISMATCH"),
    "16-kibibytes-too-many": (array("<f4", (1,), bytes(4 + (16 << 10))), "SIZE_MISMATCH"),
    "dtype-of-half-a-megabyte": (array("f" * (MIB // 2), (1,), bytes(4)), "BAD_DTYPE"),
    "dtype-with-huge-itemsize": (array("<f99999999999999999999", (1,), bytes(4)), "BAD_DTYPE"),
    "dtype-with-itemsize-0": (array("<f0", (1,), b""), "BAD_DTYPE"),
    "name-with-newline": (array("<f4", (), bytes(4), name="x\nFORGED log line"), "BAD_NAME"),
    "name-with-escape": (array("<f4", (), bytes(4), name="\x1b[2J"), "BAD_NAME"),
    "name-with-nul": (array("<f4", (), bytes(4), name="x\x00y"), "BAD_NAME"),
    "name-with-delete": (array("<f4", (), bytes(4), name="x\x7f"), "BAD_NAME"),
    "name-of-257-bytes": (array("<f4", (), bytes(4), name="n" * 257), "BAD_NAME"),
    "name-of-129-letters-in-258-bytes": (array("<f4", (), bytes(4), name="é" * 129), "BAD_NAME"),
    "name-of-half-a-megabyte": (array("<f4", (), bytes(4), name="n" * (MIB // 2)), "BAD_NAME"),
    "no-payload": (pb.Array(name="x", dtype="<f4"), "MISSING_PAYLOAD"),
}

HOSTILE_FILES = {
    "parentheses-10000-deep": (file_of(shape="(" * 4_900 + "3" + ")" * 4_900), "BAD_HEADER"),
    "brackets-beyond-the-limit": (file_of(shape="(" * 10_000 + ")" * 10_000), "BAD_HEADER"),
    "header-of-10001-bytes": (file_with_header(HEADER % "" + " " * 10_001, bytes(12)), "BAD_HEADER"),
    "header-of-a-megabyte": (file_with_header(HEADER % "" + " " * MIB, bytes(12), (2, 0)), "BAD_HEADER"),
    "header-length-2-to-the-32": (MAGIC + b"\x02\x00" + b"\xff" * 4 + bytes(100), "BAD_HEADER"),
    "header-length-2-to-the-32-in-3.0": (MAGIC + b"\x03\x00" + b"\xff" * 4 + bytes(100), "BAD_HEADER"),
    "nul-padding": (file_with_header(HEADER % "" + "\0" * 20, bytes(12)), "BAD_HEADER"),
    "duplicate-key": (file_with_header(HEADER % ", 'shape': (3,)", bytes(12)), "BAD_HEADER"),
    "bytes-key": (file_with_header((HEADER % "").replace("'shape'", "b'shape'"), bytes(12)), "BAD_HEADER"),
    "unterminated-string": (file_with_header("{'descr': '<f4", bytes(12)), "BAD_HEADER"),
    "unterminated-dict": (file_with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)"), "BAD_HEADER"),
    "expression": (file_with_header("__import__('os').getpid()"), "BAD_HEADER"),
    "invalid-utf-8-in-3.0": (file_with_header(b"{'descr': '\xff'}", version=(3, 0)), "BAD_HEADER"),
    "size-overflow": (file_of(shape="(8589934592, 8589934592)"), "SIZE_OVERFLOW"),
    "terabyte-with-twelve-bytes": (file_of(shape="(274877906944,)"), "TENSOR_TOO_LARGE"),
    "65-dims": (file_of(shape="(" + "1, " * 65 + ")", numel=1), "TOO_MANY_DIMS"),
    "3000-dims": (file_of(shape="(" + "1," * 3000 + ")", numel=1), "TOO_MANY_DIMS"),
}


def check_answers(stub: TensorServiceStub) -> None:
    data = oracle.random_bytes("<i4", 4)
    oracle.check_converted(convert_unary(stub, request(array("<i4", (4,), data))), oracle.expect("<i4", (4,), data))


@pytest.fixture
def unharmed(server: Server, stub: TensorServiceStub) -> Iterator[None]:
    """Fails the test if the server's memory grew during it, or the server no longer answers."""
    check_answers(stub)
    before = server.rss()
    yield
    assert server.alive()
    check_answers(stub)
    assert server.rss() - before < 16 * MIB


def check_refusal(outcome: Outcome, code: grpc.StatusCode, reason: str) -> None:
    refusal = outcome.refusal
    assert refusal is not None
    assert (refusal.code, refusal.reason) == (code, reason)
    assert refusal.message.isprintable()
    assert len(refusal.message) < 1024


@pytest.mark.usefixtures("unharmed")
@each_transport
@pytest.mark.parametrize(("hostile", "reason"), HOSTILE_ARRAYS.values(), ids=HOSTILE_ARRAYS.keys())
def test_arrays(hostile: pb.Array, reason: str, convert: Transport, stub: TensorServiceStub) -> None:
    check_refusal(convert(stub, request(hostile)), grpc.StatusCode.INVALID_ARGUMENT, reason)


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("convert", WHOLE.values(), ids=WHOLE.keys())
@pytest.mark.parametrize(("npy", "reason"), HOSTILE_FILES.values(), ids=HOSTILE_FILES.keys())
def test_files(npy: bytes, reason: str, convert: Transport, stub: TensorServiceStub) -> None:
    check_refusal(convert(stub, request(npy_array(npy))), grpc.StatusCode.INVALID_ARGUMENT, reason)


@pytest.mark.usefixtures("unharmed")
@each_transport
@pytest.mark.parametrize("request_id", ["a\nb", "\x00", "n" * 257], ids=["newline", "nul", "long"])
def test_request_ids(request_id: str, convert: Transport, stub: TensorServiceStub) -> None:
    message = request(array("<f4", (), bytes(4)), request_id=request_id)
    check_refusal(convert(stub, message), grpc.StatusCode.INVALID_ARGUMENT, "BAD_NAME")


@each_transport
@pytest.mark.parametrize("name", ["", "n" * 256, "é" * 128, "δ-λ 数"])
def test_unusual_names_are_echoed(name: str, convert: Transport, stub: TensorServiceStub) -> None:
    data = oracle.random_bytes("<f4", 1)
    outcome = convert(stub, request(array("<f4", (), data, name=name)))
    assert outcome.refusal is None
    oracle.check_tensor(outcome.tensors[0], oracle.expect("<f4", (), data), name)


def test_a_name_forges_no_log_line() -> None:
    with Server("--log-level", "debug") as server, connect_stub(server.address) as stub:
        forged = request(array("<f4", (), bytes(4), name="x\nFORGED"), request_id="y\r\nFORGED", model_name="z\nFORGED")
        assert convert_unary(stub, forged).refusal is not None
        assert convert_stream(stub, forged).refusal is not None
        assert not any(line.startswith("FORGED") for line in server.log().splitlines())


@pytest.mark.usefixtures("unharmed")
@each_transport
@pytest.mark.parametrize("shape", [(0, 2**62), (2**62, 0), (0,) * 64])
def test_huge_dims_beside_a_zero_hold_nothing(
    shape: tuple[int, ...], convert: Transport, stub: TensorServiceStub
) -> None:
    (tensor,) = convert(stub, request(array("<f8", shape))).tensors
    assert tuple(tensor.metadata.shape) == shape
    assert list(tensor.metadata.strides) == oracle.zero_size_strides(shape)
    assert (tensor.metadata.numel, tensor.data) == (0, b"")


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize(
    "garbage",
    [b"\xff" * 100, b"\x42\xff\xff\xff\xff\x0fabc", b"\x0a\x05\xff\xfe\xfd\xfc\xfb"],
    ids=["tags", "length-beyond-the-end", "invalid-utf-8"],
)
def test_garbage_instead_of_a_request(garbage: bytes, server: Server) -> None:
    with connect(server.address) as channel:
        call = channel.unary_unary("/tensorferry.v1.TensorService/Convert")
        with pytest.raises(grpc.RpcError) as raised:
            call(garbage, timeout=TIMEOUT_S)
    # What cannot be parsed is refused by gRPC, or behind it by the service.
    assert raised.value.code() in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL}


def test_garbage_does_not_fill_the_log() -> None:
    with Server() as server, connect(server.address) as channel:
        call = channel.unary_unary("/tensorferry.v1.TensorService/Convert")
        for garbage in (b"\xff" * 100, b"\x0a\x05\xff\xfe\xfd\xfc\xfb"):
            with pytest.raises(grpc.RpcError):
                call(garbage, timeout=TIMEOUT_S)
        assert "protobuf" not in server.log()


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("garbage", [b"\xff" * 100, b"\x0a\xff\xff\xff\xff\x0fabc"], ids=["tags", "length"])
def test_garbage_on_a_stream(garbage: bytes, server: Server) -> None:
    with connect(server.address) as channel:
        call = channel.stream_stream("/tensorferry.v1.TensorService/ConvertStream")
        with pytest.raises(grpc.RpcError) as raised:
            list(call(iter([garbage]), timeout=TIMEOUT_S))
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.usefixtures("unharmed")
@each_transport
def test_shared_memory_is_off(convert: Transport, stub: TensorServiceStub) -> None:
    shared = pb.SharedMemoryRange(region="../../etc/passwd", offset=2**63, nbytes=2**63)
    message = request(pb.Array(name="x", dtype="<f4", shape=[1], shared_memory=shared))
    check_refusal(convert(stub, message), grpc.StatusCode.FAILED_PRECONDITION, "SHARED_MEMORY_DISABLED")


@pytest.mark.usefixtures("unharmed")
def test_chunks_are_for_streams(stub: TensorServiceStub) -> None:
    message = request(pb.Array(name="x", dtype="<f4", shape=[1], chunked_nbytes=4))
    check_refusal(convert_unary(stub, message), grpc.StatusCode.INVALID_ARGUMENT, "BAD_CHUNK")


SWELLING = {
    "arrays": pb.ConvertRequest(arrays=[pb.Array()]).SerializeToString(),
    "dims": pb.ConvertRequest(arrays=[pb.Array(shape=[1])]).SerializeToString(),
    "outputs": pb.ConvertRequest(requested_outputs=[""]).SerializeToString(),
    "unknown-fields": b"\xaa\x06\x00",
}


@pytest.mark.parametrize("field", SWELLING.values(), ids=SWELLING.keys())
def test_messages_that_would_swell_when_parsed(field: bytes) -> None:
    """32 MiB of empty fields are gigabytes of objects."""
    message = field * (32 * MIB // len(field))
    with Server() as server, connect(server.address) as channel:
        peak = server.peak_rss()
        call = channel.unary_unary("/tensorferry.v1.TensorService/Convert")
        with pytest.raises(grpc.RpcError, match="are not elements") as raised:
            call(message, timeout=TIMEOUT_S)
        assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert server.peak_rss() - peak < 128 * MIB


def test_a_message_beyond_the_limit_is_refused_by_grpc(stub: TensorServiceStub) -> None:
    limit = stub.GetServerInfo(pb.GetServerInfoRequest()).max_message_bytes
    refusal = convert_unary(stub, request(array("|u1", (limit,), bytes(limit)))).refusal
    assert refusal is not None
    assert refusal.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    check_answers(stub)


def test_an_array_beyond_the_budget_is_refused_before_it_is_sent() -> None:
    with Server("--memory-budget", "64MiB") as server, connect_stub(server.address) as stub:
        declared = pb.Array(name="x", dtype="|u1", shape=[128 * MIB], chunked_nbytes=128 * MIB)
        check_refusal(
            convert_stream(stub, request(declared)),
            grpc.StatusCode.INVALID_ARGUMENT,
            "TENSOR_TOO_LARGE",
        )


def test_the_chunks_of_a_refused_request_are_not_stored() -> None:
    block = bytes(MIB)
    refused = pb.Array(name="x", dtype="!f4", shape=[64 * MIB], chunked_nbytes=256 * MIB)
    with Server() as server, connect_stub(server.address) as stub:
        check_answers(stub)
        peak = server.peak_rss()
        outcomes, ended = converse(stub, [request_part(request(refused)), *[chunk_part(block)] * 256])
        assert ended is None
        assert [outcome.reason for outcome in outcomes] == ["BAD_DTYPE"]
        assert server.peak_rss() - peak < 64 * MIB
