"""The model repository of the tests, in Triton's layout, made of TorchScript and one AOTInductor package."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import models
from oip.layout import GATE_SIZE, MODELS, TensorConfig
from served_models import ENGINES, add_exported, put, run_in_python

PLATFORM = 'platform: "pytorch_libtorch"'
MLP, AOTI = "mlp", "perceptron-aotinductor"


class Identity(nn.Module):
    def forward(self, INPUT0: Tensor) -> Tensor:  # noqa: N803  Triton's examples name them so.
        return INPUT0


class PlusVersion(nn.Module):
    def __init__(self, version: int) -> None:
        super().__init__()
        self.version = version

    def forward(self, INPUT0: Tensor) -> Tensor:  # noqa: N803
        return INPUT0 + self.version


class SumAndDifference(nn.Module):
    def forward(self, INPUT0: Tensor, INPUT1: Tensor) -> tuple[Tensor, Tensor]:  # noqa: N803
        return INPUT0 + INPUT1, INPUT0 - INPUT1


class SumAndDifferenceOfStrings(nn.Module):
    def forward(self, INPUT0: list[str], INPUT1: list[str]) -> tuple[list[str], list[str]]:  # noqa: N803
        sums: list[str] = []
        differences: list[str] = []
        for i in range(len(INPUT0)):
            sums.append(str(int(INPUT0[i]) + int(INPUT1[i])))
            differences.append(str(int(INPUT0[i]) - int(INPUT1[i])))
        return sums, differences


class Scores(nn.Module):
    def forward(self, INPUT0: Tensor) -> tuple[Tensor, Tensor]:  # noqa: N803
        return INPUT0, INPUT0.to(torch.int32)


class Failing(nn.Module):
    def forward(self, INPUT0: Tensor) -> Tensor:  # noqa: N803
        assert INPUT0.numel() > 1_000_000, "too few elements"
        return INPUT0


class Gated(nn.Module):
    def __init__(self, gate: Path) -> None:
        super().__init__()
        self.file = str(gate)

    def forward(self, INPUT0: Tensor) -> tuple[Tensor, Tensor]:  # noqa: N803
        gate = torch.from_file(self.file, shared=True, size=4096, dtype=torch.int64)
        run, largest = int(gate[1]), int(INPUT0.max())
        gate[1024 + run] = INPUT0.shape[0]
        gate[2560 + run] = largest
        gate[1] = run + 1
        while int(gate[0]) < largest:
            gate[2].add_(1)  # Keeps TorchScript from reading gate[0] only once.
        assert int(gate[3].add_(1)) > 0  # TorchScript leaves out an addition that nobody looks at.
        return torch.full((INPUT0.shape[0], 1), INPUT0.shape[0]), INPUT0


# The models have the names that layout.py gives them. A gated model is made with its gate.
MODULES: dict[str, Callable[[int], nn.Module]] = {
    "identity": lambda version: Identity(),
    "plus_version": PlusVersion,
    "sum_and_difference": lambda version: SumAndDifference(),
    "sum_and_difference_of_strings": lambda version: SumAndDifferenceOfStrings(),
    "scores": lambda version: Scores(),
    "fail": lambda version: Failing(),
}


def build_gates(folder: Path) -> Path:
    """A gate, in a file of its name, for each model that waits."""
    folder.mkdir(parents=True)
    for name, model in MODELS.items():
        if model.twin == "gated":
            (folder / name).write_bytes(bytes(GATE_SIZE * 8))
    return folder


def _build_layout(root: Path, gates: Path) -> None:
    for name, model in MODELS.items():
        for version in model.versions:
            gated = model.twin == "gated"
            module = Gated(gates / name) if gated else MODULES[model.twin](version)
            put(root / name, module, model.config(name, PLATFORM), version)
        for file, content in model.files.items():
            (root / name / file).write_text(content)
    (root / "corrupt/1").mkdir(parents=True)
    (root / "corrupt/config.pbtxt").write_text(MODELS["scratch"].config("corrupt", PLATFORM))
    (root / "corrupt/1/model.pt").write_text("no model at all\n")


def _build_perceptrons(root: Path) -> dict[str, Path]:
    """One perceptron for TorchScript and one for AOTInductor; returns their files."""
    tensors = (
        TensorConfig("features", "FP32", (16,)).text("input"),
        TensorConfig("OUTPUT__0", "FP32", (8,)).text("output"),
    )
    config = f'name: "{MLP}"\n{PLATFORM}\nmax_batch_size: 32\ndynamic_batching {{}}\n{"".join(tensors)}'
    torch.manual_seed(0)
    return {MLP: put(root / MLP, models.Perceptron(), config), AOTI: add_exported(root, "perceptron", "aotinductor")}


def build_repository(root: Path, gates: Path, expected: Path) -> None:
    """Fills `root`, and writes into `expected` what PyTorch computes with the perceptrons' files."""
    _build_layout(root, gates)
    put(root / "noconfig", models.Moments())
    features = ENGINES["perceptron"].inputs["features"]
    arrays = {"features": features.numpy()}
    for name, file in _build_perceptrons(root).items():
        arrays[name] = run_in_python(file, features=features)["OUTPUT__0"].numpy()
    np.savez(expected, **arrays)


def describe_target(folder: Path, kind: str, address: str, into: Path | None = None, http: str | None = None) -> Path:
    """The file from which the tests in clients/ learn what they talk to, and what `folder` was filled with."""
    file = (into or folder) / "target.json"
    file.write_text(json.dumps({"kind": kind, "address": address, "http": http, "folder": str(folder)}))
    return file
