#!/usr/bin/env bash
# NumPy's functions for arrays with NaNs take bfloat16 and the float8 types of ml_dtypes for integers, which have none:
# nan_to_num gives the NaNs back, nansum, nanmean and nanstd are NaN, and nanargmax gives the place of a NaN.
#
# Expected, before it was run: as with float16, and as nanmax and nanmedian do it for bfloat16, too.
# Found on 2026-11-30 with Python 3.11.7 on x86-64. They ask whether the scalar is an np.inexact, which those of
# ml_dtypes are not. As float32 all are right. ml_dtypes knows of nan_to_num: jax-ml/ml_dtypes#346.
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
FUNCTIONS = {
    "nan_to_num": np.nan_to_num,
    "nansum": np.nansum,
    "nanmean": np.nanmean,
    "nanstd": np.nanstd,
    "nanargmax": np.nanargmax,
    "nanmax": np.nanmax,
    "nanmedian": np.nanmedian,
}


def outcomes(scalar: type) -> dict[str, str]:
    array = np.array([1, np.nan, 3], scalar)
    return {name: str(np.asarray(function(array), np.float64).tolist()) for name, function in FUNCTIONS.items()}


seen = {"float16": outcomes(np.float16)}
seen |= {name: outcomes(getattr(ml_dtypes, name)) for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2")}
for dtype, texts in seen.items():
    print(f"[1, nan, 3] as {dtype}:")
    for name, text in texts.items():
        print(f"  {name}: {text}")

right = dict(zip(FUNCTIONS, ("[1.0, 0.0, 3.0]", "4.0", "2.0", "1.0", "2.0", "3.0", "2.0"), strict=True))
wrong = (
    right
    | {"nan_to_num": "[1.0, nan, 3.0]", "nanargmax": "1.0"}
    | dict.fromkeys(("nansum", "nanmean", "nanstd"), "nan")
)
recorded = {"float16": right} | dict.fromkeys(("bfloat16", "float8_e4m3fn", "float8_e5m2"), wrong)
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: NumPy's functions for NaNs do not see those of bfloat16 and float8.")
END_OF_SOURCE
