"""Worker processes that end, by themselves, with the model or with the server: what that costs, and what it leaves."""

from __future__ import annotations

import itertools
import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

import tensorferry
from harness import Server, becomes_true, connect_stub
from isolated import ISOLATED, children, exists, plus_one_is_served, serving
from served_models import ENGINES, Gate, Gated, Plus, add_exported, elements, infer, listed, put
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import Outcome, convert_unary

READY, UNAVAILABLE = pb.MODEL_STATE_READY, pb.MODEL_STATE_UNAVAILABLE


@contextmanager
def gated(tmp_path: Path, config: str = "") -> Iterator[tuple[Server, TensorServiceStub, Gate, ThreadPoolExecutor]]:
    """Serves as `model` a model that waits at a gate for inputs with positive elements."""
    gate = Gate(tmp_path / "gate")
    put(tmp_path / "repository/model", Gated(gate, Plus(1)), ISOLATED + config)
    with serving(tmp_path / "repository") as (server, stub), ThreadPoolExecutor(16) as pool:
        try:
            yield server, stub, gate, pool
        finally:
            gate.open()


def result(outcome: Outcome) -> bytes:
    assert outcome.refusal is None, outcome.refusal
    (output,) = (output for output in outcome.outputs if output.metadata.name == "result")
    return output.data


FREE, WAITING = -torch.rand(1, 4), torch.ones(1, 4)
ENDED = re.compile(r"its worker process ended by signal 9 \(Killed\), (\d+) times since it was loaded")


def end_in_a_run(server: Server, gate: Gate, send: Callable[[], Outcome], pool: ThreadPoolExecutor) -> Outcome:
    """Ends the worker while it runs a request; returns the answer to that."""
    begun = len(gate.runs())
    future = pool.submit(send)
    assert becomes_true(lambda: len(gate.runs()) > begun)
    (worker,) = children(server.pid)
    os.kill(worker, signal.SIGKILL)
    return future.result()


def test_a_worker_that_ends_in_a_run_costs_that_request_alone(tmp_path: Path) -> None:
    with gated(tmp_path) as (server, stub, gate, pool):
        for times in (1, 2, 3):
            outcome = end_in_a_run(server, gate, lambda: convert_unary(stub, infer("model", {"x": WAITING})), pool)
            assert outcome.refusal.reason == "MODEL_FAILED"
            assert "its worker process ended by signal 9 (Killed)" in outcome.refusal.message
            assert result(convert_unary(stub, infer("model", {"x": FREE}))) == elements(FREE + 1)
            assert becomes_true(lambda times=times: ENDED.findall(server.log())[-1:] == [str(times)])
        assert listed(stub)["model"]["1"].state == READY
        assert len(children(server.pid)) == 1


def test_what_waits_meanwhile_is_served_by_the_next_worker(tmp_path: Path) -> None:
    with gated(tmp_path) as (server, stub, gate, pool):
        begun = pool.submit(convert_unary, stub, infer("model", {"x": WAITING}))
        assert becomes_true(lambda: len(gate.runs()) == 1)
        others = [pool.submit(convert_unary, stub, infer("model", {"x": FREE * n})) for n in range(1, 9)]
        (worker,) = children(server.pid)
        os.kill(worker, signal.SIGKILL)
        assert begun.result().refusal.reason == "MODEL_FAILED"
        for n, other in enumerate(others, 1):
            assert result(other.result()) == elements(FREE * n + 1)


def test_a_batch_whose_worker_ends_is_run_again_one_by_one(tmp_path: Path) -> None:
    config = "max_batch_size: 8\ndynamic_batching { preferred_batch_size: 4 max_queue_delay_microseconds: 60000000 }\n"
    with gated(tmp_path, config) as (server, stub, gate, pool):
        answers = [pool.submit(convert_unary, stub, infer("model", {"x": WAITING * n})) for n in range(1, 5)]
        assert becomes_true(lambda: gate.runs() == [4])
        (worker,) = children(server.pid)
        os.kill(worker, signal.SIGKILL)
        gate.open()
        for n, answer in enumerate(answers, 1):
            assert result(answer.result()) == elements(WAITING * n + 1)
        assert gate.runs() == [4, 1, 1, 1, 1]


def test_a_worker_that_ends_while_idle_costs_nothing(tmp_path: Path) -> None:
    with gated(tmp_path) as (server, stub, _, _pool):
        for _ in range(3):
            (worker,) = children(server.pid)
            os.kill(worker, signal.SIGKILL)
            assert result(convert_unary(stub, infer("model", {"x": FREE}))) == elements(FREE + 1)
            assert children(server.pid) != [worker]


def test_other_models_do_not_notice(tmp_path: Path) -> None:
    put(tmp_path / "repository/other", Plus(1), ISOLATED)
    put(tmp_path / "repository/plain", Plus(1))
    with gated(tmp_path) as (server, stub, gate, pool):
        waiting = pool.submit(convert_unary, stub, infer("model", {"x": WAITING}))
        assert becomes_true(lambda: len(gate.runs()) == 1)
        workers = children(server.pid)
        assert len(workers) == 2
        maps = {worker: Path(f"/proc/{worker}/maps").read_text() for worker in workers}
        os.kill(next(worker for worker in workers if str(gate.file) in maps[worker]), signal.SIGKILL)
        for model in ("other", "plain"):
            plus_one_is_served(stub, model)
        assert waiting.result().refusal.reason == "MODEL_FAILED"
        assert len(set(children(server.pid)) & set(workers)) == 1


