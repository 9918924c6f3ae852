"""Modules for tests of export."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class Computes(nn.Module):
    """Any function of one tensor. Arguments of any name cannot be scripted."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor, **others: Tensor) -> Any:
        return self.function(x)
