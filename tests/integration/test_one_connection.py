"""What calls on one connection do to each other: the clients of a program share one, as do all users of a proxy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
import torch

import oracle
from harness import TIMEOUT_S, Server, becomes_true, connect
from rpc_protos import SERVING, HealthCheckRequest, HealthCheckResponse
from served_models import Echo, Gate, Gated, infer, put
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from test_concurrency import EXPECTED, SMALL, OpenStream, check
from wire import convert_unary

MANY = 150  # More than the 100 that many servers allow by default.
HEADER_LIMIT = 64 << 10


class Waiting(NamedTuple):
    """A connection on which a call waits for its model."""

    channel: grpc.Channel
    stub: TensorServiceStub
    first: grpc.Future
    gate: Gate

    def send(self) -> grpc.Future:
        return self.stub.Convert.future(infer("gated", {"x": torch.ones(1, 4)}), timeout=TIMEOUT_S)

    def health(self, *headers: tuple[str, str]) -> int:
        check_health = self.channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=HealthCheckRequest.SerializeToString,
            response_deserializer=HealthCheckResponse.FromString,
        )
        return check_health(HealthCheckRequest(), timeout=TIMEOUT_S, metadata=headers).status


@contextmanager
def waiting_call(folder: Path) -> Iterator[Waiting]:
    gate = Gate(folder / "gate")
    put(folder / "repository/gated", Gated(gate, Echo()), "instance_group { count: 1 kind: KIND_CPU }")
    with Server("--model-dir", f"{folder}/repository") as server, connect(server.address) as channel:
        stub = TensorServiceStub(channel)
        try:
            waiting = Waiting(channel, stub, None, gate)
            waiting = waiting._replace(first=waiting.send())
            assert becomes_true(lambda: len(gate.runs()) == 1)
            yield waiting
        finally:
            gate.open()


def check_ran(response: pb.ConvertResponse) -> None:
    assert not response.HasField("error")
    assert [output.metadata.name for output in response.outputs] == ["rows", "result"]


def test_many_calls_and_streams_at_once(tmp_path: Path) -> None:
    with waiting_call(tmp_path) as waiting:
        calls = [waiting.first, *(waiting.send() for _ in range(MANY))]
        streams = [OpenStream(waiting.stub) for _ in range(MANY)]
        for stream in streams:
            check(stream.convert(SMALL))
        assert waiting.health() == SERVING
        oracle.check_converted(convert_unary(waiting.stub, SMALL), EXPECTED)
        waiting.gate.open()
        for call in calls:
            check_ran(call.result())
        for stream in streams:
            stream.close()


@pytest.mark.parametrize("nbytes", [1 << 10, 9000, 16 << 10, 32 << 10, HEADER_LIMIT - 2048])
def test_large_headers_of_one_call_cost_the_others_nothing(tmp_path: Path, nbytes: int) -> None:
    with waiting_call(tmp_path) as waiting:
        assert waiting.health(("authorization", "Bearer " + "a" * nbytes)) == SERVING
        waiting.gate.open()
        check_ran(waiting.first.result())
