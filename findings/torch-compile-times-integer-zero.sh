#!/usr/bin/env bash
# Compiled by Inductor, which also makes the packages of AOTInductor, `x * 0` is 0 where x is infinite or NaN. In eager
# mode it is NaN, and so is `x * 0.0` in both: the type of the Python number decides. A test such as
# `torch.isnan((x * 0).sum())` for values that are not finite finds nothing in compiled code.
#
# Expected, before it was run: NaN in both, as IEEE 754 says and torch, NumPy and C++ compute.
# Found on 2026-11-28 with Python 3.11.7 and g++ 12.2 on x86-64. The exported program still computes NaN.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0+cpu numpy==2.4.6

export TORCHINDUCTOR_CACHE_DIR="$folder/cache" TMPDIR="$folder"
"$folder/venv/bin/python" -W ignore::FutureWarning - "$folder/model.pt2" <<'END'
import sys

import torch

print(f"torch {torch.__version__}, Python {sys.version.split()[0]}")


class TimesZero(torch.nn.Module):
    def forward(self, x):
        return {"x * 0": x * 0, "x * 0.0": x * 0.0, "x * zeros": x * torch.zeros_like(x)}


x = torch.tensor([1.0, float("inf"), float("-inf"), float("nan")])
module = TimesZero()
program = torch.export.export(module, (x,))
package = torch._inductor.aoti_compile_and_package(program, package_path=sys.argv[1])
ways = {
    "eager": module,
    "exported program": program.module(),
    "torch.compile": torch.compile(module),
    "AOTInductor": torch._inductor.aoti_load_package(package),
}

print(f"x = {x.tolist()}")
seen = {}
for way, run in ways.items():
    seen[way] = {name: str(result.tolist()) for name, result in run(x).items()}
    print(f"  {way}: {seen[way]}")

nan, zero = "[0.0, nan, nan, nan]", "[0.0, 0.0, 0.0, 0.0]"
right = {"x * 0": nan, "x * 0.0": nan, "x * zeros": nan}
recorded = dict.fromkeys(("eager", "exported program"), right)
recorded |= dict.fromkeys(("torch.compile", "AOTInductor"), {**right, "x * 0": zero})
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: compiled code makes 0 of infinities and NaN if they are multiplied by a whole 0.")
END
