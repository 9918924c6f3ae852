"""A job of Ray Data on a cluster of two nodes on this machine, with a server on each."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import ray
import ray.data

import tensorferry.ray
from conftest import RecordingServer

FOLDER = Path(os.environ["TENSORFERRY_FLEET_FILES"])
REPLICAS = 2


def test_a_job_computes_every_row_and_leaves_no_server(
    nodes: set[str], recording_server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(nodes) == 2
    monkeypatch.chdir(FOLDER)  # The actors run elsewhere.
    rows = ray.data.read_numpy(str(FOLDER / "rows"))
    results = tensorferry.ray.infer(
        rows,
        "mlp",
        {"input": "data"},
        models="models",
        replicas=REPLICAS,
        batch_size=100,
        program=str(recording_server.program),
        num_cpus=1,
        scheduling_strategy="SPREAD",
    ).take_all()
    started = recording_server.started()
    assert len(started) == len({server.node for server in started}) == REPLICAS
    half_of_the_memory = {str(int(node["Resources"]["memory"] / 2 / 2)) for node in ray.nodes()}
    assert {server.flag("--memory-budget") for server in started} <= half_of_the_memory
    assert {server.flag("--model-threads") for server in started} == {"1"}

    all_rows, expected = np.load(FOLDER / "all.npy"), np.load(FOLDER / "expected.npy")
    by_row = {row.tobytes(): value for row, value in zip(all_rows, expected, strict=True)}
    assert len(results) == len(by_row)
    for result in results:
        (output,) = [column for name, column in result.items() if name != "data"]
        np.testing.assert_allclose(output, by_row.pop(result["data"].tobytes()), rtol=1e-5, atol=1e-6)
    assert not by_row

    ray.shutdown()
    recording_server.wait_for_the_end()
