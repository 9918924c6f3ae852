"""What a model takes and gives: the names, dtypes and shapes of its inputs and outputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple

import torch


class Spec(NamedTuple):
    """An input or output: its name, dtype and shape, -1 for the batch and other sizes that are open."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class Signature(NamedTuple):
    """What the server is told of a package. `rows`: of a batch, at most; 0: there are no batches."""

    inputs: Sequence[Spec]
    outputs: Sequence[Spec]
    rows: int


# The server has these dtypes.
_DTYPES = {
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64", "complex32", "complex64", "complex128"),
    *("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"),
}


def check_tensor(what: str, tensor: object) -> None:
    """Refuses what is no tensor, or none that the server has. `what`: what it is called in the error."""
    if not isinstance(tensor, torch.Tensor):
        raise ValueError(f"{what} is {type(tensor).__name__}, expected a tensor")
    if tensor.layout is not torch.strided or tensor.is_nested:
        layout = "nested" if tensor.is_nested else str(tensor.layout).removeprefix("torch.")
        raise ValueError(f"{what} has the layout {layout}, expected a dense tensor: use to_dense()")
    if tensor.is_meta:
        raise ValueError(f"{what} is on the device meta, and has no elements")
    if dtype_name(tensor) not in _DTYPES:
        raise ValueError(f"{what} is {dtype_name(tensor)}, which the server has not: use to()")


def dtype_name(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def spec(name: str, tensor: torch.Tensor, is_open: Container[int]) -> Spec:
    """`is_open`: the numbers of the dimensions that have no fixed size."""
    shape = (-1 if number in is_open else size for number, size in enumerate(tensor.shape))
    return Spec(name, dtype_name(tensor), tuple(shape))


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
        if not isinstance(name, str):
            raise ValueError(f"output {name!r} is {type(output).__name__}, expected a name of type str")
        if not isinstance(output, torch.Tensor):
            raise ValueError(
                f"output {name!r} is {type(output).__name__}, expected a tensor. Export a module that calls "
                "this one and returns tensors alone"
            )
        check_tensor(f"output {name!r}", output)
    return named
