"""The models of the soak: packages and TorchScript, in two variants each, which their answers tell apart."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from torch import Tensor, nn

import tensorferry
from served_models import FORMATS, cached_export

NUMBERS = (100.0, 200.0)  # What the variants add.
FEATURES, OUTPUTS, HIDDEN = 64, 8, 16384  # The weights have 4.5 MiB: a model that is never freed shows.
MODELS = {"package": "aotinductor", "script": "torchscript"}


class Marked(nn.Module):
    def __init__(self, number: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(FEATURES, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, OUTPUTS))
        self.number = number

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) + self.number


def _export(folder: Path) -> None:
    for name, format in MODELS.items():
        for number in NUMBERS:
            example = torch.randn(2, FEATURES)
            tensorferry.export(
                Marked(number).eval(), [example], folder / f"{number:g}" / name, format=format, dynamic_batch=True
            )


class Repository:
    """A folder of models of which either variant can be put in the place of the other."""

    def __init__(self, root: Path) -> None:
        self._variants = cached_export(f"soak {FEATURES} {HIDDEN} {OUTPUTS} {NUMBERS} {MODELS}", _export)
        self.root = root
        for name in MODELS:
            shutil.copytree(self._variants / f"{NUMBERS[0]:g}" / name, root / name)

    def put(self, name: str, turn: int) -> None:
        """Replaces the model's file at once, as a writer does who wants no half of it to be seen."""
        file = FORMATS[MODELS[name]]
        new = self.root / name / "1" / ".new"
        shutil.copy(self._variants / f"{NUMBERS[turn % 2]:g}" / name / "1" / file, new)
        new.replace(self.root / name / "1" / file)


class Answers:
    """What the models answer, by PyTorch."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self._module = Marked(0).eval()

    def check(self, x: Tensor, output: bytes) -> None:
        """One variant has answered for all rows."""
        with torch.inference_mode():
            expected = self._module(x)
        marks = torch.frombuffer(bytearray(output), dtype=torch.float32).reshape(expected.shape) - expected
        number = round(float(marks.mean()))
        assert number in NUMBERS, f"neither variant answers {number}"
        assert float((marks - number).abs().max()) < 1e-3, marks
