"""Whether an exported model computes what its module does."""

from __future__ import annotations

from collections.abc import Mapping

import torch


def compare(actual: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    """Kernels may differ in the last bits; names, dtypes and shapes may not."""
    if list(actual) != list(expected):
        raise RuntimeError(f"the exported model's outputs are {list(actual)}, the module's {list(expected)}")
    for name, output in expected.items():
        compared = actual[name]
        if compared.dtype != output.dtype or compared.shape != output.shape:
            raise RuntimeError(
                f"output {name!r} of the exported model is {compared.dtype} with shape "
                f"{tuple(compared.shape)}, the module's is {output.dtype} with shape {tuple(output.shape)}"
            )
        wide = torch.complex128 if output.is_complex() else torch.float64
        difference = (compared.to(wide) - output.to(wide)).abs()
        largest = output.to(wide).abs().nan_to_num(0).max().item() if output.numel() else 0.0
        if difference.numel() and difference.nan_to_num(0).max().item() > 0.01 * max(largest, 1.0):
            raise RuntimeError(f"output {name!r} of the exported model is not the module's")
