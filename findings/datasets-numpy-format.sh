#!/usr/bin/env bash
# Hugging Face's datasets gives float64 columns as float32 and uint64 columns as int64, once a dataset has the format
# "numpy" or "torch": 1e300 is infinite, 2**53 + 2 is another number, and 2**64 - 1 is -1. The column keeps its type and
# numbers, and the format "arrow" gives them.
#
# Expected, before it was run: the dtype of the column, float64 and uint64, which NumPy and torch have.
# Found on 2026-11-30 with Python 3.11.7 on x86-64. The formats have defaults of their own, float32 and int64
# (formatting/np_formatter.py, torch_formatter.py). with_format("numpy", dtype=np.float64) keeps float64 columns.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q datasets==5.2.0 torch==2.13.0+cpu numpy==2.4.6

HF_HOME="$folder" HF_HUB_OFFLINE=1 "$folder/venv/bin/python" -W ignore - <<'END'
import sys

import datasets
import numpy as np
import torch

versions = f"datasets {datasets.__version__}, torch {torch.__version__}, numpy {np.__version__}"
print(f"{versions}, Python {sys.version.split()[0]}")
COLUMNS = {
    "float64": np.array([0.1, 2.0**53 + 2, 1e300]),
    "uint64": np.array([1, 2**63, 2**64 - 1], np.uint64),
    "uint16": np.array([1, 2, 65535], np.uint16),
    "int64": np.array([1, 2**53 + 1, -1]),
}
table = datasets.Dataset.from_dict(COLUMNS)


def told(name: str, form: str) -> str:
    column = table.with_format(form)[:][name]
    dtype = column.type if form == "arrow" else column.dtype
    numbers = column.to_pylist() if form == "arrow" else column.tolist()
    return f"{str(dtype).removeprefix('torch.')} {numbers}"


seen = {f"{name}, {form}": told(name, form) for name in COLUMNS for form in ("arrow", "numpy", "torch")}
for what, text in seen.items():
    print(f"  {what}: {text}")

cut = "float32 [0.10000000149011612, 9007199254740992.0, inf]"
wrapped = "int64 [1, -9223372036854775808, -1]"
recorded = {"float64, arrow": "double [0.1, 9007199254740994.0, 1e+300]"}
recorded |= {"uint64, arrow": "uint64 [1, 9223372036854775808, 18446744073709551615]"}
recorded |= {"uint16, arrow": "uint16 [1, 2, 65535]", "int64, arrow": "int64 [1, 9007199254740993, -1]"}
for form in ("numpy", "torch"):
    recorded |= {f"float64, {form}": cut, f"uint64, {form}": wrapped}
    recorded |= {f"uint16, {form}": "int64 [1, 2, 65535]", f"int64, {form}": "int64 [1, 9007199254740993, -1]"}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: the format of a dataset decides about dtype and numbers, without a word.")
END
