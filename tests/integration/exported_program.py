"""A program of torch.export: how it is made, and what it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.export import Dim

Inputs = tuple[Any, ...]


class Program(NamedTuple):
    """A module and how it is exported."""

    make: Callable[[], nn.Module]
    inputs: Inputs  # The example: arguments of forward in order. What is no tensor is fixed in the program.
    shapes: Any = None  # dynamic_shapes of torch.export.
    others: Sequence[Inputs] = ()  # What it is to be asked besides, such as other sizes.
    keywords: Mapping[str, Tensor] = {}

    def questions(self) -> list[tuple[Inputs, Mapping[str, Tensor]]]:
        """The arguments of each call that it is to answer."""
        return [(self.inputs, self.keywords), *((inputs, {}) for inputs in self.others)]


class Computes(nn.Module):
    """Any function of tensors."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Any) -> Any:
        return self.function(*inputs)


def of(function: Callable[..., Any], *inputs: Any, shapes: Any = None, others: Sequence[Inputs] = ()) -> Program:
    """`shapes`: for each input, its open dimensions by number."""
    return Program(lambda: Computes(function), inputs, None if shapes is None else (tuple(shapes),), others)


def floats(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def whole(*shape: int, below: int = 50) -> Tensor:
    return torch.randint(below, shape, generator=torch.Generator().manual_seed(sum(shape)))


def seeded(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """The module in evaluation mode, with the same weights each time."""

    def made() -> nn.Module:
        torch.manual_seed(0)
        return make().eval()

    return made


BATCH = Dim("batch", min=2, max=64)
LENGTH = Dim("length", min=2, max=40)
WIDTH = Dim("width", min=4, max=40)
ROWS = {0: BATCH}
