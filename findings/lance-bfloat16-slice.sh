#!/usr/bin/env bash
# A slice of Lance's BFloat16Array gives NumPy the whole array: rows[3:6].to_numpy() has all ten elements, and so has
# lance.arrow.cast of the slice to float32. A null that lies outside of the slice comes back as a 0 within it. Its own
# to_pylist(), take() and a column that Lance itself has cut out of a data set are right.
#
# Expected, before it was run: the three elements, as pyarrow's own arrays give them for the same slice.
# Found on 2026-11-30 with Python 3.11.7 on x86-64. to_numpy reads the buffer without the offset and the length of the
# slice (lance/_arrow/bf16.py); no issue of lance-format/lance was found that names it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pylance==14.0.2 pyarrow==26.0.1 numpy==2.4.6 ml-dtypes==0.6.0 pandas==3.1.1

"$folder/venv/bin/python" -W ignore - "$folder/x.lance" <<'END'
import sys

import lance
import lance.arrow
import numpy as np
import pyarrow

versions = f"pylance {lance.__version__}, pyarrow {pyarrow.__version__}, numpy {np.__version__}"
print(f"{versions}, Python {sys.version.split()[0]}")
NUMBERS = [0.5 + number for number in range(10)]
rows = lance.arrow.bfloat16_array(NUMBERS)
with_null = lance.arrow.bfloat16_array([None, 1.5, 2.5, 3.5])
table = pyarrow.table({"x": rows})
read = lance.write_dataset(table, sys.argv[1]).to_table(offset=3, limit=3)


def numbers_of(array: np.ndarray) -> list[float]:
    return array.astype(np.float64).tolist()


seen = {
    "float32, rows[3:6].to_numpy()": numbers_of(pyarrow.array(NUMBERS, pyarrow.float32())[3:6].to_numpy()),
    "bfloat16, rows[3:6].to_pylist()": [float(str(number)) for number in rows[3:6].to_pylist()],
    "bfloat16, rows[3:6].to_numpy()": numbers_of(rows[3:6].to_numpy()),
    "bfloat16, table.slice(3, 3)": numbers_of(table.slice(3, 3)["x"].chunk(0).to_numpy()),
    "bfloat16, cast of rows[3:6] to float32": lance.arrow.cast(rows[3:6], pyarrow.float32()).to_pylist(),
    "bfloat16, rows.take([3, 4, 5])": numbers_of(rows.take(pyarrow.array([3, 4, 5])).to_numpy()),
    "bfloat16, read by Lance": numbers_of(read["x"].chunk(0).to_numpy()),
    "bfloat16, [null, 1.5, 2.5, 3.5][1:]": numbers_of(with_null[1:].to_numpy()),
}
for what, numbers in seen.items():
    print(f"  {what}: {numbers}")

recorded = dict.fromkeys(seen, NUMBERS[3:6])
recorded |= {
    "bfloat16, rows[3:6].to_numpy()": NUMBERS,
    "bfloat16, table.slice(3, 3)": NUMBERS,
    "bfloat16, cast of rows[3:6] to float32": NUMBERS,
    "bfloat16, [null, 1.5, 2.5, 3.5][1:]": [0, 1.5, 2.5, 3.5],
}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: a slice of bfloat16 gives NumPy elements that are not in it.")
END
