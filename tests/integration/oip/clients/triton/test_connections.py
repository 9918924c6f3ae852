"""What lies below the protocol: compression, the standard health service, and bytes that are no messages."""

from __future__ import annotations

import queue

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc import StatusCode
from tritonclient.grpc import service_pb2 as pb

from calls import TIMEOUT_S, A, B, Stub, check_simple, inputs_of, refused, request_of, simple_request
from gates import Gate

Client = triton.InferenceServerClient

INFERENCE = "/inference.GRPCInferenceService/"
SERVING = b"\x08\x01"
MANY = 120


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests(algorithm: str, client: Client) -> None:
    check_simple(client.infer("simple", inputs_of(A, B), compression_algorithm=algorithm))


def test_a_compressed_tensor_larger_than_grpc_s_own_limit(client: Client) -> None:
    array = np.zeros(2 << 20, np.float32)
    result = client.infer("scratch", inputs_of(array), compression_algorithm="gzip")
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), array, strict=True)


def asking_of(service: str) -> bytes:
    """A HealthCheckRequest."""
    return bytes([10, len(service)]) + service.encode() if service else b""


@pytest.mark.parametrize("service", ["", "inference.GRPCInferenceService"])
def test_health(service: str, channel: grpc.Channel) -> None:
    check = channel.unary_unary("/grpc.health.v1.Health/Check")
    assert check(asking_of(service), timeout=TIMEOUT_S) == SERVING


@pytest.mark.usefixtures("ours")  # Triton says the same of any name, and does not watch.
def test_health_of_models_and_of_nothing(channel: grpc.Channel) -> None:
    check = channel.unary_unary("/grpc.health.v1.Health/Check")
    assert check(asking_of("model:simple"), timeout=TIMEOUT_S) == SERVING
    with refused(StatusCode.NOT_FOUND):
        check(asking_of("nobody.Service"), timeout=TIMEOUT_S)
    watching = channel.unary_stream("/grpc.health.v1.Health/Watch")(asking_of(""), timeout=TIMEOUT_S)
    assert next(watching) == SERVING
    watching.cancel()


def test_many_calls_and_streams_at_once(stub: Stub, gate: Gate) -> None:
    """On one connection, more than the 100 that many servers allow by default: none waits for another to end."""
    with gate.closed("batched") as runs:
        request = request_of("batched", ("FP32", [1, 1], np.float32(1).tobytes()))
        calls = [stub.ModelInfer.future(request, timeout=TIMEOUT_S) for _ in range(MANY)]
        runs.wait_for(1)
        ends = [queue.SimpleQueue() for _ in range(MANY)]
        streams = [stub.ModelStreamInfer(iter(end.get, None), timeout=TIMEOUT_S) for end in ends]
        assert stub.ServerLive(pb.ServerLiveRequest(), timeout=TIMEOUT_S).live
        for end in ends:
            end.put(simple_request())
        for stream in streams:
            assert next(stream).infer_response.model_name == "simple"
        assert stub.ServerLive(pb.ServerLiveRequest(), timeout=TIMEOUT_S).live
        runs.open()
        for call in calls:
            assert call.result().model_name == "batched"
        for end, stream in zip(ends, streams, strict=True):
            end.put(None)
            assert list(stream) == []


def test_an_unknown_method(channel: grpc.Channel) -> None:
    with refused(StatusCode.UNIMPLEMENTED):
        channel.unary_unary(f"{INFERENCE}NoSuchMethod")(b"", timeout=TIMEOUT_S)


GARBAGE = {
    "no message": b"\xff\xff\xff",
    "a field that ends early": b"\x0a\x64simple",
    "text that is no UTF-8": b"\x0a\x02\xff\xfe",
    "a group that is left open": b"\x0b",
    "a length that is huge": b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
}


@pytest.mark.parametrize("method", ["ModelInfer", "ModelMetadata", "RepositoryIndex", "SystemSharedMemoryRegister"])
@pytest.mark.parametrize("case", GARBAGE)
def test_bytes_that_are_no_message(case: str, method: str, channel: grpc.Channel) -> None:
    with refused((StatusCode.INTERNAL, StatusCode.INVALID_ARGUMENT)):
        channel.unary_unary(INFERENCE + method)(GARBAGE[case], timeout=TIMEOUT_S)


@pytest.mark.parametrize("case", GARBAGE)
def test_bytes_that_are_no_message_on_a_stream(case: str, channel: grpc.Channel, target: object) -> None:
    """It is told in its place; what follows may still be a message."""
    responses = channel.stream_stream(f"{INFERENCE}ModelStreamInfer")(iter([GARBAGE[case]]), timeout=TIMEOUT_S)
    if target.is_triton:  # As if the client had ended the stream.
        assert list(responses) == []
    else:
        (answer,) = map(pb.ModelStreamInferResponse.FromString, responses)
        assert "does not parse" in answer.error_message
