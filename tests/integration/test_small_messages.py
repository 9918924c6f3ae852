"""Methods that carry no arrays take small messages: what is larger is refused before it is parsed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from harness import MIB, TIMEOUT_S, Server, becomes_true, connect
from reflected import methods

# The methods whose messages hold arrays: test_bounds.py has what they take.
LARGE = {
    "/tensorferry.v1.TensorService/Convert",
    "/tensorferry.v1.TensorService/ConvertStream",
    "/inference.GRPCInferenceService/ModelInfer",
    "/inference.GRPCInferenceService/ModelStreamInfer",
}
LOAD = "/inference.GRPCInferenceService/RepositoryModelLoad"
WATCH = "/grpc.health.v1.Health/Watch"
LIMIT = 64 << 10

UNKNOWN = b"\x98\x06\x81\x01"  # Field 99, a number: no message has such a field. Parsed, it takes 16 bytes and more.


def unknown(nbytes: int) -> bytes:
    """A valid message of fields that nobody knows, at most `nbytes` long."""
    return UNKNOWN * (nbytes // len(UNKNOWN))


def end_of(channel: grpc.Channel, path: str, message: bytes) -> grpc.RpcError | None:
    """The error with which a call of any kind ends, or None."""
    call = channel.stream_stream(path)(iter([message]), timeout=TIMEOUT_S)
    try:
        for _ in call:
            if path == WATCH:  # It goes on for as long as its caller wants.
                call.cancel()
                return None
    except grpc.RpcError as error:
        return error
    return None


def reason_of(error: grpc.RpcError) -> tuple[str, str]:
    """The reason of a refusal and the limit that it names."""
    info = error_details_pb2.ErrorInfo()
    assert rpc_status.from_call(error).details[0].Unpack(info)
    return info.reason, info.metadata["limit"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


def test_a_large_message_is_refused_before_it_is_parsed(server: Server) -> None:
    """Parsed, these 24 MiB take several times as much; as bytes they are held by each call for a moment only."""
    message = unknown(24 * MIB)
    with connect(server.address) as channel:
        small = [method.path for method in methods(channel) if method.path not in LARGE]
        assert len(small) >= 23
        before, peak_before = server.rss(), server.peak_rss()
        for path in small:
            error = end_of(channel, path, message)
            assert error is not None, path
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, path
            assert reason_of(error) == ("TENSOR_TOO_LARGE", str(LIMIT)), path
            assert server.peak_rss() - peak_before < 128 * MIB, path
        assert becomes_true(lambda: server.rss() - before < 32 * MIB)


def test_what_large_messages_took_is_given_back_each_time(server: Server) -> None:
    """Neither the coroutines that serve a method keep one of them, nor the connection what it was read into."""
    message = unknown(24 * MIB)
    with connect(server.address) as channel, ThreadPoolExecutor(8) as pool:
        small = [method.path for method in methods(channel) if method.path not in LARGE]
        before = server.rss()
        for _ in range(2):
            errors = pool.map(lambda path: end_of(channel, path, message), small * 2)
            assert {reason_of(error)[0] for error in errors if error} == {"TENSOR_TOO_LARGE"}
            assert becomes_true(lambda: server.rss() - before < 64 * MIB)


def test_a_message_of_the_limit_is_taken(server: Server) -> None:
    """What nobody knows is passed over: the call ends as it does without."""
    with connect(server.address) as channel:
        for method in methods(channel):
            if method.path in LARGE:
                continue
            plain = end_of(channel, method.path, b"")
            filled = end_of(channel, method.path, unknown(LIMIT))
            assert (filled and filled.code(), filled and filled.details()) == (
                plain and plain.code(),
                plain and plain.details(),
            ), method.path


def test_a_message_that_does_not_parse_is_refused_with_a_reason(server: Server) -> None:
    with connect(server.address) as channel:
        for method in methods(channel):
            if method.path in LARGE:
                continue
            error = end_of(channel, method.path, b"\x0a\x05abc")
            assert error is not None, method.path
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, method.path
            assert reason_of(error)[0] == "BAD_CHUNK", method.path
            assert "does not parse as " in error.details(), method.path


def test_a_load_that_may_bring_files_takes_large_ones_alone() -> None:
    """Files count as arrays do; what is no file has the limit of what is no element."""
    flags = ("--model-control", "explicit", "--model-overrides", "files")
    with Server(*flags) as server, connect(server.address) as channel:
        before = server.peak_rss()
        refused = end_of(channel, LOAD, unknown(24 * MIB))
        assert refused is not None
        assert reason_of(refused) == ("TENSOR_TOO_LARGE", str(MIB))
        assert server.peak_rss() - before < 128 * MIB
        size = 8 * MIB
        value = b"\x22" + varint(size) + bytes(size)  # bytes_param.
        entry = b"\x0a\x08file:1/x\x12" + varint(len(value)) + value
        taken = end_of(channel, LOAD, b"\x12\x01m\x1a" + varint(len(entry)) + entry)
        assert taken is not None
        assert "files need a configuration with them" in taken.details()


def varint(value: int) -> bytes:
    """A number on the wire."""
    encoded = bytearray()
    while value >= 128:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])
