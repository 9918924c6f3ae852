"""Requests that wait for a busy model: in which order they run, and what becomes of those that nobody waits for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import models
from admin import ADMIN
from harness import MIB, TIMEOUT_S, Server, becomes_true, connect_stub
from metrics import scrape
from served_models import Echo, Gate, Gated, Plus, check_outputs, config_tensor, infer, put
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import Outcome, Transport, array, convert_stream, convert_unary, request, request_part

BUDGET = 16 * MIB
ONE_AT_A_TIME = "instance_group { count: 1 kind: KIND_CPU }\n"
BATCHED = ONE_AT_A_TIME + "max_batch_size: 8\n"
ECHO, ONE_ROW = Echo(), torch.ones(1, 4)
CONFIGS = {"alone": ONE_AT_A_TIME, "batched": BATCHED + "dynamic_batching {}"}


class Busy:
    """A model that works on a first request until `release`, while others wait for it."""

    def __init__(self, server: Server, stub: TensorServiceStub, gate: Gate, pool: ThreadPoolExecutor) -> None:
        self.server, self.stub, self._gate, self.pool = server, stub, gate, pool
        self._messages = 0

    def start(self, first: Tensor) -> None:
        begun = len(self.runs())
        self.first = self.send(infer("model", {"x": first}))
        assert becomes_true(lambda: len(self.runs()) > begun)

    def send(self, message: pb.ConvertRequest, convert: Transport = convert_unary, parts: int = 1) -> Future[Outcome]:
        """`parts`: messages in which it travels."""
        self.expect(parts)
        return self.pool.submit(convert, self.stub, message)

    def expect(self, messages: int) -> None:
        self._messages += messages

    def all_wait(self) -> None:
        """Until all that was sent is queued: the one thread that serves calls has then an ear for another."""
        assert becomes_true(lambda: self.messages() >= self._messages)
        self.is_there()

    def forget(self) -> None:
        """Waits for no message of the past, as of a call that was given up it may not have come."""
        self.is_there()
        self._messages = self.messages()

    def messages(self) -> int:
        """How many have come, by the server's log."""
        return len(re.findall(r"message of \d+ bytes", self.server.log()))

    def is_there(self) -> None:
        self.expect(1)
        assert convert_unary(self.stub, request(array("|u1", (1,), b"\0"))).refusal is None

    def release(self, queued: int = 0) -> None:
        """Opens the gate, once so many requests are queued for the model, by the server's own count."""
        self.all_wait()
        depth = {"model": "model", "version": "1"}
        assert becomes_true(lambda: scrape(self.server).value("tensorferry_queue_depth", **depth) >= queued)
        self.open()

    def open(self, to: int = 1 << 40) -> None:
        self._gate.open(to)

    def runs(self) -> list[int]:
        """The rows of each run that was begun, the first one's too."""
        return self._gate.runs()


@contextmanager
def busy(
    folder: Path, config: str, *flags: str, inner: nn.Module = ECHO, first: Tensor | None = ONE_ROW
) -> Iterator[Busy]:
    """Serves `Gated` as `model`, under this configuration, beside what else lies in `folder`/repository.

    `first`: what the model works on; None: nothing yet.
    """
    gate = Gate(folder / "gate")
    put(folder / "repository/model", Gated(gate, inner), config)
    flags = (*ADMIN, "--model-dir", f"{folder}/repository", "--threads", "1", "--log-level", "trace", *flags)
    with Server(*flags) as server, connect_stub(server.address) as stub, ThreadPoolExecutor(80) as pool:
        model = Busy(server, stub, gate, pool)
        try:
            if first is not None:
                model.start(first)
            yield model
        finally:
            gate.open()


def rows(count: int, width: int = 4) -> dict[str, Tensor]:
    """Inputs that do not wait at the gate."""
    return {"x": -torch.rand(count, width)}


def check_whole(stub: TensorServiceStub) -> None:
    """No memory is taken any more."""
    whole = request(array("|u1", (BUDGET,), bytes(BUDGET)), return_data=False)
    assert becomes_true(lambda: convert_unary(stub, whole).refusal is None)


each_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
WIDE = 1 << 17  # Two rows of so many columns are 1 MiB.


