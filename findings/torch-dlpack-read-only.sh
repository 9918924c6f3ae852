#!/usr/bin/env bash
# torch.from_dlpack makes of a read-only NumPy array a tensor that writes to it: an operation in place changes the
# array, although NumPy says by DLPack that it is read-only. torch.from_numpy does the same with a warning,
# torch.from_dlpack without; np.from_dlpack of the same array is read-only.
#
# Expected, before it was run: torch.from_dlpack refuses the array, copies it or at least warns, and what is read-only
# stays as it is.
# Found on 2026-11-30 with Python 3.11.7 on x86-64.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0+cpu numpy==2.4.6

"$folder/venv/bin/python" - <<'END'
import sys
import warnings

import numpy as np
import torch

print(f"torch {torch.__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}")


def read_only() -> np.ndarray:
    array = np.arange(4.0)
    array.flags.writeable = False
    return array


seen = {}
for name, read in {
    "torch.from_numpy": torch.from_numpy,
    "torch.asarray": torch.asarray,
    "torch.from_dlpack": torch.from_dlpack,
}.items():
    array = read_only()
    torch.set_warn_always(True)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        tensor = read(array)
        tensor += 1
    seen[name] = (array.tolist(), array.flags.writeable, len(warned))
    print(f"  {name}(array) += 1: array {array}, writeable {array.flags.writeable}, {len(warned)} warnings")
seen["np.from_dlpack"] = np.from_dlpack(read_only()).flags.writeable
print(f"  np.from_dlpack(array): writeable {seen['np.from_dlpack']}")

recorded = {
    "torch.from_numpy": ([1.0, 2.0, 3.0, 4.0], False, 1),
    "torch.asarray": ([1.0, 2.0, 3.0, 4.0], False, 1),
    "torch.from_dlpack": ([1.0, 2.0, 3.0, 4.0], False, 0),
    "np.from_dlpack": False,
}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: torch.from_dlpack alone writes to a read-only array without a word.")
END