def test_a_model_that_cannot_be_started_again_is_unavailable_until_it_can(tmp_path: Path) -> None:
    file = put(tmp_path / "model", Plus(1), ISOLATED)
    content = file.read_bytes()
    with serving(tmp_path) as (server, stub), tensorferry.Client(server.address) as client:
        plus_one_is_served(stub)
        file.write_bytes(content[:100])  # The same file: the server keeps it open.
        os.kill(children(server.pid)[0], signal.SIGKILL)
        assert becomes_true(lambda: listed(stub)["model"]["1"].state == UNAVAILABLE)
        assert "its worker process cannot be started" in listed(stub)["model"]["1"].reason
        refusal = convert_unary(stub, infer("model", {"x": torch.ones(1)})).refusal
        assert refusal.reason == "MODEL_NOT_READY"
        assert becomes_true(lambda: client.health("model:model") == tensorferry.HealthStatus.NOT_SERVING)
        assert becomes_true(lambda: server.log().count("cannot be started, and is tried again") >= 2)
        delays = [int(delay) for delay in re.findall(r"is tried again in (\d+) ms", server.log())]
        assert all(delay < later for delay, later in itertools.pairwise(delays))

        file.write_bytes(content)
        assert becomes_true(lambda: listed(stub)["model"]["1"].state == READY)
        assert becomes_true(lambda: client.health("model:model") == tensorferry.HealthStatus.SERVING)
        plus_one_is_served(stub)


def test_a_file_that_became_another_model_is_not_served_in_its_place(tmp_path: Path) -> None:
    file = put(tmp_path / "model", Plus(1), ISOLATED)
    other = put(tmp_path / "other", Plus(2)).read_bytes()
    with serving(tmp_path) as (server, stub):
        file.write_bytes(other)
        os.kill(children(server.pid)[0], signal.SIGKILL)
        assert becomes_true(lambda: listed(stub)["model"]["1"].state == UNAVAILABLE)
        assert "its file has changed since it was loaded" in listed(stub)["model"]["1"].reason


def test_a_file_that_cannot_be_loaded_is_unavailable_for_the_same_reason(tmp_path: Path) -> None:
    for name, config in (("isolated", ISOLATED), ("plain", "")):
        put(tmp_path / name, Plus(1), config).write_bytes(b"no archive")
    with serving(tmp_path) as (server, stub):
        found = listed(stub)
        assert found["isolated"]["1"].state == UNAVAILABLE
        assert found["isolated"]["1"].reason == found["plain"]["1"].reason
        assert children(server.pid) == []


def arenas(pid: int) -> int:
    """The memory that the server shares with workers: what it has mapped or open."""
    descriptors = [os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()]
    maps = Path(f"/proc/{pid}/maps").read_text()
    return sum("memfd:tensorferry" in link for link in descriptors) + maps.count("memfd:tensorferry")


def test_unloading_leaves_no_process_and_no_memory(tmp_path: Path) -> None:
    for folder in ("repository", "aside", "scratch"):
        (tmp_path / folder).mkdir()
    file = add_exported(tmp_path / "aside", "perceptron", "aotinductor")
    aside, inputs = file.parents[1], ENGINES["perceptron"].inputs
    served = tmp_path / "repository" / aside.name
    flags = ("--model-control", "poll", "--model-poll-interval", "50ms", "--isolation", "process", "--self-check", "0s")
    with (
        Server("--model-dir", str(served.parent), *flags, environment={"TMPDIR": str(tmp_path / "scratch")}) as server,
        connect_stub(server.address) as stub,
    ):
        descriptors = []
        for _ in range(3):
            aside.rename(served)
            assert becomes_true(lambda: convert_unary(stub, infer(aside.name, inputs)).refusal is None)
            assert len(children(server.pid)) == 1
            assert arenas(server.pid) > 0
            served.rename(aside)
            assert becomes_true(lambda: aside.name not in listed(stub))
            assert becomes_true(lambda: children(server.pid) == [] and arenas(server.pid) == 0)
            descriptors.append(server.descriptors())
        assert descriptors[1:] == descriptors[:1] * 2
        assert server.stop() == 0
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_server(tmp_path: Path, signum: signal.Signals) -> None:
    gate = Gate(tmp_path / "gate")
    config = ISOLATED + "instance_group { count: 2 kind: KIND_CPU }\n"
    put(tmp_path / "repository/model", Gated(gate, Plus(1)), config)
    with (
        Server("--model-dir", str(tmp_path / "repository"), "--drain-grace", "0s") as server,
        connect_stub(server.address) as stub,
        ThreadPoolExecutor(1) as pool,
    ):
        workers = children(server.pid)
        assert len(workers) == 2
        running = pool.submit(convert_unary, stub, infer("model", {"x": WAITING}))
        assert becomes_true(lambda: len(gate.runs()) == 1)
        server.terminate(signum)
        server.wait()
        assert becomes_true(lambda: not any(exists(worker) for worker in workers))
        assert running.result().refusal is not None
        gate.open()


def test_drain_finishes_what_a_worker_runs(tmp_path: Path) -> None:
    with gated(tmp_path) as (server, stub, gate, pool):
        running = pool.submit(convert_unary, stub, infer("model", {"x": WAITING}))
        assert becomes_true(lambda: len(gate.runs()) == 1)
        (worker,) = children(server.pid)
        for process in (worker, server.pid):  # As a service manager does, which signals all of a service's processes.
            os.kill(process, signal.SIGTERM)
        assert becomes_true(lambda: "stopping" in server.log())
        gate.open()
        assert result(running.result()) == elements(WAITING + 1)
        assert server.wait() == 0
