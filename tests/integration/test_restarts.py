"""Callers that are busy when the server stops: what they are told sends them elsewhere."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator

import grpc
import pytest

from harness import TIMEOUT_S, Server, connect
from tensorferry.v1 import tensor_service_pb2 as pb
from wire import array, request

CONVERT = request(array("|u1", (3,), b"abc")).SerializeToString()
STREAMED = pb.ConvertStreamRequest(request=request(array("|u1", (3,), b"abc"))).SerializeToString()
INPUT = b"\x0a\x01x\x12\x05UINT8\x1a\x01\x01"  # name: "x", datatype: "UINT8", shape: [1]
INFER = b"\x0a\x08identity" + b"\x2a" + bytes([len(INPUT)]) + INPUT + b"\x3a\x01\x07"

CALLS = {
    "Convert": ("/tensorferry.v1.TensorService/Convert", CONVERT),
    "ListModels": ("/tensorferry.v1.TensorService/ListModels", b""),
    "ModelInfer": ("/inference.GRPCInferenceService/ModelInfer", INFER),
    "ServerLive": ("/inference.GRPCInferenceService/ServerLive", b""),
    "Check": ("/grpc.health.v1.Health/Check", b""),
}


def call_until_refused(channel: grpc.Channel, name: str, warm: Callable[[], object]) -> grpc.RpcError:
    method, message = CALLS[name]
    call = channel.unary_unary(method)
    for count in itertools.count(1):
        try:
            call(message, timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            return error
        if count == 10:
            warm()
    raise AssertionError


def stream_until_refused(channel: grpc.Channel, warm: Callable[[], object]) -> grpc.RpcError:
    answered = threading.Semaphore(1)

    def requests() -> Iterator[bytes]:
        while answered.acquire(timeout=TIMEOUT_S):
            yield STREAMED

    stream = channel.stream_stream("/tensorferry.v1.TensorService/ConvertStream")(requests(), timeout=TIMEOUT_S)
    try:
        for count, message in enumerate(stream, 1):
            response = pb.ConvertStreamResponse.FromString(message).response
            if response.HasField("error"):
                assert response.error.reason == "DRAINING"
            answered.release()
            if count == 10:
                warm()
    except grpc.RpcError as error:
        return error
    finally:
        stream.cancel()
    raise AssertionError("the stream ended without a status")


@pytest.mark.parametrize("delay", ["0s", "300ms"])
def test_busy_callers_are_told_to_go_elsewhere(delay: str) -> None:
    """However a call meets the end of the server, its status is UNAVAILABLE: policies of retries cover that."""
    names = [*CALLS, "ConvertStream"] * 2
    errors: dict[int, grpc.RpcError] = {}
    warm = threading.Barrier(len(names) + 1, timeout=TIMEOUT_S)

    def caller(index: int, name: str) -> None:
        with connect(server.address) as channel:
            if name == "ConvertStream":
                errors[index] = stream_until_refused(channel, warm.wait)
            else:
                errors[index] = call_until_refused(channel, name, warm.wait)

    with Server("--drain-delay", delay) as server:
        threads = [threading.Thread(target=caller, args=each, daemon=True) for each in enumerate(names)]
        for thread in threads:
            thread.start()
        warm.wait()
        assert server.stop() == 0
        for thread in threads:
            thread.join(TIMEOUT_S)
    told = {(names[index], error.code()) for index, error in errors.items()}
    assert told == {(name, grpc.StatusCode.UNAVAILABLE) for name in set(names)}