class Visits(nn.Module):
    """Counts its runs, in a buffer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("visits", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.visits.add_(1)
        return self.visits.clone()


# All sizes are known, so the model is warmed up on zeros.
TWO_EXECUTORS = "instance_group { count: 2 kind: KIND_CPU }\n" + config_tensor("input", "x", "TYPE_FP32", "1, 4")
SHARING = TWO_EXECUTORS + 'parameters { key: "ENABLE_WEIGHT_SHARING" value { string_value: "true" } }\n'


def visits(outcome: Outcome) -> float:
    assert outcome.refusal is None
    (result,) = (output for output in outcome.outputs if output.metadata.name == "result")
    return float(np.frombuffer(result.data, np.float32)[0])


def test_each_executor_has_a_state_of_its_own_which_begins_after_the_warm_up(tmp_path: Path) -> None:
    with busy(tmp_path, TWO_EXECUTORS, inner=Visits()) as model:
        second = convert_unary(model.stub, infer("model", rows(1)))  # Runs while the first waits at the gate.
        model.open()
        assert (visits(second), visits(model.first.result())) == (1, 1)


def test_executors_share_a_state_that_they_are_told_to_share(tmp_path: Path) -> None:
    with busy(tmp_path, SHARING, inner=Visits()) as model:
        second = convert_unary(model.stub, infer("model", rows(1)))
        model.open()
        assert (visits(second), visits(model.first.result())) == (1, 2)


@each_config
def test_cancelled_calls_are_never_run(config: str, tmp_path: Path) -> None:
    with busy(tmp_path, config, "--memory-budget", f"{BUDGET}") as model:
        threads = model.server.threads()
        message = infer("model", rows(1, WIDE), return_data=False)
        calls = [model.stub.Convert.future(message, timeout=TIMEOUT_S) for _ in range(20)]
        model.expect(20)
        model.all_wait()
        for call in calls:
            assert call.cancel()
        model.is_there()
        fresh = model.send(infer("model", rows(3)))
        model.release()
        assert fresh.result().refusal is None and model.first.result().refusal is None
        assert model.runs() == [1, 3]
        check_whole(model.stub)
        assert model.server.threads() - threads < 10, "gRPC starts some of its own"


@each_config
def test_requests_of_a_cancelled_stream_are_never_run(config: str, tmp_path: Path) -> None:
    with busy(tmp_path, config, "--memory-budget", f"{BUDGET}") as model:
        message = infer("model", rows(2, WIDE), return_data=False)
        stream = model.stub.ConvertStream(iter([request_part(message)] * 10), timeout=TIMEOUT_S)
        model.expect(10)
        model.all_wait()
        assert stream.cancel()
        model.is_there()
        fresh = model.send(infer("model", rows(3)))
        model.release()
        assert fresh.result().refusal is None
        assert model.runs() == [1, 3]
        check_whole(model.stub)


@each_config
def test_what_is_past_its_deadline_is_never_run(config: str, tmp_path: Path) -> None:
    with busy(tmp_path, config) as model:
        calls = [model.stub.Convert.future(infer("model", rows(2)), timeout=0.5) for _ in range(10)]
        codes = {call.code() for call in calls}  # Waits for them.
        assert codes == {grpc.StatusCode.DEADLINE_EXCEEDED}
        model.forget()
        fresh = model.send(infer("model", rows(3)))
        model.release()
        assert fresh.result().refusal is None
        assert model.runs() == [1, 3]


def queue_policy(policy: str) -> str:
    return BATCHED + f"dynamic_batching {{ default_queue_policy {{ {policy} }} }}"


SOME_TIME = "default_timeout_microseconds: 5000000"  # In which a request can be queued and taken on any machine.


def wait_longer(model: Busy, seconds: float = 5.5) -> None:
    call = model.stub.Convert.future(infer("model", rows(2)), timeout=seconds)
    assert call.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    model.forget()


@pytest.mark.parametrize("convert", [convert_unary, convert_stream])
def test_what_waits_longer_than_the_model_allows_is_refused(convert: Transport, tmp_path: Path) -> None:
    with busy(tmp_path, queue_policy(SOME_TIME)) as model:
        late = [model.send(infer("model", rows(2)), convert) for _ in range(3)]
        model.all_wait()
        wait_longer(model)
        fresh = model.send(infer("model", rows(4)))
        model.release()
        for refusal in (future.result().refusal for future in late):
            assert refusal is not None
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE")
        assert fresh.result().refusal is None
        assert model.runs() == [1, 4]


def test_what_is_late_may_run_after_the_others(tmp_path: Path) -> None:
    with busy(tmp_path, queue_policy(f"timeout_action: DELAY {SOME_TIME}")) as model:
        late = [model.send(infer("model", rows(5))) for _ in range(2)]
        model.all_wait()
        wait_longer(model)
        fresh = model.send(infer("model", rows(4)))
        model.release()
        assert all(future.result().refusal is None for future in [fresh, *late])
        assert model.runs() == [1, 4, 5, 5]


def test_one_slow_run_does_not_have_later_requests_refused(tmp_path: Path) -> None:
    with busy(tmp_path, ONE_AT_A_TIME) as model:
        wait_longer(model, 2)
        second = model.send(infer("model", {"x": 2 * ONE_ROW}))
        waiting = [model.send(infer("model", rows(1))) for _ in range(30)]
        model.all_wait()
        model.open(to=1)
        assert model.first.result().refusal is None
        last = model.stub.Convert.future(infer("model", rows(1)), timeout=20)
        model.expect(1)
        model.all_wait()
        model.open()
        assert last.code() == grpc.StatusCode.OK, last.details()
        assert all(future.result().refusal is None for future in [second, *waiting])


@pytest.mark.parametrize("convert", [convert_unary, convert_stream])
def test_a_full_queue_refuses_and_says_when_to_come_back(convert: Transport, tmp_path: Path) -> None:
    with busy(tmp_path, queue_policy("max_queue_size: 3")) as model:
        waiting = [model.send(infer("model", rows(2))) for _ in range(3)]
        model.all_wait()
        refusal = model.send(infer("model", rows(2)), convert).result().refusal
        assert refusal is not None
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
        assert refusal.retry_after_ms > 0
        assert refusal.metadata["limit"] == "3"
        model.release()
        assert all(future.result().refusal is None for future in waiting)
        assert convert_unary(model.stub, infer("model", rows(2))).refusal is None


@each_config
@pytest.mark.parametrize("fast_runs", [0, 20])
def test_a_slow_run_does_not_hold_up_another_model(config: str, fast_runs: int, tmp_path: Path) -> None:
    """However fast the same model was before."""
    put(tmp_path / "repository/fast", Plus(1))
    with busy(tmp_path, config, first=None) as model:
        for _ in range(fast_runs):
            assert convert_unary(model.stub, infer("model", rows(1))).refusal is None
        model.start(ONE_ROW)
        x = rows(2)["x"]
        check_outputs(convert_unary(model.stub, infer("fast", {"x": x})), {"OUTPUT__0": x + 1})
        assert not model.first.done()


# Each case has flags and a configuration, and says how many requests run at one time.
AT_ONCE: dict[str, tuple[list[str], str, int]] = {
    "flag-1": (["--model-threads", "1"], "", 1),
    "flag-2": (["--model-threads", "2"], "", 2),
    "config-1": (["--model-threads", "2"], "instance_group { count: 1 kind: KIND_CPU }", 1),
    "config-2": (["--model-threads", "1"], "instance_group { count: 2 }", 2),
    "two-groups": (["--model-threads", "1"], "instance_group { count: 1 } instance_group { count: 1 }", 2),
}


@pytest.mark.parametrize("case", AT_ONCE)
def test_as_many_run_at_once_as_are_to(case: str, tmp_path: Path) -> None:
    flags, config, at_once = AT_ONCE[case]
    with busy(tmp_path, config, *flags) as model:
        waiting = [model.send(infer("model", {"x": torch.ones(2, 4)})) for _ in range(2)]
        assert becomes_true(lambda: len(model.runs()) == at_once)
        model.all_wait()
        assert len(model.runs()) == at_once
        model.release()
        assert all(future.result().refusal is None for future in waiting)


# Each case has what goes wrong, under which configuration, and what is said of it.
FAILING: dict[str, tuple[nn.Module, str, str]] = {
    "throws": (models.Failing(), "", "too few elements"),
    "lacks-an-output": (models.Named(), config_tensor("output", "sum", "TYPE_INT64", ""), "sum"),
    "gives-another-dtype": (Echo(), config_tensor("output", "OUTPUT__0", "TYPE_INT64", "-1, -1"), "int64"),
    "gives-another-shape": (Echo(), config_tensor("output", "OUTPUT__0", "TYPE_FP32", "-1, 3"), "[-1, 3]"),
}


@pytest.mark.parametrize("case", FAILING)
def test_a_model_that_fails_says_how_and_leaves_nothing_behind(case: str, tmp_path: Path) -> None:
    module, config, said = FAILING[case]
    put(tmp_path / "model", module, config)
    message = infer("model", rows(2, WIDE), return_data=False)
    flags = ["--model-dir", f"{tmp_path}", "--memory-budget", f"{BUDGET}"]
    with Server(*flags) as server, connect_stub(server.address) as stub:
        for convert in [convert_unary, convert_stream] * 20:
            refusal = convert(stub, message).refusal
            assert refusal is not None
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "MODEL_FAILED")
            assert said in refusal.message
        check_whole(stub)
        assert server.alive()


def test_a_server_that_stops_finishes_what_waits(tmp_path: Path) -> None:
    with busy(tmp_path, ONE_AT_A_TIME) as model:
        waiting = [model.send(infer("model", rows(2))) for _ in range(2)]
        model.all_wait()
        model.server.terminate()
        model.open()
        assert all(future.result().refusal is None for future in [model.first, *waiting])
        assert model.server.wait() == 0


def test_a_run_that_does_not_end_does_not_keep_the_server(tmp_path: Path) -> None:
    with busy(tmp_path, ONE_AT_A_TIME, "--drain-grace", "1ms") as model:
        assert model.server.stop() == 0
        assert model.first.result().refusal is not None
