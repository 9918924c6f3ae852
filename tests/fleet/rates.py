"""Compares the rows per second of a job that infers with servers and of one that infers with torch in its actors.

usage: PYTHONPATH=client/python/src build/ray-venv/bin/python tests/fleet/rates.py SERVER TORCH FOLDER

SERVER is the program, TORCH a folder where torch is installed, FOLDER what `files.py` wrote. The jobs are run in turn,
on two actors each; a job has been run once before it counts, and its actors start anew in each round.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import numpy as np
import ray
import ray.data

import tensorferry.ray

ROUNDS, REPLICAS, BATCH = 5, 2, 256
ROWS = 40_000
WIDTH = 16

Batch = dict[str, "np.ndarray[Any, Any]"]


class TorchActor:
    """What the job's actors do without a server."""

    def __init__(self, torch_folder: str, model: str) -> None:
        sys.path.append(torch_folder)
        import torch

        torch.set_num_threads(1)
        self._torch = torch
        self._model = torch.jit.load(model)

    def __call__(self, batch: Batch) -> Batch:
        with self._torch.no_grad():
            return {**batch, "output": self._model(self._torch.from_numpy(batch["data"].copy())).numpy()}


def seconds(job: ray.data.Dataset) -> float:
    begin = time.perf_counter()
    assert job.materialize().count() == ROWS
    return time.perf_counter() - begin


def main(server: str, torch_folder: str, folder: str) -> None:
    ray.init(num_cpus=4, include_dashboard=False)
    rng = np.random.default_rng(0)
    rows = ray.data.from_numpy(list(np.split(rng.normal(size=(ROWS, WIDTH)).astype(np.float32), 20))).materialize()
    options: dict[str, Any] = {"batch_size": BATCH, "num_cpus": 1}

    def with_servers() -> ray.data.Dataset:
        models = f"{folder}/models"
        return tensorferry.ray.infer(
            rows, "slow", {"input": "data"}, models=models, replicas=REPLICAS, program=server, **options
        )

    def with_torch() -> ray.data.Dataset:
        model = {"torch_folder": torch_folder, "model": f"{folder}/models/slow.pt"}
        return rows.map_batches(
            TorchActor, fn_constructor_kwargs=model, batch_format="numpy", concurrency=REPLICAS, **options
        )

    ratios = []
    for turn in range(ROUNDS + 1):
        served, alone = seconds(with_servers()), seconds(with_torch())
        if turn == 0:
            continue
        ratios.append(alone / served)
        print(f"{ROWS / served:8.0f} rows/s with servers, {ROWS / alone:8.0f} with torch, ratio {ratios[-1]:.2f}")
    print(f"median of {ROUNDS} ratios: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
