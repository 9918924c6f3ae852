"""The modules that are compared, their inputs, and the files that each engine runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

import minilm
import sentence_model

FILES = {"torchscript": "model.pt", "aotinductor": "model.pt2", "exported": "model.pt2"}


class Convolutions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(*self._layer(3, 32), *self._layer(32, 64), *self._layer(64, 128))
        self.classes = nn.Linear(128, 10)

    @staticmethod
    def _layer(channels: int, kernels: int) -> tuple[nn.Module, ...]:
        return nn.Conv2d(channels, kernels, 3, stride=2, padding=1), nn.BatchNorm2d(kernels), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.classes(self.features(x).mean((2, 3)))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(64, 128, num_layers=2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.lstm(x)[0]


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(256, 4, 1024, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Matrix(nn.Module):
    """100 MiB of weights."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(25 * 1024, 1024))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight.t()


class Example(NamedTuple):
    make: Callable[[], nn.Module]
    inputs: tuple[Tensor, ...]


def examples(weights: Path) -> dict[str, Example]:
    """`weights`: the file of all-MiniLM-L6-v2."""
    return {
        "mlp": Example(
            lambda: nn.Sequential(nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 10)), (torch.randn(1, 256),)
        ),
        "cnn": Example(Convolutions, (torch.randn(1, 3, 64, 64),)),
        "lstm": Example(Recurrent, (torch.randn(1, 32, 64),)),
        "encoder": Example(Encoder, (torch.randn(1, 64, 256),)),
        "minilm": Example(lambda: sentence_model.load(weights), minilm.texts(1, 128)),
    }


def save(example: Example, engine: str, file: Path) -> None:
    """Writes what torch itself writes for `engine`, for the sizes of the example."""
    module = example.make().eval().requires_grad_(False)
    with torch.no_grad():
        if engine == "torchscript":
            torch.jit.save(torch.jit.trace(module, example.inputs), file)
            return
        program = torch.export.export(module, example.inputs)
        if engine == "exported":
            torch.export.save(program, file)
        else:
            torch._inductor.aoti_compile_and_package(program, package_path=str(file))
