#!/usr/bin/env bash
# torch.export takes a range of sizes from 1 on, keeps what the module does for two rows and more, and the program then
# answers for one row with that, without a word: Python code such as `if x.size(0) == 1` is decided once, and no guard
# of it is left. With a least size of 3 or more the program checks the range, and refuses.
#
# Expected, before it was run: torch.export refuses the range, as it does where code asks whether there are more than
# four rows ("Constraints violated"), or the program refuses one row, as it refuses nine where eight are the most.
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


class Centred(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.size(0) == 1 else x - 1


class More(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.size(0) > 4 else x - 1


def exported(module: torch.nn.Module, least: int) -> torch.nn.Module:
    """The program, saved and loaded, for `least` to eight rows."""
    rows = torch.export.Dim("rows", min=least, max=8)
    program = torch.export.export(module, (torch.ones(5, 2),), dynamic_shapes=({0: rows},))
    torch.export.save(program, sys.argv[1])
    return torch.export.load(sys.argv[1]).module()


def verdict(least: int, rows: int, module: torch.nn.Module) -> str:
    x = torch.ones(rows, 2)
    try:
        answer = exported(module, least)(x)
    except Exception as error:
        return f"refused ({type(error).__name__})"
    return "the module's answer" if torch.equal(answer, module(x)) else "another answer"


seen = {
    "more than four rows, from 1 on": verdict(1, 1, More()),
    "one row, from 1 on": verdict(1, 1, Centred()),
    "one row, from 2 on": verdict(2, 1, Centred()),
    "one row, from 3 on": verdict(3, 1, Centred()),
    "two rows, from 1 on": verdict(1, 2, Centred()),
    "nine rows, from 1 on": verdict(1, 9, Centred()),
}
for what, found in seen.items():
    print(f"  {what}: {found}")

recorded = {
    "more than four rows, from 1 on": "refused (UserError)",
    "one row, from 1 on": "another answer",
    "one row, from 2 on": "another answer",
    "one row, from 3 on": "refused (AssertionError)",
    "two rows, from 1 on": "the module's answer",
    "nine rows, from 1 on": "refused (AssertionError)",
}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: a program answers for one row as for several, although the range begins with one.")
END
