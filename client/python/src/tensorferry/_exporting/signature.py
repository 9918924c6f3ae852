"""What a model takes and gives: the names, dtypes and shapes of its inputs and outputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch


class Spec(NamedTuple):
    """An input or output: its name, dtype and shape, -1 for the batch."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class Signature(NamedTuple):
    """What the server is told of a package. `rows`: of a batch, at most; 0: there are no batches."""

    inputs: Sequence[Spec]
    outputs: Sequence[Spec]
    rows: int


def dtype_name(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def spec(name: str, tensor: torch.Tensor, dynamic_batch: bool) -> Spec:
    shape = tuple(tensor.shape)
    if dynamic_batch:
        shape = (-1, *shape[1:])
    return Spec(name, dtype_name(tensor), shape)


def named_outputs(result: Any) -> dict[str, torch.Tensor]:
    if isinstance(result, torch.Tensor):
        named = {"OUTPUT__0": result}
    elif isinstance(result, Mapping):
        named = dict(result)
    elif isinstance(result, tuple) and hasattr(result, "_fields"):
        named = dict(zip(result._fields, result))
    elif isinstance(result, (tuple, list)):
        named = {f"OUTPUT__{i}": output for i, output in enumerate(result)}
    elif dataclasses.is_dataclass(result) and not isinstance(result, type):
        named = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    else:
        raise ValueError(f"the module returns {type(result).__name__}, expected tensors")
    for name, output in named.items():
        if not isinstance(name, str) or not isinstance(output, torch.Tensor):
            raise ValueError(f"output {name!r} is {type(output).__name__}, expected a tensor")
    return named
