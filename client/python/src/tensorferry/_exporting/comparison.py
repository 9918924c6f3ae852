"""Whether two results are one: the module's and the exported model's, or two of the module's."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch

from tensorferry._arguments import wrong_type


class Tolerances(NamedTuple):
    """The tolerances of torch.testing.assert_close; None stands for torch's own, by the outputs' dtype."""

    rtol: float | None = None
    atol: float | None = None


def check_tolerances(tolerances: Tolerances) -> None:
    for name, value in tolerances._asdict().items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, numbers.Real)):
            raise wrong_type(name, "a number or None", value)
        if value is not None and not 0 <= float(value) < math.inf:
            raise ValueError(f"{name} {value!r}: expected a number of at least 0")
    if (tolerances.rtol is None) != (tolerances.atol is None):
        raise ValueError(f"rtol {tolerances.rtol} and atol {tolerances.atol}: expected both or neither")


class Expected(NamedTuple):
    """What the module gives. `example`: for what, in words. `usual`: what it gives for the user's example."""

    outputs: Mapping[str, torch.Tensor]
    example: str
    usual: Mapping[str, torch.Tensor]


def compare(actual: Mapping[str, torch.Tensor], wanted: Expected, tolerances: Tolerances) -> None:
    """Kernels may differ in the last bits; names, dtypes and shapes may not."""
    expected, example, usual = wanted
    if list(actual) != list(expected):
        raise RuntimeError(f"the exported model's outputs are {list(actual)}, the module's {list(expected)}")
    for name, output in expected.items():
        compared = actual[name]
        if compared.dtype != output.dtype or compared.shape != output.shape:
            raise RuntimeError(
                f"output {name!r} of the exported model is {compared.dtype} with shape "
                f"{tuple(compared.shape)}, the module's is {output.dtype} with shape {tuple(output.shape)}, "
                f"for {example}"
            )
        unit = growth(output, usual[name])
        if found := difference(compared, output, tolerances, unit):
            raise RuntimeError(
                f"output {name!r} of the exported model is not the module's, for {example}: {found}. "
                "If that is close enough, allow it with rtol= and atol="
            )


def growth(output: torch.Tensor, usual: torch.Tensor | None = None) -> float:
    """How many times larger an output is than for the user's example, or than 1: a power of two.

    Errors of rounding grow with the values that were added up, and an absolute tolerance with them.
    """
    ratio = _largest(output) / max(1.0 if usual is None else _largest(usual), 1.0)
    return 2.0 ** math.floor(math.log2(ratio)) if ratio > 1 else 1.0


def _largest(tensor: torch.Tensor) -> float:
    sizes = tensor.to(torch.complex128 if tensor.is_complex() else torch.float64).abs()
    finite = sizes[sizes.isfinite()]
    return float(finite.max()) if finite.numel() else 0.0


def _in_units(tensor: torch.Tensor, unit: float) -> torch.Tensor:
    # torch 2.13 has no kernel that divides complex32.
    if tensor.dtype is torch.complex32:
        return (tensor.to(torch.complex64) / unit).to(torch.complex32)
    return tensor / unit


def difference(
    actual: torch.Tensor, expected: torch.Tensor, tolerances: Tolerances, unit: float = 1.0
) -> str:
    """How two tensors of one dtype and shape differ beyond the tolerances, in units; empty: they do not."""
    if unit != 1 and (expected.is_floating_point() or expected.is_complex()) and expected.element_size() > 1:
        actual, expected = _in_units(actual, unit), _in_units(expected, unit)
    for one, other in _parts(actual, expected, tolerances):
        try:
            torch.testing.assert_close(
                one, other, **tolerances._asdict(), equal_nan=True, check_device=False, check_stride=False
            )
        except AssertionError as error:
            return ", ".join(line.rstrip(".").lower() for line in str(error).splitlines()[2:] if line)
    return ""


def _parts(
    actual: torch.Tensor, expected: torch.Tensor, tolerances: Tolerances
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """What torch.testing.assert_close is to compare.

    It takes two complex numbers for equal where anything of both is NaN, and for different where anything is
    infinite and the rest differs in its last bit. It has no tolerances for float8, and takes none.
    """
    if expected.is_complex():
        actual, expected = actual.resolve_conj(), expected.resolve_conj()
        finite = expected.isfinite()
        yield actual[finite], expected[finite]
        yield torch.view_as_real(actual)[~finite], torch.view_as_real(expected)[~finite]
    elif expected.is_floating_point() and expected.element_size() == 1 and tolerances.rtol is not None:
        yield actual.float(), expected.float()
    else:
        yield actual, expected
