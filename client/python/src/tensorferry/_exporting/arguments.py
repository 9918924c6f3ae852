"""The arguments of export, checked against each other and against the module."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence

import torch

from tensorferry._exporting.comparison import check_tolerances
from tensorferry._exporting.job import Options


def check_options(options: Options) -> None:
    if options.format not in ("aotinductor", "torchscript"):
        raise ValueError(f"format {options.format!r}: expected 'aotinductor' or 'torchscript'")
    if options.max_batch_size < 1:
        raise ValueError(f"max_batch_size {options.max_batch_size}: expected at least 1")
    check_tolerances(options.tolerances)


def named_examples(
    module: torch.nn.Module, example_inputs: Sequence[torch.Tensor] | Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The examples by the names of forward's arguments, in their order."""
    signature = inspect.signature(module.forward)
    try:
        if isinstance(example_inputs, Mapping):
            bound = signature.bind(**example_inputs)
        else:
            bound = signature.bind(*example_inputs)
    except TypeError as error:
        raise ValueError(f"example_inputs do not fit forward{signature}: {error}") from error
    kinds = {
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD,
        inspect.Parameter.POSITIONAL_ONLY,
    }
    for name in bound.arguments:
        if signature.parameters[name].kind in kinds:
            raise ValueError(
                f"forward{signature} takes {name} without a name; give each input an argument of its own"
            )
        if not isinstance(bound.arguments[name], torch.Tensor):
            raise ValueError(
                f"example input {name!r} is {type(bound.arguments[name]).__name__}, expected a tensor"
            )
    if not bound.arguments:
        raise ValueError("example_inputs: expected one tensor for each argument of forward, got none")
    return {name: _plain(tensor) for name, tensor in bound.arguments.items()}


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor of its own, laid out as the server lays out what it gives to a model."""
    return tensor.detach().resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format)


def check_batch(examples: Mapping[str, torch.Tensor], max_batch_size: int) -> None:
    rows = {name: int(tensor.shape[0]) if tensor.dim() else None for name, tensor in examples.items()}
    first = next(iter(rows.values()))
    if first is None or any(number != first for number in rows.values()):
        raise ValueError(f"dynamic_batch: the inputs must have the same first dimension, got {rows}")
    if not 1 <= first <= max_batch_size:
        raise ValueError(
            f"dynamic_batch: the example has {rows} rows, expected 1 to max_batch_size, {max_batch_size}"
        )
