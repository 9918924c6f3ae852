"""A job of Ray Data on a cluster of two nodes on this machine, with a server on each."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import ray
import ray.data
from ray.cluster_utils import Cluster

import tensorferry.ray

FOLDER = Path(os.environ["TENSORFERRY_FLEET_FILES"])
SERVER = Path(os.environ["TENSORFERRY_SERVER_PROGRAM"])
REPLICAS = 2
TIMEOUT_S = 60


@pytest.fixture(scope="module")
def nodes() -> Iterator[set[str]]:
    """The identifiers of two nodes, each with room for one server and a reader of files."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    cluster.add_node(num_cpus=2)
    # The workers need the client of this checkout.
    ray.init(address=cluster.address, runtime_env={"env_vars": {"PYTHONPATH": os.environ["PYTHONPATH"]}})
    yield {node["NodeID"] for node in ray.nodes()}
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def recording_server(tmp_path: Path) -> Path:
    """A program that writes down its process identifier and its node's, and becomes the server."""
    program = tmp_path / "server"
    program.write_text(f'#!/bin/sh\necho $$ $RAY_RAYLET_PID >>{tmp_path}/started\nexec {SERVER} "$@"\n')
    program.chmod(0o755)
    return program


def ended(pid: int) -> bool:
    """Whether a process is gone, or a zombie whose parent has not looked yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_job_computes_every_row_and_leaves_no_server(nodes: set[str], recording_server: Path) -> None:
    assert len(nodes) == 2
    rows = ray.data.read_numpy(str(FOLDER / "rows"))
    results = tensorferry.ray.infer(
        rows,
        "mlp",
        {"input": "data"},
        models=str(FOLDER / "models"),
        replicas=REPLICAS,
        batch_size=100,
        program=str(recording_server),
        num_cpus=1,
        scheduling_strategy="SPREAD",
    ).take_all()
    lines = [line.split() for line in (recording_server.parent / "started").read_text().splitlines()]
    started, raylets = [int(pid) for pid, _ in lines], {raylet for _, raylet in lines}
    assert len(started) == len(raylets) == REPLICAS

    all_rows, expected = np.load(FOLDER / "all.npy"), np.load(FOLDER / "expected.npy")
    by_row = {row.tobytes(): value for row, value in zip(all_rows, expected, strict=True)}
    assert len(results) == len(by_row)
    for result in results:
        (output,) = [column for name, column in result.items() if name != "data"]
        np.testing.assert_allclose(output, by_row.pop(result["data"].tobytes()), rtol=1e-5, atol=1e-6)
    assert not by_row

    ray.shutdown()
    deadline = time.monotonic() + TIMEOUT_S
    while not all(ended(pid) for pid in started):
        assert time.monotonic() < deadline, "a server has outlived the job"
        time.sleep(0.1)
