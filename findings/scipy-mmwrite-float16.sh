#!/usr/bin/env bash
# scipy.io.mmwrite writes an array of float16, and of big-endian floats or complex numbers, as integers: 1.25, 2.5,
# -0.75 become 1, 2, 0, and the header says "integer". NaN becomes a number, too. float32 and float64 are written whole.
#
# Expected, before it was run: the numbers, written as "real", or a refusal, as scipy.sparse refuses float16 by name.
# The documentation asks for a "sparse or dense 2-D array".
# Found on 2026-11-30 with Python 3.11.7 on x86-64.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q scipy==1.17.1 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'END'
import io
import sys

import numpy as np
import scipy

print(f"scipy {scipy.__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}")


def written(dtype: str) -> tuple[str, list[complex]]:
    """What the header calls the elements, and the elements as scipy.io.mmread has them."""
    file = io.BytesIO()
    scipy.io.mmwrite(file, np.array([[1.25, 2.5], [-0.75, 300]]).astype(dtype))
    kind = file.getvalue().split()[3].decode()
    file.seek(0)
    return kind, scipy.io.mmread(file).ravel().tolist()


print("1.25, 2.5, -0.75 and 300: the kind in the header, and what is read")
seen = {dtype: written(dtype) for dtype in ("float32", "float64", "complex64", "float16", ">f4", ">f8", ">c8")}
for dtype, (kind, numbers) in seen.items():
    print(f"  {dtype}: {kind}, {numbers}")

kept, cut = [1.25, 2.5, -0.75, 300], [1, 2, 0, 300]
recorded = {"float32": ("real", kept), "float64": ("real", kept), "complex64": ("complex", kept)}
recorded |= dict.fromkeys(("float16", ">f4", ">f8", ">c8"), ("integer", cut))
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: fractions and imaginary parts are gone, without a word.")
END
