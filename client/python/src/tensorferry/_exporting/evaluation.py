"""The module, as export runs it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from tensorferry._exporting.comparison import Tolerances, difference
from tensorferry._exporting.signature import named_outputs
from tensorferry._exporting.state import changed, state_of


class ModuleError(RuntimeError):
    """The module itself fails on inputs."""


def copied(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Copies inputs for a run, as a module may write into them."""
    return {name: tensor.clone() for name, tensor in tensors.items()}


class Evaluation:
    """Runs a module, and refuses one that answers the same question in two ways, or changes itself."""

    def __init__(self, module: torch.nn.Module, tolerances: Tolerances) -> None:
        self.module = module
        self.tolerances = tolerances
        self.result: Any = None  # What the module returned in the latest run.

    def run(self, inputs: Mapping[str, torch.Tensor], example: str) -> dict[str, torch.Tensor]:
        """The outputs, which later runs do not change. `example`: what the inputs are, for error texts."""
        try:
            self.result = self.module(**copied(inputs))
        except Exception as error:  # Whatever the module's author throws.
            raise ModuleError(f"the module fails on {example}: {error or type(error).__name__}") from error
        return copied(named_outputs(self.result))

    def run_twice(self, inputs: Mapping[str, torch.Tensor], example: str) -> dict[str, torch.Tensor]:
        before = state_of(self.module)
        first = self.run(inputs, example)
        between = state_of(self.module)
        second = self.run(inputs, example)
        self._check_state(between, state_of(self.module))  # What the first run alone changed may be a cache.
        try:
            self._check_same(first, second, example)
        except RuntimeError:
            self._check_state(before, between)
            raise
        return first

    def _check_state(self, before: Mapping[str, object], after: Mapping[str, object]) -> None:
        if name := changed(before, after):
            raise RuntimeError(
                f"the module changes itself: a call leaves another value in its {name}. A server has many "
                "callers at once, who must not see each other's values: make it an input and an output"
            )

    def _check_same(
        self, first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor], example: str
    ) -> None:
        said = f"the module answers differently from call to call, for {example} twice: "
        if list(first) != list(second):
            raise RuntimeError(f"{said}its outputs are {list(first)}, then {list(second)}")
        for name, output in first.items():
            other = second[name]
            if output.shape != other.shape or output.dtype != other.dtype:
                found = f"{output.dtype} with shape {tuple(output.shape)}, then {other.dtype} with "
                raise RuntimeError(f"{said}output {name!r} is {found}shape {tuple(other.shape)}")
            if found := difference(other, output, self.tolerances):
                raise RuntimeError(
                    f"{said}output {name!r} has {found}. It must depend on nothing but the inputs, such as "
                    "random numbers, the time, or what was asked before"
                )


@contextmanager
def evaluated(module: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """The module in evaluation mode: a copy, so that the user's own is neither called nor changed, with the
    same parameters, which may take gigabytes. What cannot be copied is run itself."""
    try:
        own = copy.deepcopy(module, {id(parameter): parameter for parameter in module.parameters()})
    except Exception:  # A lock, a file or whatever else the module holds.
        own = module
    modes = [(part, part.training) for part in own.modules()]
    own.eval()
    try:
        yield own
    finally:
        for part, training in modes:
            part.training = training
