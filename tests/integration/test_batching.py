"""Requests that run together are answered as if each had run alone."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import models
from harness import Server, connect_stub
from served_models import ENGINES, FORMATS, Tokens, add_exported, from_elements, infer, put_file, run_in_python
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from test_executors import BATCHED, BUDGET, ONE_AT_A_TIME, Busy, busy, check_whole, rows
from wire import Outcome, array, convert_chunks, convert_unary, receive_outcomes, request, request_part

DYNAMIC = BATCHED + "dynamic_batching {}"
MOST = 8  # Rows, as BATCHED has it.


class Scaled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2 + 1


class FirstRow(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:1]


class Total(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.sum()


def output(outcome: Outcome, name: str) -> Tensor:
    assert outcome.refusal is None, outcome.refusal
    (found,) = [output for output in outcome.outputs if output.metadata.name == name]
    return from_elements(found.metadata.dtype, tuple(found.metadata.shape), found.data)


def convert_patiently(stub: TensorServiceStub, message: pb.ConvertRequest) -> Outcome:
    """Calls without a deadline, so that no guess at the wait refuses the call."""
    answer = pb.ConvertStreamResponse(response=stub.Convert(message))
    return next(receive_outcomes(iter([answer])))


def send_stream(model: Busy, messages: list[pb.ConvertRequest]) -> Future[list[Outcome]]:
    """Sends all on one stream, without waiting for answers."""
    model.expect(len(messages))
    parts = map(request_part, messages)
    return model.pool.submit(lambda: list(receive_outcomes(model.stub.ConvertStream(parts))))


def send_all(model: Busy, inputs: list[Tensor]) -> Callable[[], list[Outcome]]:
    """Sends half of them in calls and half on streams of 32, all at once. Returns what waits for the answers."""
    messages = [infer("model", {"x": x}) for x in inputs]
    half = len(messages) // 2
    calls = [model.send(message, convert_patiently) for message in messages[:half]]
    streams = [send_stream(model, messages[i : i + 32]) for i in range(half, len(messages), 32)]
    return lambda: [call.result() for call in calls] + [outcome for stream in streams for outcome in stream.result()]


def check_answer(outcome: Outcome, x: Tensor, expected: Tensor, tolerance: float) -> None:
    ran_with = output(outcome, "rows")
    assert ran_with.shape == (len(x),)
    assert len(x) <= int(ran_with[0]) <= MOST
    torch.testing.assert_close(output(outcome, "result"), expected, rtol=tolerance, atol=tolerance)


def anything(rng: random.Random) -> Tensor:
    """Nothing positive, which would wait at the gate."""
    shape = (rng.randint(1, 5), *rng.choice([(4,), (6,), (2, 3), ()]))
    dtype = rng.choice([torch.float32, torch.float64, torch.int64, torch.int8])
    return -torch.tensor([rng.randrange(100) for _ in range(math.prod(shape))]).reshape(shape).to(dtype)


def features(rng: random.Random) -> Tensor:
    return -torch.tensor([[rng.random() for _ in range(16)] for _ in range(rng.randint(1, 5))])


# Each case makes an input, and says how much the answer may differ from that to the request alone.
MIXES: dict[str, tuple[nn.Module, Callable[[random.Random], Tensor], float]] = {
    "element-wise": (Scaled(), anything, 0.0),
    "matrices": (models.Perceptron(), features, 1e-5),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mix", MIXES)
def test_no_answer_depends_on_its_company(mix: str, seed: int, tmp_path: Path) -> None:
    module, make, tolerance = MIXES[mix]
    rng = random.Random(seed)
    inputs = [make(rng) for _ in range(256)]
    with busy(tmp_path, DYNAMIC, "--memory-budget", f"{BUDGET}", inner=module) as model, torch.inference_mode():
        expected = [module(x) for x in inputs]
        queued = send_all(model, inputs[:128])
        model.release()
        coming = send_all(model, inputs[128:])
        for outcome, x, wanted in zip(queued() + coming(), inputs, expected, strict=True):
            check_answer(outcome, x, wanted, tolerance)
        assert sum(model.runs()[1:]) == sum(map(len, inputs)), "a row was lost, or run twice"
        assert 5 < max(model.runs()) <= MOST
        check_whole(model.stub)


# Each case has a configuration, the rows of the requests that wait, and the rows of the runs that answer them.
RUNS: dict[str, tuple[str, list[int], list[int]]] = {
    "as-many-as-wait": (DYNAMIC, [1] * 5, [5]),
    "as-many-as-may": (DYNAMIC, [1] * 20, [8, 8, 4]),
    "whole-requests": (DYNAMIC, [5, 5, 5], [5, 5, 5]),
    "full-ones": (DYNAMIC, [4, 4, 8, 2], [8, 8, 2]),
    "gaps-are-filled": (DYNAMIC, [5, 5, 3], [8, 5]),
    "preferred": (BATCHED + "dynamic_batching { preferred_batch_size: [4] }", [1] * 7, [4, 3]),
    "largest-preferred": (BATCHED + "dynamic_batching { preferred_batch_size: [2, 6] }", [1] * 9, [6, 2, 1]),
    "not-asked-for": (BATCHED, [1, 2, 3], [1, 2, 3]),
    "no-batches": (ONE_AT_A_TIME, [1, 2, 3], [1, 2, 3]),
}


@pytest.mark.parametrize("case", RUNS)
def test_requests_that_wait_run_together(case: str, tmp_path: Path) -> None:
    config, waiting, runs = RUNS[case]
    with busy(tmp_path, config) as model:
        answers = send_stream(model, [infer("model", rows(count)) for count in waiting])
        model.release(queued=len(waiting))
        assert [len(output(outcome, "rows")) for outcome in answers.result()] == waiting
        assert model.runs() == [1, *runs]


def test_a_batch_is_waited_for_until_it_is_full(tmp_path: Path) -> None:
    patient = "max_batch_size: 4 dynamic_batching { max_queue_delay_microseconds: 40000000 }"
    with busy(tmp_path, patient, first=None) as model:
        calls = [model.stub.Convert.future(infer("model", rows(1)), timeout=30) for _ in range(4)]
        assert [len(call.result().outputs) for call in calls] == [2] * 4
        assert model.runs() == [4]


def test_a_batch_is_not_waited_for_longer_than_that(tmp_path: Path) -> None:
    impatient = "max_batch_size: 4 dynamic_batching { max_queue_delay_microseconds: 50000 }"
    with busy(tmp_path, impatient, first=None) as model:
        assert convert_unary(model.stub, infer("model", rows(3))).refusal is None
        assert model.runs() == [3]


@pytest.mark.parametrize("format", FORMATS)
def test_every_engine_runs_batches(format: str, tmp_path: Path) -> None:
    """The requests wait for each other, longer than their deadlines are: alone, none would be answered."""
    (tmp_path / "repository").mkdir()
    file = add_exported(tmp_path, "perceptron", format)
    patient = "max_batch_size: 8 dynamic_batching { max_queue_delay_microseconds: 40000000 }"
    put_file(tmp_path / "repository/model", file, patient)
    inputs = [torch.randn(2, 16, generator=torch.Generator().manual_seed(seed)) for seed in range(4)]
    (name,) = ENGINES["perceptron"].inputs
    with Server("--model-dir", f"{tmp_path}/repository") as server, connect_stub(server.address) as stub:
        calls = [stub.Convert.future(infer("model", {name: x}), timeout=30) for x in inputs]
        for call, x in zip(calls, inputs, strict=True):
            (answer,) = call.result().outputs
            alone = run_in_python(file, **{name: x})["OUTPUT__0"]
            torch.testing.assert_close(from_elements("float32", (2, 8), answer.data), alone, rtol=1e-5, atol=1e-7)


def test_an_index_out_of_range_does_not_cost_its_neighbours(tmp_path: Path) -> None:
    good, bad = [torch.tensor([[1, 2, 3], [4, 5, 6]]), torch.tensor([[7, 8, 99]])], torch.tensor([[1, 1000, 2]])
    module = Tokens().eval()
    with busy(tmp_path, DYNAMIC, inner=module, first=torch.ones(1, 3, dtype=torch.int64)) as model:
        answers = send_stream(model, [infer("model", {"x": x}) for x in (good[0], bad, good[1])])
        model.release(queued=3)
        outcomes = answers.result()
        assert [outcome.reason for outcome in outcomes] == ["", "MODEL_FAILED", ""]
        assert model.runs() == [1, 4, 2, 1, 1], "together, then one by one"
        with torch.inference_mode():
            for outcome, x in zip(outcomes[::2], good, strict=True):
                assert torch.equal(output(outcome, "result"), module(x))


def test_a_bool_that_is_refused_does_not_cost_its_neighbours(tmp_path: Path) -> None:
    with busy(tmp_path, DYNAMIC) as model:
        arrays = [array("bool", (2, 2), data, name="x") for data in (b"\0\1\0\1", b"\0\1\2\0", b"\1\0\1\0")]
        strict = [request(x, model_name="model", fidelity=pb.FIDELITY_STRICT) for x in arrays]
        answers = send_stream(model, [*strict, request(arrays[1], model_name="model")])
        model.release()
        outcomes = answers.result()
        assert [outcome.reason for outcome in outcomes] == ["", "BOOL_RANGE", "", ""]
        results = [output(outcome, "result").flatten().tolist() for outcome in outcomes if not outcome.refusal]
        assert results == [[False, True] * 2, [True, False] * 2, [False, True, True, False]]
        adjusted = [list(outcome.tensors[0].metadata.receipt.adjustments) for outcome in outcomes if outcome.tensors]
        assert adjusted == [[], [], [pb.ADJUSTMENT_BOOL_NORMALIZED]]


def test_receipts_are_those_of_requests_alone(tmp_path: Path) -> None:
    sources = [-np.random.default_rng(seed).random((2, 4), np.float32) for seed in range(4)]
    arrays = [
        array("<f4", (2, 4), sources[0].tobytes()),
        array(">f4", (2, 4), sources[1].astype(">f4").tobytes()),
        array("<f4", (2, 4), sources[2].tobytes("F"), fortran_order=True),
        array(">f4", (2, 4), sources[3].astype(">f4").tobytes("F"), fortran_order=True),
    ]
    with busy(tmp_path, DYNAMIC) as model:
        alone = [convert_unary(model.stub, request(x)) for x in arrays]
        model.expect(len(arrays))
        senders = [(convert_unary, 1), (convert_unary, 1), (convert_unary, 1), (convert_chunks, 1 + math.ceil(32 / 7))]
        calls = [
            model.send(request(x, model_name="model"), convert, messages)
            for x, (convert, messages) in zip(arrays, senders, strict=True)
        ]
        model.release(queued=len(arrays))
        for call, source, plain in zip(calls, sources, alone, strict=True):
            assert output(call.result(), "rows").tolist() == [8, 8], "all of them ran together"
            assert torch.equal(output(call.result(), "result"), torch.from_numpy(source))
            (tensor,), (wanted,) = call.result().tensors, plain.tensors
            assert tensor.metadata.receipt == wanted.metadata.receipt
            assert (tensor.metadata.dtype, list(tensor.metadata.shape)) == ("float32", [2, 4])
            assert tensor.data == wanted.data


def test_each_gets_the_outputs_and_elements_it_asked_for(tmp_path: Path) -> None:
    wanted = [["rows"], ["result", "rows"], ["no-such"], []]
    x = rows(2)
    with busy(tmp_path, DYNAMIC) as model:
        messages = [infer("model", x, requested_outputs=names, return_data=bool(names)) for names in wanted]
        answers = send_stream(model, messages)
        model.release()
        outcomes = answers.result()
        assert [outcome.reason for outcome in outcomes] == ["", "", "UNKNOWN_OUTPUT", ""]
        named = [[output.metadata.name for output in outcome.outputs] for outcome in outcomes]
        assert named == [["rows"], ["result", "rows"], [], ["rows", "result"]]
        returned = [outcome.tensors[0].data is not None for outcome in outcomes if outcome.tensors]
        assert returned == [True, True, False]
        assert model.runs() == [1, 8]


@pytest.mark.parametrize(("inner", "shape"), [(FirstRow(), "[1, 4]"), (Total(), "[]")])
def test_an_output_without_the_rows_of_the_batch_is_the_models_fault(
    inner: nn.Module, shape: str, tmp_path: Path
) -> None:
    with busy(tmp_path, DYNAMIC, inner=inner) as model:
        answers = send_stream(model, [infer("model", rows(2)) for _ in range(3)])
        model.release()
        for refusal in (outcome.refusal for outcome in answers.result()):
            assert refusal is not None
            assert refusal.reason == "MODEL_FAILED"
            assert "'result'" in refusal.message and shape in refusal.message and "2 rows" in refusal.message
