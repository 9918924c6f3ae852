#!/usr/bin/env bash
# safetensors.numpy of 0.8.0 writes an array in Fortran order with its elements in the order of memory and its shape as
# it is: what is loaded has the right shape and elements in other places. Version 0.7.0 kept each in its place.
#
# Expected, before it was run: elements in their places, as numpy.save keeps them, or a refusal, as safetensors.torch
# refuses a transposed tensor.
# Found on 2026-11-29 with Python 3.11.7 on x86-64; its authors know of it: safetensors/safetensors#825. The documentation
# asks for arrays that are "contiguous and dense", and an array in Fortran order is. np.ascontiguousarray avoids it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 0.7.0 0.8.0; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/pip" install -q numpy==2.4.6 safetensors=="$version"
done

cat >"$folder/round_trip.py" <<'END_OF_SOURCE'
import sys

import numpy as np
import safetensors
import safetensors.numpy

array = np.asfortranarray([[1, 2, 3], [4, 5, 6]])
(loaded,) = safetensors.numpy.load(safetensors.numpy.save({"x": array})).values()
print(f"safetensors {safetensors.__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}")
print(f"  saved {array.tolist()}, loaded {loaded.tolist()}")
recorded = [[1, 4, 2], [5, 3, 6]] if safetensors.__version__ == "0.8.0" else array.tolist()
if loaded.tolist() != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
END_OF_SOURCE
for version in 0.7.0 0.8.0; do "$folder/$version/bin/python" "$folder/round_trip.py"; done
echo "As recorded: 0.8.0 exchanges elements of an array in Fortran order."
