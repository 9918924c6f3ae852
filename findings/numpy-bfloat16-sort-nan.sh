#!/usr/bin/env bash
# One NaN among bfloat16 or float8 elements of ml_dtypes, and NumPy's sort leaves the numbers in any order; unique gives
# some of them twice, and median gives a number.
#
# Expected, before it was run: as with float16 and float32, numbers are in order and NaNs come last; unique gives each
# number once; the median is NaN.
# Found on 2026-11-29 with Python 3.11.7 on x86-64. For types that another library registers NumPy sorts by their
# comparison, to which a NaN is as large as any number, and median looks for NaNs where sorting should have put them.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 ml-dtypes==0.6.0

"$folder/venv/bin/python" - <<'END_OF_SOURCE'
import math
import sys
import warnings

import ml_dtypes
import numpy as np

warnings.simplefilter("ignore")  # Of the NaN that the median of float16 is.
print(f"numpy {np.__version__}, ml_dtypes {ml_dtypes.__version__}, Python {sys.version.split()[0]}")


def words(array: np.ndarray) -> str:
    return " ".join(f"{number:g}" for number in array.astype(np.float64).ravel())


def seen_of(scalar: type) -> tuple[str, str, str]:
    array = np.array([3, math.nan, 1, 2, 3, math.nan, 0], dtype=scalar)
    return words(np.sort(array)), words(np.unique(array)), words(np.asarray(np.median(array)))


print("3 nan 1 2 3 nan 0: sort; unique; median:")
seen = {each.__name__: seen_of(each) for each in (np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn)}
for name, (in_order, once, median) in seen.items():
    print(f"  {name}: {in_order}; {once}; {median}")

ordered = ("0 1 2 3 3 nan nan", "0 1 2 3 nan", "nan")
unordered = ("3 nan 1 2 3 nan 0", "3 nan 1 2 3 nan 0", "2")
recorded = {"float16": ordered, "bfloat16": unordered, "float8_e4m3fn": unordered}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: one NaN, and what was sorted is in no order.")
END_OF_SOURCE
