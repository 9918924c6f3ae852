"""Programs that each version of torch from 2.6 on can export: all of them read this file, which needs torch alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.export import Dim

BATCH = {0: Dim("batch", min=2, max=64)}


class Program(NamedTuple):
    make: Callable[[], nn.Module]
    inputs: tuple[Any, ...]
    shapes: Any = None
    others: tuple[tuple[Any, ...], ...] = ()  # Arguments besides those of the example.
    keywords: dict[str, Tensor] = {}  # noqa: RUF012  # Nobody changes it.


def _normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


class Parts(nn.Module):
    """Takes a dictionary and a keyword, and gives a tuple within a dictionary."""

    def forward(self, x: Tensor, more: dict[str, Tensor], *, scale: Tensor) -> dict[str, Any]:
        return {"sum": x + more["y"], "parts": (x * scale, x.sum(0)), "rows": x.shape[0] * 2}


class Branch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cond(x.sum() > 0, lambda y: y.relu() * 2, lambda y: y.exp() - 1, (x,))


class Kept(nn.Module):
    """Has what is kept in ways of its own: tied, transposed and cut weights, buffers of all kinds, and constants."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
        self.other.weight = self.one.weight
        self.fixed = nn.Parameter(_normal(4), requires_grad=False)
        self.turned = nn.Parameter(_normal(4, 3).t())
        self.register_buffer("cut", _normal(9)[2:6])
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.register_buffer("unsaved", _normal(4), persistent=False)
        self.register_buffer("empty", torch.zeros(0, 4))
        self.constant = torch.arange(4.0)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        self.calls.add_(1)
        y = self.other(self.one(x)) * self.cut + self.fixed + self.unsaved + self.constant + torch.tensor(0.5)
        return torch.cat([y, self.empty]), y @ self.turned.t(), self.calls


_NAMES = ["bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "float16", "bfloat16",
          "float32", "float64", "complex64", "complex128", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz",
          "float8_e5m2fnuz"]  # fmt: skip


class Buffer(nn.Module):
    """Gives back a buffer of a dtype."""

    def __init__(self, name: str) -> None:
        super().__init__()
        dtype = getattr(torch, name)
        values = torch.arange(3 * torch.empty(0, dtype=dtype).element_size(), dtype=torch.uint8)
        self.register_buffer("kept", values % 2 == 1 if name == "bool" else values.view(dtype))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x + 1, self.kept.clone()


def _mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))


def _cnn() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())


PROGRAMS = {
    "mlp": Program(_mlp, (_normal(5, 16),)),
    "mlp-open": Program(_mlp, (_normal(5, 16),), (BATCH,), ((_normal(2, 16),), (_normal(64, 16),))),
    "mlp-bfloat16": Program(lambda: _mlp().bfloat16(), (_normal(5, 16).bfloat16(),)),
    "cnn": Program(_cnn, (_normal(2, 3, 10, 10),), (BATCH,), ((_normal(7, 3, 10, 10),),)),
    "cnn-training": Program(lambda: _cnn().train(), (_normal(3, 3, 10, 10),)),
    "lstm": Program(lambda: nn.LSTM(6, 7, 2, batch_first=True), (_normal(2, 9, 6),)),
    "encoder": Program(
        lambda: nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), (_normal(2, 9, 16),), (BATCH,),
        ((_normal(3, 9, 16),),)
    ),
    "embedding": Program(lambda: nn.Embedding(10, 3), (torch.arange(6).reshape(2, 3),)),
    "parts": Program(Parts, (_normal(3, 4), {"y": _normal(3, 4)}), None, (), {"scale": _normal(4)}),
    "branch": Program(Branch, (torch.ones(3, 4),), None, ((-torch.ones(3, 4),),)),
    "kept": Program(Kept, (_normal(5, 4),)),
    **{f"buffer-{name}": Program(partial(Buffer, name), (_normal(3),)) for name in _NAMES},
}  # fmt: skip


def write(program: Program, file: Path) -> None:
    torch.manual_seed(0)
    module = program.make()
    if not file.stem.endswith("-training"):
        module.eval()
    arguments = (module, program.inputs, program.keywords or None)
    try:
        exported = torch.export.export(*arguments, dynamic_shapes=program.shapes)
    except Exception:  # torch 2.8 exports no LSTM in the way that is its default.
        exported = torch.export.export(*arguments, dynamic_shapes=program.shapes, strict=True)
    torch.export.save(exported, file)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, program in PROGRAMS.items():
        file = folder / f"{name}.pt2"
        try:
            write(program, file)
        except Exception as error:  # What one version cannot export says nothing about the others.
            file.unlink(missing_ok=True)
            print(f"torch {torch.__version__} does not export {name}: {str(error).splitlines()[0]}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
