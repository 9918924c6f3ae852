#!/usr/bin/env bash
# A package of AOTInductor, loaded by torch._inductor.aoti_load_package, answers for other arguments than it was
# compiled for, without a word: numbers and flags are those of the export whatever the caller says, tensors in a dict
# are exchanged if its keys come in another order, and a transposed tensor or one with gaps is read as if its elements
# lay side by side.
#
# Expected, before it was run: a refusal, as the exported program refuses other numbers ("Guard failed: scale == 2.0"),
# and the right elements of the right tensor, as the program has them.
# Found on 2026-11-30 with Python 3.11.7 and g++ 12.2 on x86-64. With AOTI_RUNTIME_CHECK_INPUTS=1 in the environment
# the package refuses tensors that lie otherwise, of another dtype or shape; the rest stays.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0+cpu numpy==2.4.6

export TORCHINDUCTOR_CACHE_DIR="$folder/cache" TMPDIR="$folder"
"$folder/venv/bin/python" -W ignore::FutureWarning - "$folder/model.pt2" <<'END'
import sys
from collections.abc import Callable

import torch

print(f"torch {torch.__version__}, Python {sys.version.split()[0]}")


class Scaled(torch.nn.Module):
    def forward(self, x: torch.Tensor, pair: dict[str, torch.Tensor], scale: float, negate: bool) -> torch.Tensor:
        result = (x + pair["a"] - pair["b"]) * scale
        return -result if negate else result


x = torch.arange(6.0).reshape(2, 3)
a, b = torch.tensor(10.0), torch.tensor(20.0)
module = Scaled()
program = torch.export.export(module, (x, {"a": a, "b": b}, 2.0, False))
package = torch._inductor.aoti_compile_and_package(program, package_path=sys.argv[1])
ways = {"exported program": program.module(), "AOTInductor": torch._inductor.aoti_load_package(package)}
ARGUMENTS = {
    "as exported": (x, {"a": a, "b": b}, 2.0, False),
    "scale 3": (x, {"a": a, "b": b}, 3.0, False),
    "negate": (x, {"a": a, "b": b}, 2.0, True),
    "b before a": (x, {"b": b, "a": a}, 2.0, False),
    "transposed": (x.reshape(3, 2).t(), {"a": a, "b": b}, 2.0, False),
    "every second column": (torch.arange(12.0).reshape(2, 6)[:, ::2], {"a": a, "b": b}, 2.0, False),
}


def verdict(run: Callable[..., torch.Tensor], arguments: tuple) -> str:
    try:
        answer = run(*arguments)
    except AssertionError as error:
        return f"refused ({error})"
    right = module(*arguments)
    return "right" if torch.equal(answer, right) else f"{answer.tolist()} instead of {right.tolist()}"


seen = {}
for way, run in ways.items():
    print(f"{way}:")
    for what, arguments in ARGUMENTS.items():
        found = verdict(run, arguments)
        print(f"  {what}: {found}")
        seen[way, what] = found.split(" ")[0] if found.startswith(("right", "refused")) else "wrong"

recorded = dict.fromkeys(seen, "right")
recorded |= {("exported program", what): "refused" for what in ("scale 3", "negate")}
recorded |= {("AOTInductor", what): "wrong" for what in ARGUMENTS if what != "as exported"}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: the package computes with other arguments than those that it was given.")
END
