"""The arguments of export, checked against each other and against the module."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence

import torch

from tensorferry._arguments import flag
from tensorferry._export import DEFAULT_ROWS
from tensorferry._exporting.comparison import check_tolerances
from tensorferry._exporting.job import Options
from tensorferry._exporting.signature import check_tensor

FORMATS = ("aotinductor", "torchscript", "exported")
_MOST_ROWS = 2**31 - 1  # What config.pbtxt can hold.


def check_options(options: Options) -> None:
    if options.format not in FORMATS:
        raise ValueError(f"format {options.format!r}: expected {' or '.join(map(repr, FORMATS))}")
    for name in ("dynamic_batch", "portable", "allow_tracer_warnings", "quiet"):
        flag(name, getattr(options, name))
    most = options.max_batch_size
    if not isinstance(most, int) or isinstance(most, bool):
        raise ValueError(f"max_batch_size {most!r}: expected a whole number")
    if most < 1:
        raise ValueError(f"max_batch_size {most}: expected at least 1")
    if most > _MOST_ROWS:
        raise ValueError(f"max_batch_size {most}: expected at most {_MOST_ROWS}")
    if most != DEFAULT_ROWS and not options.dynamic_batch:
        raise ValueError(f"max_batch_size {most} is for dynamic_batch=True; without it there are no batches")
    check_tolerances(options.tolerances)


def check_module(module: object) -> None:
    if isinstance(module, type):
        raise ValueError(f"module is the class {module.__name__}, expected an object of it")
    if not isinstance(module, torch.nn.Module):
        raise ValueError(
            f"module is {type(module).__name__}, expected a torch.nn.Module; a function can be one's forward"
        )


def named_examples(
    module: torch.nn.Module, example_inputs: Sequence[torch.Tensor] | Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The examples by the names of forward's arguments, in their order."""
    if isinstance(example_inputs, (torch.Tensor, str, bytes)):
        kind = type(example_inputs).__name__
        raise ValueError(f"example_inputs is {kind}, expected a list or dictionary of tensors")
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
        check_tensor(f"example input {name!r}", bound.arguments[name])
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
