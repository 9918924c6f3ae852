"""Examples beside the user's own: other values, and other rows.

All are made of the example's own values, so that they are likely to be ones that the module takes: indices
stay within the range of the example's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch

Tensors = Mapping[str, torch.Tensor]

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}

# These rows differ from each other even if the example has one row, or equal ones.
_ROW_FACTORS = (1.0, -3.0, 10.0)


def other_values(examples: Tensors) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    """Returns what they are, and inputs of the example's shapes with other values."""
    changes: list[tuple[str, Callable[[torch.Tensor], torch.Tensor]]] = [
        ("the example times -3", lambda tensor: _multiplied(tensor, -3.0)),
        ("the example times 10", lambda tensor: _multiplied(tensor, 10.0)),
        ("the example times 0.01", lambda tensor: _multiplied(tensor, 0.01)),
        ("zeros", lambda tensor: _multiplied(tensor, 0.0)),
        ("the example in reverse order", lambda tensor: _reversed(tensor, range(tensor.dim()))),
        ("the example with half its whole numbers", _halved),
    ]
    for what, change in changes:
        inputs = {name: change(tensor) for name, tensor in examples.items()}
        if not all(have_same_bits(inputs[name], tensor) for name, tensor in examples.items()):
            yield what, inputs


def example_rows(examples: Tensors) -> dict[str, torch.Tensor]:
    """Three rows of the example's, the same ones where it has fewer."""
    number = len(next(iter(examples.values())))
    return take_rows(examples, [0, number // 2, number - 1])


def other_rows(examples: Tensors) -> dict[str, torch.Tensor]:
    """Three rows that differ from each other, the first of which is the example's."""
    return {name: _varied(tensor) for name, tensor in example_rows(examples).items()}


def take_rows(tensors: Tensors, rows: Sequence[int]) -> dict[str, torch.Tensor]:
    places = torch.tensor(rows)
    return {
        name: _as_integers(tensor)[places.to(tensor.device)].view(tensor.dtype)
        for name, tensor in tensors.items()
    }


def resized(tensor: torch.Tensor, dim: int, size: int) -> torch.Tensor:
    """A tensor of another size in one dimension, along which its values are repeated."""
    if not tensor.numel():
        shape = list(tensor.shape)
        shape[dim] = size
        return tensor.new_zeros(shape)
    places = torch.arange(size, device=tensor.device) % tensor.shape[dim]
    return _as_integers(tensor).index_select(dim, places).view(tensor.dtype)


def have_same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.equal(_as_integers(one), _as_integers(other))


def _varied(rows: torch.Tensor) -> torch.Tensor:
    if rows.is_floating_point() or rows.is_complex():
        return torch.stack([_multiplied(row, factor) for row, factor in zip(rows, _ROW_FACTORS)])
    backwards = _reversed(rows[1], range(rows.dim() - 1))
    if have_same_bits(backwards, rows[0]):
        backwards = _halved(backwards)
    return torch.stack([rows[0], backwards, _halved(rows[2])])


def _multiplied(tensor: torch.Tensor, factor: float) -> torch.Tensor:
    if not tensor.is_floating_point() and not tensor.is_complex():
        return tensor
    wide = tensor.to(torch.complex128 if tensor.is_complex() else torch.float64)
    return tensor if factor == 1 else (wide * factor).to(tensor.dtype)


def _halved(tensor: torch.Tensor) -> torch.Tensor:
    """Halves whole numbers. A tensor of 0 and 1 alone may be a mask, and stays: all masked is no example."""
    if tensor.is_floating_point() or tensor.is_complex():
        return tensor
    if _is_mask(tensor):
        return tensor
    wide = tensor.to(torch.int64)
    return torch.div(wide, 2, rounding_mode="trunc").to(tensor.dtype)


def exchanged(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor of 0 and 1 alone with each in the place of the other; others stay."""
    return (tensor == 0).to(tensor.dtype) if _is_mask(tensor) else tensor


def _is_mask(tensor: torch.Tensor) -> bool:
    if tensor.is_floating_point() or tensor.is_complex():
        return False
    wide = tensor.to(torch.int64)
    return not bool(((wide != 0) & (wide != 1)).any())


def _reversed(tensor: torch.Tensor, dims: Sequence[int]) -> torch.Tensor:
    return _as_integers(tensor).flip(list(dims)).view(tensor.dtype)


def _as_integers(tensor: torch.Tensor) -> torch.Tensor:
    """Returns the bits as a dtype that torch can move and compare, unlike unsigned ones and float8."""
    return tensor.view(_INTEGERS.get(tensor.element_size(), tensor.dtype))
