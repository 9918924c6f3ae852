#!/usr/bin/env bash
# One element decides over the 31 others of its block, when gguf-py quantizes: beside a weight of 1e7, which is in the
# range of float32, all others of the block are NaN in Q8_0, Q4_0 and Q5_0. Beside a NaN or an infinity all are 0 in
# MXFP4, and the NaN itself, too: nothing is left to tell of it. Each other block is right.
#
# Expected, before it was run: a weight too large is infinite or the largest number, and the others keep theirs, or are
# 0; a NaN stays a NaN, as in BF16; or it is refused.
# Found on 2026-11-30 with Python 3.11.7 on x86-64. The scale of a block is a float16, in which 1e7 / 127 is infinite,
# and 0 times infinity is NaN. NumPy warns of it: ggml-org/llama.cpp#25221, closed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q gguf==0.19.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'END'
import importlib.metadata
import sys

import numpy as np
from gguf import GGMLQuantizationType, quants

versions = f"gguf {importlib.metadata.version('gguf')}, numpy {np.__version__}"
print(f"{versions}, Python {sys.version.split()[0]}")
OUTLIERS = (100.0, 1e7, np.inf, np.nan)
FORMATS = ("BF16", "Q8_0", "Q4_0", "Q5_0", "MXFP4")


def told(form: str, outlier: float) -> str:
    """What is left of the outlier, and of the ones beside it in its block of 32."""
    kind = GGMLQuantizationType[form]
    weights = np.ones(64, np.float32)
    weights[3] = outlier
    read = quants.dequantize(quants.quantize(weights, kind), kind)
    beside = np.unique(np.delete(read[:32], 3))
    if not np.allclose(read[32:], 1, atol=0.001):
        return "the next block has changed"
    return f"{read[3]:.3g}, ones beside it {', '.join(f'{number:.3g}' for number in beside)}"


seen = {}
for outlier in OUTLIERS:
    print(f"{outlier:g}:")
    for form in FORMATS:
        seen[outlier, form] = told(form, outlier)
        print(f"  {form}: {seen[outlier, form]}")

recorded = dict.fromkeys(seen, "inf, ones beside it nan")
recorded |= {(outlier, "BF16"): f"{outlier:.3g}, ones beside it 1" for outlier in OUTLIERS}
recorded |= {(outlier, "MXFP4"): "0, ones beside it 0" for outlier in (np.inf, np.nan)}
recorded |= {(outlier, "Q8_0"): "nan, ones beside it nan" for outlier in (np.inf, np.nan)}
recorded |= {(np.nan, form): "nan, ones beside it nan" for form in ("Q4_0", "Q5_0")}
recorded |= {
    (100, "Q8_0"): "100, ones beside it 0.788",
    (100, "Q4_0"): "100, ones beside it -0",
    (100, "Q5_0"): "100, ones beside it -0",
    (100, "MXFP4"): "96, ones beside it 0",
    (1e7, "MXFP4"): "8.39e+06, ones beside it 0",
}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: one element makes NaN or 0 of the others, and a NaN is 0.")
END
