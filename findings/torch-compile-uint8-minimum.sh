#!/usr/bin/env bash
# Compiled by Inductor, which also makes the packages of AOTInductor, the smallest of 64 pixels of uint8 or int8 may be
# one that is not there, and so may be the largest of negative int8 elements; their sum in their own dtype is another
# one. int16 elements, and sums in int64, are right.
#
# Expected, before it was run: what eager mode computes, to the bit, as there is nothing to round.
# Found on 2026-11-30 with Python 3.11.7 and g++ 12.2 on x86-64 with AVX2. A vector is filled in part, and reduced as a
# whole. torch knows of the minimum: pytorch/pytorch#191499, open.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0+cpu numpy==2.4.6

export TORCHINDUCTOR_CACHE_DIR="$folder/cache" TMPDIR="$folder"
"$folder/venv/bin/python" -W ignore::FutureWarning - "$folder/model.pt2" <<'END'
import sys

import torch

print(f"torch {torch.__version__} ({torch.backends.cpu.get_cpu_capability()}), Python {sys.version.split()[0]}")


class Reductions(torch.nn.Module):
    def forward(self, arrays: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        results = {}
        for name, x in arrays.items():
            results[f"{name}: min"] = x.min()
            results[f"{name}: max"] = x.max()
            results[f"{name}: sum in its dtype"] = x.sum(dtype=x.dtype)
            results[f"{name}: sum"] = x.sum()
        return results


ramp = torch.arange(64)
arrays = {
    "uint8 from 7 to 70": (ramp + 7).to(torch.uint8),
    "int8 from -100 to -37": (ramp - 100).to(torch.int8),
    "int16 from 7 to 70": (ramp + 7).to(torch.int16),
}
module = Reductions()
program = torch.export.export(module, (arrays,))
package = torch._inductor.aoti_compile_and_package(program, package_path=sys.argv[1])
ways = {
    "exported program": program.module(),
    "torch.compile": torch.compile(module),
    "AOTInductor": torch._inductor.aoti_load_package(package),
}

right = {what: result.item() for what, result in module(arrays).items()}
seen = {}
for way, run in ways.items():
    print(f"{way}:")
    results = {what: result.item() for what, result in run(arrays).items()}
    for what, result in results.items():
        print(f"  {what} is {result}, in eager mode {right[what]}")
    seen[way] = [what for what, result in results.items() if result != right[what]]

wrong = [
    "uint8 from 7 to 70: min",
    "uint8 from 7 to 70: sum in its dtype",
    "int8 from -100 to -37: max",
    "int8 from -100 to -37: sum in its dtype",
]
recorded = {"exported program": [], "torch.compile": wrong, "AOTInductor": wrong}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: compiled code finds smallest and largest elements of uint8 and int8 that are not there.")
END
