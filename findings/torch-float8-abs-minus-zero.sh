#!/usr/bin/env bash
# In torch the absolute value of a float8 minus zero has a sign or not, depending on where in the tensor it stands: of
# 65 elements the first 64 stay -0.0, the last becomes 0.0. So do NaNs with a sign.
#
# Expected, before it was run: 65 times the same bits, 0x00, as abs gives for float16, bfloat16 and float32.
# Found on 2026-11-28 with Python 3.11.7 on x86-64, the same with ATEN_CPU_CAPABILITY avx512, avx2 and default.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0+cpu numpy==2.4.6

"$folder/venv/bin/python" - <<'END'
import sys

import torch

print(f"torch {torch.__version__}, Python {sys.version.split()[0]}, {torch.backends.cpu.get_cpu_capability()}")


def bits_of_abs(dtype: torch.dtype, bits: torch.dtype) -> list[tuple[str, int]]:
    """|-0.0| for 65 elements: each pattern of bits, and how many neighbours have it."""
    absolute = torch.full((65,), -0.0).to(dtype).abs().view(bits).tolist()
    runs: list[tuple[str, int]] = []
    for pattern in absolute:
        name = f"{pattern:#04x}"
        runs = [*runs[:-1], (name, runs[-1][1] + 1)] if runs and runs[-1][0] == name else [*runs, (name, 1)]
    return runs


print("abs of 65 times -0.0, as bits and the number of elements in a row that have them:")
cases = {"float16": torch.uint16, "bfloat16": torch.uint16, "float8_e4m3fn": torch.uint8, "float8_e5m2": torch.uint8}
seen = {name: bits_of_abs(getattr(torch, name), bits) for name, bits in cases.items()}
for name, runs in seen.items():
    print(f"  {name}: {runs}")

mixed = [("0x80", 64), ("0x00", 1)]
recorded = {"float16": [("0x00", 65)], "bfloat16": [("0x00", 65)], "float8_e4m3fn": mixed, "float8_e5m2": mixed}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: in float8 the position of an element decides.")
END
