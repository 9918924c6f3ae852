#!/usr/bin/env bash
# zarr does not write a chunk whose elements all equal the fill value, and takes -0.0 and 0.0 for different where they
# are floats, but for equal in complex numbers: a chunk that holds nothing but complex(-0.0, -0.0) comes back as 0, and
# with another number beside them in the chunk each keeps its sign. With a fill value of NaN, a chunk of NaNs alone
# loses their signs and payloads, and a mixed one keeps them. So what comes back depends on how the array is chunked.
#
# Expected, before it was run: what is read has the bits that were written, or those of complex numbers fare as those of
# floats.
# Found on 2026-11-30 with Python 3.11.7 on x86-64.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q zarr==3.1.6 numpy==2.4.6

"$folder/venv/bin/python" - "$folder" <<'END'
import sys

import numpy as np
import zarr

print(f"zarr {zarr.__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}")
MINUS = complex(-0.0, -0.0)
NANS = np.full(4, 0xFFC00123, np.uint32).view(np.float32)  # Negative ones with a payload.
CASES = {
    "float64, -0.0 alone": (np.full(4, -0.0), 0.0, 4),
    "complex128, -0-0j alone": (np.full(4, MINUS), 0.0, 4),
    "complex128, -0-0j beside 1": (np.array([MINUS, MINUS, MINUS, 1]), 0.0, 4),
    "the same in chunks of two": (np.array([MINUS, MINUS, MINUS, 1]), 0.0, 2),
    "float32, NaNs alone, filled with NaN": (NANS, np.nan, 4),
    "float32, NaNs beside 1, filled with NaN": (np.append(NANS[:3], np.float32(1)), np.nan, 4),
}

seen = {}
for name, (array, fill_value, chunk) in CASES.items():
    for zarr_format in (2, 3):
        place = f"{sys.argv[1]}/{name} {zarr_format}"
        stored = zarr.create_array(
            place,
            shape=array.shape,
            chunks=(chunk,),
            dtype=array.dtype,
            fill_value=fill_value,
            zarr_format=zarr_format,
        )
        stored[:] = array
        read = zarr.open_array(place, mode="r")[:]
        changed = sum(a.tobytes() != b.tobytes() for a, b in zip(read, array, strict=True))
        seen[f"{name}, format {zarr_format}"] = changed
        print(f"  {name}, format {zarr_format}: {changed} of 4 elements have other bits")

recorded = {
    f"{name}, format {zarr_format}": changed
    for name, changed in zip(CASES, (0, 4, 0, 2, 4, 0), strict=True)
    for zarr_format in (2, 3)
}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: the sign of a complex zero, and what a NaN is, depend on what else is in the chunk.")
END
