#!/usr/bin/env bash
# Images that lie in memory as height, width, channel and are seen as channel, height, width come out of pyarrow's
# FixedShapeTensorArray with pixels in other places, or as an array of another shape, or not at all. So does each order
# of three dimensions that is not its own inverse; an exchange of two dimensions is right.
#
# Expected, before it was run: to_numpy_ndarray gives what from_numpy_ndarray took, element by element; and of a type
# that was made by the rules of Arrow's format it gives the elements in the order that the type names.
# Found on 2026-11-30 with Python 3.11.7 on x86-64. from_numpy_ndarray stores the inverse of the permutation that the
# format asks for, and reading takes the shape in one order and the strides in the other. np.ascontiguousarray before
# avoids it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyarrow==26.0.1 numpy==2.4.6

"$folder/venv/bin/python" - <<'END'
import sys

import numpy as np
import pyarrow

print(f"pyarrow {pyarrow.__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}")
Order = tuple[int, ...]


def told(batch: np.ndarray, tensors: pyarrow.FixedShapeTensorArray) -> str:
    """How what is read of the tensors differs from the batch."""
    try:
        read = tensors.to_numpy_ndarray()
    except pyarrow.ArrowInvalid as error:
        return f"error: {error}"
    if read.shape != batch.shape:
        return f"shape {read.shape} instead of {batch.shape}"
    return f"{np.count_nonzero(read != batch)} of {batch.size} elements differ"


def round_trip(shape: Order, order: Order) -> str:
    """A batch of `shape` in memory, whose dimensions are seen in this order, there and back."""
    batch = np.arange(np.prod(shape)).reshape(shape).transpose(order)
    return told(batch, pyarrow.FixedShapeTensorArray.from_numpy_ndarray(batch))


def by_the_format(shape: Order, order: Order) -> str:
    """The same batch in a type whose permutation says which dimension of memory each dimension is."""
    batch = np.arange(np.prod(shape)).reshape(shape)
    permutation = [dimension - 1 for dimension in order[1:]]
    kind = pyarrow.fixed_shape_tensor(pyarrow.int64(), shape[1:], permutation=permutation)
    storage = pyarrow.FixedSizeListArray.from_arrays(batch.ravel(), batch[0].size)
    return told(batch.transpose(order), pyarrow.ExtensionArray.from_storage(kind, storage))


seen = {
    "as they lie": round_trip((2, 3, 3, 3), (0, 1, 2, 3)),
    "height and width exchanged": round_trip((2, 4, 5, 3), (0, 2, 1, 3)),
    "channels first, 3 x 3 pixels": round_trip((2, 3, 3, 3), (0, 3, 1, 2)),
    "channels first, 4 x 5 pixels": round_trip((2, 4, 5, 3), (0, 3, 1, 2)),
    "channels last, 4 x 5 pixels": round_trip((2, 3, 4, 5), (0, 2, 3, 1)),
    "height and width exchanged, by the format": by_the_format((2, 4, 5, 3), (0, 2, 1, 3)),
    "channels first, 4 x 5 pixels, by the format": by_the_format((2, 4, 5, 3), (0, 3, 1, 2)),
}
for name, text in seen.items():
    print(f"  {name}: {text}")

recorded = {
    "as they lie": "0 of 54 elements differ",
    "height and width exchanged": "0 of 120 elements differ",
    "channels first, 3 x 3 pixels": "48 of 54 elements differ",
    "channels first, 4 x 5 pixels": "error: strides must not involve buffer over run",
    "channels last, 4 x 5 pixels": "shape (2, 5, 3, 4) instead of (2, 4, 5, 3)",
    "height and width exchanged, by the format": "0 of 120 elements differ",
    "channels first, 4 x 5 pixels, by the format": "108 of 120 elements differ",
}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: pixels in other places, without a word.")
END
