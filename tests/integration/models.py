"""TorchScript models, made when the tests run, and what PyTorch itself computes with their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn


class Affine(nn.Module):
    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return left @ right + 1


class Perceptron(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8), nn.Softmax(-1))

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)


class Moments(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.mean(0), x.var(0)


class Named(nn.Module):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"total": x.sum(), "doubled": x * 2}


class Extremes(NamedTuple):
    least: Tensor
    most: Tensor


class Range(nn.Module):
    def forward(self, x: Tensor) -> Extremes:
        return Extremes(x.min(), x.max())


class Sine(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(x)


class Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        assert x.numel() > 1_000_000, "too few elements"
        return x


class InPlace(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.add_(1)


SCRIPTED = {
    "affine": Affine, "perceptron": Perceptron, "moments": Moments, "named": Named, "range": Range, "sine": Sine,
    "failing": Failing, "in-place": InPlace,
}  # fmt: skip


def save_all(directory: Path) -> dict[str, Path]:
    """One file per model, by name."""
    torch.manual_seed(0)
    files = {name: directory / f"{name}.pt" for name in SCRIPTED}
    for name, file in files.items():
        torch.jit.script(SCRIPTED[name]().eval()).save(str(file))
    return files


def _outputs(result: object) -> dict[str, Tensor]:
    """The outputs under the names that the server gives them."""
    if isinstance(result, dict):
        return result
    if isinstance(result, Tensor):
        result = (result,)
    assert isinstance(result, tuple)
    names = getattr(result, "_fields", [f"OUTPUT__{i}" for i in range(len(result))])
    return dict(zip(names, result, strict=True))


def run_in_python(file: Path, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What PyTorch computes with the same file, on one thread.

    Inputs are cloned into torch's own memory: matrix kernels' last bits depend on the alignment of what they read, and
    NumPy aligns to 16 bytes where torch and the server align to 64.
    """
    torch.set_num_threads(1)
    module = torch.jit.load(str(file)).eval()
    with torch.inference_mode():
        tensors = {name: torch.from_numpy(source).clone() for name, source in inputs.items()}
        return {name: output.numpy() for name, output in _outputs(module(**tensors)).items()}
