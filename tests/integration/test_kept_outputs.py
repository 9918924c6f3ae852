"""Outputs in memory that the model keeps: an answer holds the values at the end of its run, whenever it is sent."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness import TIMEOUT_S, Server, becomes_true, connect
from rpc_protos import ModelInferRequest, ModelInferResponse, ModelStreamInferResponse
from served_models import Echo, Gate, Gated, infer, put
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import TRANSPORTS, chunked_parts, receive_outcomes, request_part

ONE_AT_A_TIME = "instance_group { count: 1 kind: KIND_CPU }\n"
SHOWN = ("all", "part", "transposed", "twice")
Answer = dict[str, np.ndarray]  # An output's elements, by its name.


class Counting(nn.Module):
    """Counts its runs in a buffer, and shows the buffer in several ways."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(3, columns))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        self.count.add_(1)
        return {
            "all": self.count,
            "part": self.count[1:],
            "transposed": self.count.t(),
            "twice": self.count[0].unsqueeze(0).expand(2, -1),
        }


def tensors(value: float) -> dict[str, Tensor]:
    return {"x": torch.full((1, 4), value)}


def native_stream(channel: grpc.Channel, models: list[tuple[str, float]]) -> Iterator[Answer]:
    parts = [request_part(infer(name, tensors(value))) for name, value in models]
    yield from converse_natively(channel, parts)


def native_chunks(channel: grpc.Channel, models: list[tuple[str, float]]) -> Iterator[Answer]:
    parts = [part for name, value in models for part in chunked_parts(infer(name, tensors(value)), 7)]
    yield from converse_natively(channel, parts)


def converse_natively(channel: grpc.Channel, parts: list) -> Iterator[Answer]:
    for outcome in receive_outcomes(TensorServiceStub(channel).ConvertStream(iter(parts), timeout=TIMEOUT_S)):
        assert outcome.refusal is None, outcome.refusal
        yield {output.metadata.name: np.frombuffer(output.data, np.float32) for output in outcome.outputs}


def infer_request(model: str, value: float) -> ModelInferRequest:
    x = {"name": "x", "datatype": "FP32", "shape": [1, 4]}
    return ModelInferRequest(model_name=model, inputs=[x], raw_input_contents=[np.full(4, value, "f4").tobytes()])


def answer_of(response: ModelInferResponse) -> Answer:
    elements = zip(response.outputs, response.raw_output_contents, strict=True)
    return {output.name: np.frombuffer(data, np.float32) for output, data in elements}


def infer_stream(channel: grpc.Channel, models: list[tuple[str, float]]) -> Iterator[Answer]:
    call = channel.stream_stream(
        "/inference.GRPCInferenceService/ModelStreamInfer",
        request_serializer=ModelInferRequest.SerializeToString,
        response_deserializer=ModelStreamInferResponse.FromString,
    )
    for response in call((infer_request(*model) for model in models), timeout=TIMEOUT_S):
        assert response.error_message == ""
        yield answer_of(response.infer_response)


def infer_call(channel: grpc.Channel) -> Answer:
    call = channel.unary_unary(
        "/inference.GRPCInferenceService/ModelInfer",
        request_serializer=ModelInferRequest.SerializeToString,
        response_deserializer=ModelInferResponse.FromString,
    )
    return answer_of(call(infer_request("counting", 0), timeout=TIMEOUT_S))


def native_call(transport: str) -> Callable[[grpc.Channel], Answer]:
    def call(channel: grpc.Channel) -> Answer:
        outcome = TRANSPORTS[transport](TensorServiceStub(channel), infer("counting", tensors(0), return_data=False))
        assert outcome.refusal is None, outcome.refusal
        return {output.metadata.name: np.frombuffer(output.data, np.float32) for output in outcome.outputs}

    return call


STREAMS = {"stream": native_stream, "chunks": native_chunks, "infer-stream": infer_stream}
CALLS = {**{transport: native_call(transport) for transport in TRANSPORTS}, "infer": infer_call}


@contextmanager
def serve(folder: Path, columns: int, *flags: str) -> Iterator[tuple[Server, grpc.Channel]]:
    put(folder / "counting", Counting(columns), ONE_AT_A_TIME)
    with Server("--model-dir", f"{folder}", *flags) as server, connect(server.address) as channel:
        yield server, channel


def number_of(answer: Answer) -> int:
    """The number of the run, which is every element of all outputs."""
    assert tuple(answer) == SHOWN
    (number,) = {float(element) for output in answer.values() for element in (output.min(), output.max())}
    return int(number)


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS.keys())
def test_answers_that_are_held_up_are_those_of_their_runs(
    stream: Callable[..., Iterator[Answer]], tmp_path: Path
) -> None:
    gate = Gate(tmp_path / "gate")
    put(tmp_path / "models/gated", Gated(gate, Echo()))
    calls = itertools.count(1)
    with serve(tmp_path / "models", 4) as (_, channel), ThreadPoolExecutor(1) as pool:
        answers = pool.submit(list, stream(channel, [("gated", 1), *[("counting", 0)] * 6]))
        try:
            # This waits until the six have run, while none is answered. Each call counts, too.
            assert becomes_true(lambda: number_of(infer_call(channel)) - next(calls) >= 6)
            assert not answers.done()
        finally:
            gate.open()
        numbers = [number_of(answer) for answer in answers.result()[1:]]
        assert numbers == sorted(set(numbers))
        assert numbers[0] > 0


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_large_answers_are_those_of_their_runs(call: Callable[[grpc.Channel], Answer], tmp_path: Path) -> None:
    """Which other threads copy while the model runs again."""
    with serve(tmp_path, 1 << 19) as (_, channel), ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda _: number_of(call(channel)), range(24)))
        assert sorted(numbers) == list(range(min(numbers), min(numbers) + 24))
