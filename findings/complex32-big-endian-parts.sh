#!/usr/bin/env bash
# Big-endian complex32 of ml_dtypes: a cast swaps the four bytes of an element as if it were one number, so that real
# and imaginary part change places; byteswap() swaps the real part alone. Each in its own way is not what NumPy does in
# complex64, where each part is swapped by itself.
#
# Expected, before it was run: 1 + 2j is 3C00 4000, each part in big-endian order and the real one first, by the cast
# and by byteswap(), and these bytes are read as 1 + 2j.
# Found on 2026-11-28 with Python 3.11.7 on x86-64.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 ml-dtypes==0.6.0

"$folder/venv/bin/python" - <<'END'
import sys

import ml_dtypes
import numpy as np

print(f"numpy {np.__version__}, ml_dtypes {ml_dtypes.__version__}, Python {sys.version.split()[0]}, {sys.byteorder}")


def seen_of(scalar: type, part: type) -> tuple[str, str, complex]:
    """1 + 2j as big-endian bytes, by a cast and by byteswap(), and how the bytes of its two parts are read."""
    big_endian = np.dtype(scalar).newbyteorder(">")
    array = np.array([1 + 2j], dtype=scalar)
    parts = np.array([1, 2], dtype=np.dtype(part).newbyteorder(">")).tobytes()
    read = complex(np.frombuffer(parts, big_endian).astype(np.complex128)[0])
    return array.astype(big_endian).tobytes().hex(), array.byteswap().tobytes().hex(), read


print("1 + 2j as big-endian bytes, by a cast and by byteswap(); and its two parts, big-endian, read again:")
seen = {
    "complex64": seen_of(np.complex64, np.float32),
    "complex32": seen_of(ml_dtypes.complex32, np.float16),
}
for name, (cast, swapped, read) in seen.items():
    print(f"  {name}: astype {cast}, byteswap {swapped}, read {read}")

recorded = {
    "complex64": ("3f80000040000000", "3f80000040000000", 1 + 2j),
    "complex32": ("40003c00", "3c000040", 2 + 1j),
}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: in complex32 the cast exchanges the parts, and byteswap() swaps one of them.")
END
