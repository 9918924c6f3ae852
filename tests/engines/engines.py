"""Measures the engines on the same modules: time to load, memory, time of a call. Then the memory of ten versions.

Each measurement has a server of its own, which runs on the first of two cores, and a caller on the second. The caller
asks for the model to be loaded, calls it 20 times, and then 60 times with a clock. Memory is the process's proportional
share (PSS) after the 20 calls, less what it was before the model.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import torch

import minilm
import tensorferry
from engine_models import FILES, Example, Matrix, examples, save
from harness import REPO_ROOT, TIMEOUT_S, Server, connect
from oip_messages import RepositoryModelLoadRequest, RepositoryModelLoadResponse

FOLDER = REPO_ROOT / "build/bench-engines"
WARM, MEASURED = 20, 60  # Calls.
Measured = tuple[float, float, float]  # Milliseconds to load, MiB, milliseconds of a call.


def memory(pid: int) -> float:
    """MiB; pages that several processes share count in part."""
    found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


def milliseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


@contextmanager
def repository() -> Iterator[Path]:
    """A folder in the file system of the models, so that they can be linked into it."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        yield Path(folder)


def keep_to_core(pid: int, core: int) -> None:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def load(address: str, model: str) -> float:
    with connect(address) as channel:
        call = channel.unary_unary(
            "/inference.GRPCInferenceService/RepositoryModelLoad",
            RepositoryModelLoadRequest.SerializeToString,
            RepositoryModelLoadResponse.FromString,
        )
        grpc.channel_ready_future(channel).result(TIMEOUT_S)
        return milliseconds(lambda: call(RepositoryModelLoadRequest(model_name=model), timeout=TIMEOUT_S))


def measure(example: Example, file: Path) -> Measured:
    flags = ("--model-control", "explicit", "--load-model", "none", "--model-threads", "1")
    with repository() as folder:
        (folder / "model/1").mkdir(parents=True)
        os.link(file, folder / "model/1" / file.name)
        with Server("--model-dir", str(folder), *flags) as server, tensorferry.Client(server.address) as client:
            keep_to_core(server.pid, 0)
            before = memory(server.pid)
            loading = load(server.address, "model")
            (model,) = [model for model in client.models() if model.name == "model"]
            names = [spec.name for spec in model.inputs]
            inputs = {name: tensor.numpy() for name, tensor in zip(names, example.inputs, strict=True)}
            for _ in range(WARM):
                client.infer("model", inputs)
            taken = memory(server.pid) - before
            times = [milliseconds(lambda: client.infer("model", inputs)) for _ in range(MEASURED)]
    return loading, taken, statistics.median(times)


def compare_engines(rounds: int) -> None:
    torch.manual_seed(0)
    compared = examples(minilm.fetch(REPO_ROOT / "build/test-minilm"))
    rows: dict[tuple[str, str], list[Measured]] = {(name, engine): [] for name in compared for engine in FILES}
    for name, engine in rows:
        file = FOLDER / engine / name / FILES[engine]
        if not file.exists():
            print(f"==> Making {name} for {engine}", flush=True)
            file.parent.mkdir(parents=True, exist_ok=True)
            save(compared[name], engine, file)
    os.sched_setaffinity(0, {1})
    for _ in range(rounds):  # Engine after engine, so that an hour in which the machine is slow is every engine's.
        for (name, engine), measured in rows.items():
            measured.append(measure(compared[name], FOLDER / engine / name / FILES[engine]))
    print(f"{'':20} {'load, ms':>9} {'PSS, MiB':>9} {'call, ms':>9}")
    for (name, engine), measured in rows.items():
        loading, taken, called = (statistics.median(each) for each in zip(*measured, strict=True))
        print(f"{name:8} {engine:11} {loading:9.0f} {taken:9.1f} {called:9.2f}")


def memory_of_versions(file: Path, count: int, put: Callable[[Path, Path], object]) -> float:
    with repository() as folder:
        (folder / "matrix").mkdir()
        (folder / "matrix/config.pbtxt").write_text("version_policy { all {} }")
        for version in range(1, count + 1):
            (folder / "matrix" / str(version)).mkdir()
            put(file, folder / "matrix" / str(version) / "model.pt2")
        with Server("--model-dir", str(folder)) as server, tensorferry.Client(server.address) as client:
            for version in range(1, count + 1):
                client.infer("matrix", {"x": np.ones((1, 1024), np.float32)}, version=str(version))
            return memory(server.pid)


def compare_versions() -> None:
    file = FOLDER / "matrix.pt2"
    save(Example(Matrix, (torch.randn(1, 1024),)), "exported", file)
    ways: dict[str, Callable[[Path, Path], object]] = {"hard links": os.link, "copies": shutil.copyfile}
    for way, put in ways.items():
        none, one, ten = (memory_of_versions(file, count, put) for count in (0, 1, 10))
        print(f"one version {one - none:7.1f} MiB, ten {way} {ten - none:7.1f} MiB: {(ten - none) / (one - none):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="engines.py", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each engine and module (5)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    compare_versions()
    compare_engines(arguments.rounds)


if __name__ == "__main__":
    main()
