#!/usr/bin/env bash
# MLServer's NumpyCodec gives another array than the model returned, without a word: over HTTP infinities arrive as NaN;
# an array of two bytes strings becomes one string, beside a shape that says two; a row of numbers becomes a column, and
# a scalar a row of one. Matrices of numbers are right.
#
# Expected, before it was run: the elements and the shape that were put in, or a refusal.
# Found on 2026-11-30 with Python 3.11.7 on x86-64. Its documents say that a NaN is written as null and null is read as
# NaN (SeldonIO/MLServer#1346), and nothing of infinities. It knows of the columns: SeldonIO/MLServer#2197; and it
# takes an array of bytes for one value: SeldonIO/MLServer#288.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q mlserver==1.7.1 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'END'
import importlib.metadata
import sys

import numpy as np
from mlserver.codecs import NumpyCodec
from mlserver.rest.responses import Response
from mlserver.types import InferenceResponse

versions = f"mlserver {importlib.metadata.version('mlserver')}, numpy {np.__version__}"
print(f"{versions}, Python {sys.version.split()[0]}")
ARRAYS = {
    "matrix": np.array([[0.1, -0.0], [1e-45, 3]], np.float32),
    "infinities": np.array([[np.inf, -np.inf, 1, np.nan]]),
    "row": np.array([1, 2, 2**53 + 1]),
    "scalar": np.array(1.5),
    "two strings": np.array([b"a", b"bc"]),
}


def as_sent(array: np.ndarray) -> str:
    """The shape and the elements in the body of the answer, by HTTP."""
    output = NumpyCodec.encode_output("y", array)
    answer = InferenceResponse(model_name="model", outputs=[output])
    (read,) = InferenceResponse.model_validate_json(Response(content=answer.model_dump()).body).outputs
    if read.datatype == "BYTES":
        return f"{read.shape} {read.data.root}"
    decoded = NumpyCodec.decode_output(read)
    return f"{list(decoded.shape)} {decoded.tolist()}"


seen = {name: as_sent(array) for name, array in ARRAYS.items()}
for name, array in ARRAYS.items():
    print(f"  {name}, {list(array.shape)} {array.tolist()}: {seen[name]}")

recorded = {
    "matrix": "[2, 2] [[0.10000000149011612, -0.0], [1.401298464324817e-45, 3.0]]",
    "infinities": "[1, 4] [[nan, nan, 1.0, nan]]",
    "row": "[3, 1] [[1], [2], [9007199254740993]]",
    "scalar": "[1] [1.5]",
    "two strings": "[2, 1] ['a\\x00bc']",
}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: other elements and shapes, without a word.")
END
