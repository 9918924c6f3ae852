#!/usr/bin/env bash
# torch.export.save forgets that a weight is conjugated or negated: torch.export.load gives a program that computes with
# other numbers, without a word of it. torch marks such a tensor and leaves its memory alone (Tensor.is_conj, Tensor.is_neg);
# an archive has the memory, and not the mark.
#
# Expected, before it was run, as torch.export.load's documentation says of the program that torch.export.save saved:
# the program that is loaded computes what the one that was saved does, for all ways in which a weight may lie in memory.
# So it is for weights that are transposed, expanded or part of a larger tensor.
# Found on 2026-11-29 with Python 3.11.7 on x86-64.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0+cpu numpy==2.4.6

"$folder/venv/bin/python" - "$folder/program.pt2" <<'END'
import sys

import torch

print(f"torch {torch.__version__}, Python {sys.version.split()[0]}")

NUMBERS = torch.complex(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]))
WEIGHTS = {
    "transposed": NUMBERS.t(),
    "expanded": NUMBERS.expand(3, 2),
    "part of a larger tensor": NUMBERS[:, 1:],
    "conjugated": NUMBERS.conj(),
    "negated": NUMBERS.conj().imag,
}


class Weighted(torch.nn.Module):
    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight


seen = {}
for name, weight in WEIGHTS.items():
    one = torch.ones((), dtype=weight.dtype)
    program = torch.export.export(Weighted(weight), (one,))
    torch.export.save(program, sys.argv[1])
    with torch.no_grad():
        before = program.module()(one).resolve_conj().resolve_neg()
        after = torch.export.load(sys.argv[1]).module()(one).resolve_conj().resolve_neg()
    seen[name] = torch.equal(before, after)
    print(f"  {name}: {before.tolist()} before it was saved, {after.tolist()} after it was loaded")

recorded = {name: name not in ("conjugated", "negated") for name in WEIGHTS}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: an archive does not hold that a weight is conjugated or negated.")
END
