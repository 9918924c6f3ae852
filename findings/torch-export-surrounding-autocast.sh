#!/usr/bin/env bash
# A program that torch.export.export made within `torch.autocast(...)`, saved and loaded, computes in float32, although
# the module computed in bfloat16 there: autocast around the export is forgotten.
#
# Expected, before it was run: a program is what the module did while it was exported, so it computes in bfloat16, as a
# file of torch.jit.trace does.
# Found on 2026-11-29 with Python 3.11.7 on x86-64. A block of autocast within forward() is recorded; one around
# torch.export.export is no part of the program.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0+cpu numpy==2.4.6

"$folder/venv/bin/python" -W ignore - "$folder/program.pt2" <<'END_OF_SOURCE'
import sys
from collections.abc import Callable

import torch

print(f"torch {torch.__version__}, Python {sys.version.split()[0]}")
Call = Callable[[torch.Tensor], torch.Tensor]


class Within(torch.nn.Module):
    """Autocast in the module itself."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return self.layer(x)


def exported(module: torch.nn.Module, x: torch.Tensor) -> Call:
    torch.export.save(torch.export.export(module, (x,)), sys.argv[1])
    return torch.export.load(sys.argv[1]).module()


def traced(module: torch.nn.Module, x: torch.Tensor) -> Call:
    torch.jit.save(torch.jit.trace(module, x), sys.argv[1])
    return torch.jit.load(sys.argv[1])


def dtypes(module: torch.nn.Module, write: Callable[..., Call], autocast: bool) -> tuple[str, str]:
    """The dtype of the module's result, and of that of the file, which is written within autocast if `autocast`."""
    x = torch.ones(2, 4)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=autocast, cache_enabled=False):
        expected = module(x).dtype
        loaded = write(module, x)
    with torch.no_grad():
        return str(expected), str(loaded(x).dtype)


linear = torch.nn.Linear(4, 4)
seen = {
    "autocast around torch.export": dtypes(linear, exported, True),
    "autocast around torch.jit.trace": dtypes(linear, traced, True),
    "autocast within the module, torch.export": dtypes(Within(), exported, False),
}
print("The dtype that the module gave, and that of the file, loaded without autocast:")
for what, (expected, found) in seen.items():
    print(f"  {what}: {expected}, {found}")

recorded = {
    "autocast around torch.export": ("torch.bfloat16", "torch.float32"),
    "autocast around torch.jit.trace": ("torch.bfloat16", "torch.bfloat16"),
    "autocast within the module, torch.export": ("torch.bfloat16", "torch.bfloat16"),
}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: autocast around torch.export.export is forgotten.")
END_OF_SOURCE
