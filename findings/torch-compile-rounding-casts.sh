#!/usr/bin/env bash
# Compiled by Inductor, which also makes the packages of AOTInductor, `x.to(torch.float16).to(torch.float32)` is x: what
# the casts are written for, rounding and infinity for what is too large, does not take place. So it is with bfloat16.
# Casts by way of float8, and of float64 by way of float32, do take place.
#
# Expected, before it was run: what eager mode computes. The casts are the user's own, not those of autocast.
# Found on 2026-11-30 with Python 3.11.7 and g++ 12.2 on x86-64. The exported program is right. torch knows of it:
# pytorch/pytorch#185337.
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
BY_WAY_OF = (torch.float16, torch.bfloat16, torch.float8_e4m3fn)


class Casts(torch.nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
        results = {f"float32 by way of {dtype}": x.to(dtype).to(torch.float32) for dtype in BY_WAY_OF}
        return results | {"float64 by way of torch.float32": y.to(torch.float32).to(torch.float64)}


inputs = (torch.tensor([3.1415927, 100.3, 70000.0]), torch.tensor([0.1], dtype=torch.float64))
module = Casts()
program = torch.export.export(module, inputs)
package = torch._inductor.aoti_compile_and_package(program, package_path=sys.argv[1])
ways = {
    "eager": module,
    "exported program": program.module(),
    "torch.compile": torch.compile(module),
    "AOTInductor": torch._inductor.aoti_load_package(package),
}

right = module(*inputs)
seen = {}
for way, run in ways.items():
    print(f"{way}:")
    results = run(*inputs)
    for what, result in results.items():
        print(f"  {what}: {', '.join(f'{number:.10g}' for number in result.tolist())}")
    seen[way] = [what for what, result in results.items() if not torch.equal(result, right[what])]

left_out = ["float32 by way of torch.float16", "float32 by way of torch.bfloat16"]
recorded = {"eager": [], "exported program": [], "torch.compile": left_out, "AOTInductor": left_out}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: compiled code leaves casts out that round.")
END
