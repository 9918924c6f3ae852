#!/usr/bin/env bash
# NumPy's sum and mean of bfloat16 or float8 elements of ml_dtypes add element by element in that very type, and stand
# still once the sum is too large for the next element to change it: the mean of a thousand ones is 0.26.
#
# Expected, before it was run: as with float16, whose sums NumPy adds in pairs and whose means it computes in float32, and
# as in torch: a thousand ones have the sum 1000 and the mean 1.
# Found on 2026-11-29 with Python 3.11.7 on x86-64. NumPy's care for float16 does not extend to types that another
# library registers. With dtype=np.float32 both are right. ml_dtypes knows of it: jax-ml/ml_dtypes#63.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0+cpu numpy==2.4.6 ml-dtypes==0.6.0

"$folder/venv/bin/python" - <<'END_OF_SOURCE'
import sys

import ml_dtypes
import numpy as np
import torch

versions = f"numpy {np.__version__}, ml_dtypes {ml_dtypes.__version__}, torch {torch.__version__}"
print(f"{versions}, Python {sys.version.split()[0]}")


def of_numpy(scalar: type) -> tuple[float, float, float]:
    ones = np.ones(1000, scalar)
    return float(ones.sum()), float(ones.mean()), float(ones.mean(dtype=np.float32))


def of_torch(dtype: torch.dtype) -> tuple[float, float, float]:
    ones = torch.ones(1000, dtype=dtype)
    return float(ones.sum()), float(ones.mean()), float(ones.mean(dtype=torch.float32))


print("A thousand ones: sum, mean, and mean computed in float32:")
seen = {
    "NumPy, float16": of_numpy(np.float16),
    "NumPy, bfloat16": of_numpy(ml_dtypes.bfloat16),
    "NumPy, float8_e4m3fn": of_numpy(ml_dtypes.float8_e4m3fn),
    "torch, bfloat16": of_torch(torch.bfloat16),
}
for what, numbers in seen.items():
    print(f"  {what}: {', '.join(f'{number:g}' for number in numbers)}")

recorded = {
    "NumPy, float16": (1000, 1, 1),
    "NumPy, bfloat16": (256, 0.255859375, 1),
    "NumPy, float8_e4m3fn": (16, 0.015625, 1),
    "torch, bfloat16": (1000, 1, 1),
}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: the sum stands still at 256, or at 16.")
END_OF_SOURCE
