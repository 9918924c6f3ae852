#!/usr/bin/env bash
# A big-endian bfloat16 array that is unpickled changes the byte order of NumPy's one bfloat16 dtype, for the whole
# process: arrays that were there before have other values afterwards.
#
# Expected, before it was run: as with float32, the array that comes back is big-endian and nothing else changes.
# Found on 2026-11-28 with Python 3.11.7 on x86-64. dtype.__reduce__ names the scalar type, for which NumPy gives the
# registered dtype object itself instead of a copy, and dtype.__setstate__ then writes the byte order into that object.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 ml-dtypes==0.6.0

"$folder/venv/bin/python" - <<'END'
import pickle
import sys

import ml_dtypes
import numpy as np

print(f"numpy {np.__version__}, ml_dtypes {ml_dtypes.__version__}, Python {sys.version.split()[0]}, {sys.byteorder}")


def before_and_after(scalar: type) -> tuple[list[float], list[float], bool]:
    """An array of 1 and 2 before and after another, big-endian one is pickled and unpickled; is the dtype native?"""
    array = np.array([1, 2], dtype=scalar)
    before = array.astype(np.float64).tolist()
    big_endian = array.astype(np.dtype(scalar).newbyteorder(">"))
    pickle.loads(pickle.dumps(big_endian))
    return before, array.astype(np.float64).tolist(), np.dtype(scalar).isnative


print("Pickling and unpickling an array of big-endian elements; another array before and after, and the shared dtype:")
seen = {scalar.__name__: before_and_after(scalar) for scalar in (np.float32, ml_dtypes.bfloat16)}
for name, (before, after, native) in seen.items():
    print(f"  {name}: {before} -> {after}, np.dtype({name}).isnative is {native}")

swapped = [float.fromhex("-0x1.f8p-128"), float.fromhex("0x1p-127")]  # 0x803F and 0x0040: 1 and 2, read backwards.
recorded = {"float32": ([1.0, 2.0], [1.0, 2.0], True), "bfloat16": ([1.0, 2.0], swapped, False)}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: the array of bfloat16 was not touched, and its values are others.")
END
