"""A module as a TorchScript file."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch


def write_torchscript(
    module: torch.nn.Module, examples: Mapping[str, torch.Tensor], file: Path
) -> Callable[..., Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is frozen; the server runs what it writes.
        try:
            torch.jit.script(module).save(str(file))  # type: ignore[no-untyped-call]
        except Exception:  # Whatever torch's compiler of Python throws at what it does not know.
            traced = torch.jit.trace(module, example_kwarg_inputs=dict(examples), strict=False)  # type: ignore[no-untyped-call]
            traced.save(str(file))
        exported: Callable[..., Any] = torch.jit.load(str(file))  # type: ignore[no-untyped-call]
        return exported
