#!/usr/bin/env bash
# torchvision gives the pixels of a mask other labels, where it only moves them: resize, rotate by 10 degrees and pad
# with "edge" or "reflect" take integers to float32 and back. Labels above 2**24 are rounded, 2**31 - 1 in int32 becomes
# -2**31, and 2**32 - 1 in uint32 becomes 0. Constant padding and center_crop keep them.
#
# Expected, before it was run: labels that were in the mask, as these take a mask by the nearest pixel and mix no two.
# Found on 2026-11-30 with Python 3.11.7 on x86-64. No issue of pytorch/vision was found that names it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0+cpu torchvision==0.28.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'END'
import importlib
import sys
from collections.abc import Callable

import torch

# A wheel of torchvision that was built for CUDA needs a torch with CUDA for its operators, and does not go without.
# Nothing below calls them.
try:
    importlib.import_module("torchvision")
except RuntimeError:
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor boxes, Tensor scores, float threshold) -> Tensor")

import torchvision
from torchvision.transforms.v2 import functional
from torchvision.tv_tensors import Mask

print(f"torchvision {torchvision.__version__}, torch {torch.__version__}, Python {sys.version.split()[0]}")
LABELS = {
    "int32": (7, 2**24 + 1, 2**31 - 1),
    "int64": (7, 2**24 + 1, 2**53 + 1),
    "uint32": (7, 2**24 + 1, 2**32 - 1),
    "int16": (7, 300, 2**15 - 1),
}
WAYS: dict[str, Callable[[Mask], torch.Tensor]] = {
    "resize": lambda mask: functional.resize(mask, [8, 12]),
    "rotate by 10 degrees": lambda mask: functional.rotate(mask, 10, fill=7),
    "pad, edge": lambda mask: functional.pad(mask, [1], padding_mode="edge"),
    "pad, reflect": lambda mask: functional.pad(mask, [1], padding_mode="reflect"),
    "pad, constant": lambda mask: functional.pad(mask, [1], fill=7),
    "center_crop": lambda mask: functional.center_crop(mask, [2, 6]),
}

seen = {}
for dtype, labels in LABELS.items():
    print(f"{dtype} {', '.join(map(str, labels))}:")
    mask = Mask(torch.tensor(labels, dtype=getattr(torch, dtype)).repeat_interleave(2).repeat(4, 1)[None])
    for way, call in WAYS.items():
        strange = set(call(mask).flatten().tolist()) - set(labels)
        seen[dtype, way] = sorted(strange)
        print(f"  {way}: {f'also {sorted(strange)}' if strange else 'no other label'}")

other = {"int32": [-(2**31), 2**24], "int64": [2**24, 2**53], "uint32": [0, 2**24], "int16": []}
recorded = {(dtype, way): other[dtype] if way in list(WAYS)[:4] else [] for dtype in LABELS for way in WAYS}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: a mask has labels that were not in it.")
END
