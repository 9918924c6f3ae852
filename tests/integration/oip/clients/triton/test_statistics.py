"""Statistics: exact counts, per model version and per batch size, and nothing counted that did not run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc import StatusCode
from tritonclient.grpc import service_pb2 as pb

from calls import Answers, inputs_of, refused
from gates import Gate, wait_until
from oip.layout import MODELS

Client = triton.InferenceServerClient

DURATIONS = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss")
SETTLED_S = 20  # By then what is counted just after an answer is counted.
COMPUTE = ("compute_input", "compute_infer", "compute_output")


def statistics_of(client: Client, model: str, version: str = "1") -> pb.ModelStatistics:
    (statistics,) = client.get_inference_statistics(model, version).model_stats
    assert (statistics.name, statistics.version) == (model, version)
    return statistics


def counts_of(statistics: pb.ModelStatistics) -> dict[str, int]:
    counts = {name: getattr(statistics.inference_stats, name).count for name in DURATIONS}
    for batch in statistics.batch_stats:
        for name in COMPUTE:
            counts[f"batch {batch.batch_size} {name}"] = getattr(batch, name).count
    return {**counts, "inferences": statistics.inference_count, "executions": statistics.execution_count}


def expected_counts(requests: int, batches: dict[int, int], fail: int = 0) -> dict[str, int]:
    """What `requests` answered ones add, run in so many batches of each size."""
    counts = {"success": requests, "fail": fail, "queue": requests, **dict.fromkeys(COMPUTE, requests)}
    for size, count in batches.items():
        counts |= {f"batch {size} {name}": count for name in COMPUTE}
    rows = sum(size * count for size, count in batches.items())
    return {**counts, "inferences": rows, "executions": sum(batches.values())}


@contextmanager
def adds(client: Client, model: str, expected: dict[str, int]) -> Iterator[None]:
    """The block adds exactly this to the model's counts: perhaps just after the answers went out, but no more."""
    before = counts_of(statistics_of(client, model))
    yield

    def added() -> dict[str, int]:
        now = counts_of(statistics_of(client, model))
        return {name: count - before.get(name, 0) for name, count in now.items() if count != before.get(name, 0)}

    wanted = {name: count for name, count in expected.items() if count}
    try:
        wait_until(lambda: added() == wanted, "these counts", SETTLED_S)
    except AssertionError:
        assert added() == wanted


def rows(count: int, value: float = 0) -> list[triton.InferInput]:
    return inputs_of(np.full((count, 1), value, np.float32))


def test_each_request_is_counted(client: Client) -> None:
    with adds(client, "counted", expected_counts(5, {1: 2, 3: 2, 8: 1})):
        for count in (1, 3, 1, 8, 3):
            client.infer("counted", rows(count))


def test_a_model_that_does_not_batch_counts_one_each(client: Client) -> None:
    with adds(client, "identity_fp32", expected_counts(3, {1: 3})):
        for size in (0, 1, 100):
            client.infer("identity_fp32", inputs_of(np.zeros(size, np.float32)))


def test_streamed_requests_are_counted(client: Client) -> None:
    with adds(client, "counted", expected_counts(4, {2: 4})):
        client.start_stream(lambda result, error: None)
        for _ in range(4):
            client.async_stream_infer("counted", rows(2))
        client.stop_stream()


def test_requests_that_run_together_are_one_execution(client: Client) -> None:
    done = Answers()
    with adds(client, "patient", expected_counts(2, {5: 1})):
        for count in (2, 3):  # Each waits for the other: together they are as many as may run.
            client.async_infer("patient", rows(count), done)
        results = [done.result().as_numpy("ROWS").tolist() for _ in range(2)]
    assert sorted(results) == [[[5]] * 2, [[5]] * 3]


def test_versions_are_counted_apart(client: Client) -> None:
    before = counts_of(statistics_of(client, "plus", "3"))
    with adds(client, "plus", expected_counts(1, {1: 1})):
        client.infer("plus", inputs_of(np.float32([1])), "1")
    assert counts_of(statistics_of(client, "plus", "3")) == before


