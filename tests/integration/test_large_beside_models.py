"""Large messages are copied on threads that they share: none of them waits for a model that is not its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

import oracle
from gated_by_first import GatedByFirst
from harness import MIB, Server, becomes_true, connect_stub
from served_models import Gate, infer, put
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import WHOLE, Outcome, array, converse, convert_unary, request, request_part

LARGE = 5 * MIB
DATA = oracle.random_bytes("|u1", LARGE)
CONVERSION = request(array("|u1", (LARGE,), DATA), return_data=False)
CONFIGS = {"alone": "", "batched": "max_batch_size: 8\ndynamic_batching {}"}
RUNS = 20  # A model that was short three times in a row counts as short.


def run(first: int, nbytes: int = LARGE) -> pb.ConvertRequest:
    x = torch.zeros(1, nbytes, dtype=torch.uint8)
    x[0, 0] = first
    return infer("model", {"x": x}, return_data=False)


def on_stream(stub: TensorServiceStub, messages: Sequence[pb.ConvertRequest]) -> list[Outcome]:
    outcomes, ended = converse(stub, [request_part(message) for message in messages])
    assert ended is None
    return outcomes


# How the request comes whose run waits at the gate.
HELD: dict[str, Callable[[TensorServiceStub], list[Outcome]]] = {
    "call": lambda stub: [convert_unary(stub, run(1))],
    "stream": lambda stub: on_stream(stub, [run(1)]),
    "small_behind_large": lambda stub: on_stream(stub, [CONVERSION, run(1, 8)]),
}


@pytest.mark.parametrize("held", HELD.values(), ids=HELD.keys())
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_no_large_message_waits_for_another_ones_model(
    tmp_path: Path, config: str, held: Callable[[TensorServiceStub], list[Outcome]]
) -> None:
    gate = Gate(tmp_path / "gate")
    put(tmp_path / "repository/model", GatedByFirst(gate), config)
    with (
        Server("--model-dir", f"{tmp_path}/repository", "--threads", "1") as server,
        connect_stub(server.address) as stub,
        connect_stub(server.address) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        for nbytes in (8, LARGE):
            for _ in range(RUNS):
                assert convert_unary(stub, run(0, nbytes)).refusal is None
        begun = len(gate.runs())
        waiting = pool.submit(held, stub)
        try:
            assert becomes_true(lambda: len(gate.runs()) > begun)
            for convert in WHOLE.values():
                outcome = convert(other, CONVERSION)
                assert outcome.refusal is None, outcome.refusal
        finally:
            gate.open()
        assert all(outcome.refusal is None for outcome in waiting.result())
