#!/usr/bin/env bash
# torchvision makes 0 of the brightest pixels, where it scales floats to integers: 1.0 in float32 becomes 0 in uint16,
# 1.0 in float16, and all from 0.9981 on in bfloat16, become 0 in uint8. adjust_gamma(image, 1) of an image in uint16,
# where nothing is to change, makes 0 of 65535. float32 to uint8 and float64 to uint16 are right.
#
# Expected, before it was run: 1.0 becomes the largest integer, 65535 or 255: torchvision's documents say that a float
# image goes from 0 to 1, and an integer one from 0 to the largest number of its dtype.
# Found on 2026-11-30 with Python 3.11.7 on x86-64. The image is multiplied by the largest integer plus 0.999, which
# float32 rounds to 65536, and float16 and bfloat16 round to 256. pytorch/vision#6799, open since 2022, tells of float16
# and bfloat16, for the older convert_image_dtype.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0+cpu torchvision==0.28.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'END'
import importlib
import sys

import torch

# A wheel of torchvision that was built for CUDA needs a torch with CUDA for its operators, and does not go without.
# Nothing below calls them.
try:
    importlib.import_module("torchvision")
except RuntimeError:
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor boxes, Tensor scores, float threshold) -> Tensor")

import torchvision
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

print(f"torchvision {torchvision.__version__}, torch {torch.__version__}, Python {sys.version.split()[0]}")
GRAYS = (0.5, 0.99, 0.9985, 1.0)
PAIRS = {
    ("float32", "uint8"): [127, 253, 255, 255],
    ("float16", "uint8"): [128, 253, 255, 0],
    ("bfloat16", "uint8"): [128, 253, 0, 0],
    ("float32", "uint16"): [32768, 64880, 65437, 0],
    ("float16", "uint16"): [32768, 64896, 65440, 0],
    ("float64", "uint16"): [32767, 64880, 65437, 65535],
}


def scaled(source: str, target: str) -> list[int]:
    image = torch.tensor(GRAYS, dtype=getattr(torch, source)).reshape(1, 2, 2)
    return v2.ToDtype(getattr(torch, target), scale=True)(image).flatten().tolist()


seen = {pair: scaled(*pair) for pair in PAIRS}
print(f"The grays {', '.join(map(str, GRAYS))}:")
for (source, target), pixels in seen.items():
    print(f"  {source} to {target}: {pixels}")
whites = {}
for dtype in ("uint8", "uint16"):
    white = torch.full((3, 1, 2), torch.iinfo(getattr(torch, dtype)).max, dtype=getattr(torch, dtype))
    whites[dtype] = functional.adjust_gamma(white, 1).unique().tolist()
    print(f"  adjust_gamma(white, 1) in {dtype}: {whites[dtype]}")

recorded = (PAIRS, {"uint8": [255], "uint16": [0]})
if (seen, whites) != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: white becomes black.")
END