def test_requests_that_are_refused_are_not_counted(client: Client) -> None:
    with adds(client, "counted", expected_counts(1, {1: 1})):
        with refused(StatusCode.INVALID_ARGUMENT):
            client.infer("counted", rows(9))
        with refused(StatusCode.INVALID_ARGUMENT):
            client.infer("counted", inputs_of(np.int32([[1]])))
        client.infer("counted", rows(1))


def test_a_model_that_fails(client: Client, target: object) -> None:
    if target.is_triton:
        pytest.skip("its Python backend counts what failed as successes")
    before = statistics_of(client, "failing").inference_stats
    with refused(StatusCode.INTERNAL):
        client.infer("failing", inputs_of(np.float32([1])))
    wait_until(lambda: statistics_of(client, "failing").inference_stats.fail.count > before.fail.count, "a failure")
    after = statistics_of(client, "failing").inference_stats
    assert (after.fail.count, after.success.count) == (before.fail.count + 1, before.success.count)
    assert after.fail.ns > before.fail.ns


def test_durations(client: Client, gate: Gate) -> None:
    before = statistics_of(client, "batched")
    done = Answers()
    with gate.closed("batched") as runs:
        began = time.monotonic_ns()
        client.async_infer("batched", rows(1, 1), done)
        runs.wait_for(1)
        held = time.monotonic_ns()
        wait_until(lambda: time.monotonic_ns() - held > 50_000_000, "50 ms")
        computing = time.monotonic_ns() - held
        runs.open()
        done.result()
        took = time.monotonic_ns() - began
    wait_until(lambda: statistics_of(client, "batched").execution_count > before.execution_count, "an execution")
    after = statistics_of(client, "batched")
    parts = {
        name: getattr(after.inference_stats, name).ns - getattr(before.inference_stats, name).ns for name in DURATIONS
    }
    # The clocks of two processes need not agree to the last percent.
    assert 0.9 * computing <= parts["compute_infer"] <= parts["success"] <= 1.1 * took
    assert parts["queue"] + sum(parts[name] for name in COMPUTE) <= parts["success"]


def test_when_the_last_inference_was(client: Client) -> None:
    assert statistics_of(client, "idle").last_inference == 0
    before = time.time_ns() // 1_000_000
    client.infer("counted", rows(1))
    after = time.time_ns() // 1_000_000
    wait_until(lambda: statistics_of(client, "counted").last_inference >= before, "the inference")
    assert statistics_of(client, "counted").last_inference <= after + 1


def test_a_model_that_never_ran(client: Client) -> None:
    statistics = statistics_of(client, "idle")
    assert set(counts_of(statistics).values()) == {0}
    assert not statistics.batch_stats


def test_all_models(client: Client) -> None:
    listed = {(model.name, model.version) for model in client.get_inference_statistics().model_stats}
    wanted = {(name, str(version)) for name, model in MODELS.items() for version in model.versions}
    assert wanted - {("latest", "1")} <= listed
    assert ("latest", "1") not in listed
    assert "corrupt" not in {name for name, _ in listed}


def test_all_versions_of_a_model(client: Client) -> None:
    listed = client.get_inference_statistics("plus").model_stats
    assert [(model.name, model.version) for model in listed] == [("plus", "1"), ("plus", "3")]


def test_versions_are_integers(client: Client) -> None:
    assert all(int(model.version) > 0 for model in client.get_inference_statistics().model_stats)


UNKNOWN = {
    ("no-such", ""): "'no-such'",
    ("plus", "2"): "'plus'",
    ("corrupt", ""): "'corrupt'",
    ("plus", "two"): "'two'",
}


@pytest.mark.parametrize(("name", "version"), UNKNOWN)
def test_unknown_models_and_versions(name: str, version: str, client: Client) -> None:
    with refused((StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND, StatusCode.UNAVAILABLE), UNKNOWN[name, version]):
        client.get_inference_statistics(name, version)


def test_as_json(client: Client) -> None:
    client.infer("counted", rows(1))
    wait_until(lambda: statistics_of(client, "counted").inference_stats.success.count > 0, "a success")
    (statistics,) = client.get_inference_statistics("counted", as_json=True)["model_stats"]
    assert int(statistics["inference_stats"]["success"]["count"]) >= 1
