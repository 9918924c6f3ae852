#!/usr/bin/env bash
# torch brings the number that an integer tensor is compared with into the tensor's dtype, and what does not fit wraps
# around: of uint8 no pixel is less than 256, 255 is equal to -1, and an int32 index is never less than 3,000,000,000.
# A number of the same value as a float, 256.0, is compared by its value, as is a tensor with a dimension.
#
# Expected, before it was run: by value, as in NumPy and Python, or a refusal, as torch refuses
# `uint8.masked_fill(mask, 300)`: "value cannot be converted to type uint8_t without overflow".
# Found on 2026-11-30 with Python 3.11.7 on x86-64. torch knows of it: pytorch/pytorch#101653, open.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0+cpu numpy==2.4.6

"$folder/venv/bin/python" - <<'END_OF_SOURCE'
import sys
from collections.abc import Callable

import numpy as np
import torch

print(f"torch {torch.__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}")
PIXELS = np.array([0, 44, 200, 255], np.uint8)
INDICES = np.array([-1, 5], np.int32)
COMPARISONS: dict[str, tuple[np.ndarray, Callable]] = {
    "uint8 < 256": (PIXELS, lambda x: x < 256),
    "uint8 < 300": (PIXELS, lambda x: x < 300),
    "uint8 == 256": (PIXELS, lambda x: x == 256),
    "uint8 == -1": (PIXELS, lambda x: x == -1),
    "uint8 > -1": (PIXELS, lambda x: x > -1),
    "uint8 in [-1]": (PIXELS, lambda x: torch.isin(x, -1) if isinstance(x, torch.Tensor) else np.isin(x, -1)),
    "int32 < 3000000000": (INDICES, lambda x: x < 3_000_000_000),
    "int32 == 2**32 - 1": (INDICES, lambda x: x == 2**32 - 1),
    "uint8 < 256.0": (PIXELS, lambda x: x < 256.0),
}

seen = {}
for what, (array, compare) in COMPARISONS.items():
    of_numpy, of_torch = compare(array).tolist(), compare(torch.from_numpy(array)).tolist()
    seen[what] = "as NumPy" if of_torch == of_numpy else of_torch
    print(f"  {array.tolist()}, {what}: {of_torch}, in NumPy {of_numpy}")

recorded = {
    "uint8 < 256": [False, False, False, False],
    "uint8 < 300": [True, False, False, False],
    "uint8 == 256": [True, False, False, False],
    "uint8 == -1": [False, False, False, True],
    "uint8 > -1": [False, False, False, False],
    "uint8 in [-1]": [False, False, False, True],
    "int32 < 3000000000": [False, False],
    "int32 == 2**32 - 1": [True, False],
    "uint8 < 256.0": "as NumPy",
}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: torch compares with what is left of the number in the tensor's dtype.")
END_OF_SOURCE
