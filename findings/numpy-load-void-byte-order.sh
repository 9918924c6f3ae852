#!/usr/bin/env bash
# A big-endian array of bfloat16 goes through np.save and np.load, and is seen as bfloat16 again, by the way that the
# documents of ml_dtypes name, `.view`: it has other numbers. The file says `>V2`, and what is loaded `|V2`.
#
# Expected, before it was run: the loaded dtype still says `>`, as with float16, so that whoever gives the void elements
# their dtype back knows the order; 1 -2.5 3 come back.
# Found on 2026-11-29 with Python 3.11.7 on x86-64. NumPy's void types have no byte order; np.save writes one all the
# same.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 ml-dtypes==0.6.0

"$folder/venv/bin/python" - "$folder" <<'END_OF_SOURCE'
import sys
from pathlib import Path

import ml_dtypes
import numpy as np

print(f"numpy {np.__version__}, ml_dtypes {ml_dtypes.__version__}, Python {sys.version.split()[0]}, {sys.byteorder}")


def seen_of(scalar: type) -> tuple[str, str, str]:
    """The descr in the file, the dtype that is loaded, and the numbers that are seen in it."""
    file = Path(sys.argv[1]) / "x.npy"
    array = np.array([1, -2.5, 3]).astype(scalar)
    np.save(file, array.astype(array.dtype.newbyteorder(">")))
    descr = file.read_bytes().split(b"'descr': '")[1].split(b"'")[0].decode()
    loaded = np.load(file)
    numbers = loaded if loaded.dtype.kind != "V" else loaded.view(scalar)
    return descr, loaded.dtype.str, " ".join(f"{number:g}" for number in numbers.astype(np.float64))


print("1 -2.5 3, big-endian: descr in the file, dtype that is loaded, numbers:")
seen = {each.__name__: seen_of(each) for each in (np.float16, ml_dtypes.bfloat16)}
for name, (descr, dtype, numbers) in seen.items():
    print(f"  {name}: {descr}, {dtype}, {numbers}")

recorded = {
    "float16": (">f2", ">f2", "1 -2.5 3"),
    "bfloat16": (">V2", "|V2", "-5.78564e-39 3.25261e-19 3"),
}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: the byte order is in the file, and not in what is loaded of it.")
END_OF_SOURCE
