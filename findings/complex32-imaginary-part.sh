#!/usr/bin/env bash
# The imaginary part of a complex32 array of ml_dtypes is 0 and its real part is the whole array; what is assigned to
# the real part takes away the imaginary one. np.iscomplexobj says no, and np.vdot forgets to conjugate. A single
# element has the right parts, and so have np.conj and np.abs.
#
# Expected, before it was run: the parts, as of complex64, or a refusal, as np.angle refuses.
# Found on 2026-11-30 with Python 3.11.7 on x86-64. NumPy knows its own complex dtypes alone, and takes what another
# library registers for real numbers. As complex64 all is right.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 ml-dtypes==0.6.0

"$folder/venv/bin/python" - <<'END_OF_SOURCE'
import sys

import ml_dtypes
import numpy as np

print(f"numpy {np.__version__}, ml_dtypes {ml_dtypes.__version__}, Python {sys.version.split()[0]}")


def with_real_part(array: np.ndarray, real: float) -> np.ndarray:
    array = array.copy()
    array.real = real
    return array


def outcomes(scalar: type) -> dict[str, list[complex] | bool]:
    x = np.array([3 + 4j, 6 - 8j], np.complex64).astype(scalar)
    results = {
        "x.real": x.real,
        "x.imag": x.imag,
        "x after x.real = 5": with_real_part(x, 5),
        "np.vdot(x, x)": np.vdot(x, x),
        "x[0].imag": x[0].imag,
        "np.conj(x)": np.conj(x),
        "np.abs(x)": np.abs(x),
    }
    texts = {what: np.asarray(result, np.complex64).reshape(-1).tolist() for what, result in results.items()}
    return texts | {"np.iscomplexobj(x)": np.iscomplexobj(x)}


seen = {"complex64": outcomes(np.complex64), "complex32": outcomes(ml_dtypes.complex32)}
for dtype, results in seen.items():
    print(f"x = [3+4j, 6-8j] as {dtype}:")
    for what, result in results.items():
        print(f"  {what}: {result}")

right = {
    "x.real": [3, 6],
    "x.imag": [4, -8],
    "x after x.real = 5": [5 + 4j, 5 - 8j],
    "np.vdot(x, x)": [125],
    "x[0].imag": [4],
    "np.conj(x)": [3 - 4j, 6 + 8j],
    "np.abs(x)": [5, 10],
    "np.iscomplexobj(x)": True,
}
wrong = right | {
    "x.real": [3 + 4j, 6 - 8j],
    "x.imag": [0, 0],
    "x after x.real = 5": [5, 5],
    "np.vdot(x, x)": [-35 - 72j],
    "np.iscomplexobj(x)": False,
}
recorded = {"complex64": right, "complex32": wrong}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: the imaginary part of a complex32 array is 0, and its real part is all of it.")
END_OF_SOURCE
