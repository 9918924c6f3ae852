#!/usr/bin/env bash
# paddle.to_tensor and paddle.from_numpy take an array of uint16 for the bits of bfloat16: 1, 2 and 16256 become
# 9.2e-41, 1.8e-40 and 1. The way back does the same: numpy() of a bfloat16 tensor gives integers, 16256 for 1. By
# DLPack the numbers of the same array are right, and the dtype still says bfloat16. Arrays of uint32 are refused.
#
# Expected, before it was run: a tensor of uint16 with these integers, or a refusal.
# Found on 2026-11-30 with Python 3.11.7 on x86-64. NumPy alone has no bfloat16, and in Paddle uint16 stands for it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q paddlepaddle==3.3.1 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'END'
import sys
from collections.abc import Callable

import numpy as np
import paddle

print(f"paddle {paddle.__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}")
READS = {"to_tensor": paddle.to_tensor, "from_numpy": paddle.from_numpy, "from_dlpack": paddle.from_dlpack}


def told(read: Callable[[np.ndarray], paddle.Tensor], array: np.ndarray) -> str:
    try:
        tensor = read(array)
    except ValueError:
        return "refused"
    numbers = " ".join(f"{number:.2g}" for number in tensor.astype("float64").tolist())
    return f"{str(tensor.dtype).removeprefix('paddle.')} {numbers}"


seen = {
    f"{name} of {dtype}": told(read, np.array([1, 2, 16256], dtype))
    for name, read in READS.items()
    for dtype in ("int16", "uint16", "uint32")
}
ones = paddle.to_tensor([1.0, 2.0], dtype="bfloat16").numpy()
seen["numpy() of bfloat16 1 and 2"] = f"{ones.dtype} {' '.join(map(str, ones.tolist()))}"
print("The integers 1, 2 and 16256:")
for name, text in seen.items():
    print(f"  {name}: {text}")

taken = {
    "int16": "int16 1 2 1.6e+04",
    "uint16": "bfloat16 9.2e-41 1.8e-40 1",
    "uint32": "refused",
}
recorded = {f"{name} of {dtype}": text for name in ("to_tensor", "from_numpy") for dtype, text in taken.items()}
recorded |= {f"from_dlpack of {dtype}": f"{dtype} 1 2 1.6e+04" for dtype in taken}
recorded["from_dlpack of uint16"] = "bfloat16 1 2 1.6e+04"
recorded["numpy() of bfloat16 1 and 2"] = "uint16 16256 16384"
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: uint16 becomes bfloat16, and bfloat16 becomes uint16.")
END
