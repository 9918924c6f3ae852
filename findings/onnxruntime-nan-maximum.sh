#!/usr/bin/env bash
# Whether the largest of some numbers and a NaN is NaN depends, in ONNX Runtime, on the operator and on the place: Max
# and TopK say NaN wherever it stands, ReduceMax only where it stands first, MaxPool in few places or in none. The NaN
# that tells of a broken model is gone behind a pooling layer.
#
# Expected, before it was run: NaN everywhere, as NumPy's max, and max and max_pool1d of torch have it.
# Found on 2026-11-30 with Python 3.11.7 on x86-64.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0

"$folder/venv/bin/python" - <<'END'
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

print(f"numpy {np.__version__}, onnxruntime {onnxruntime.__version__}, Python {sys.version.split()[0]}")
LENGTHS = (3, 8)
TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}


def largest(operator: str, dtype: str, row: np.ndarray) -> float:
    """The largest element of the row, as the operator has it."""
    inputs, attributes = {"x": row}, {}
    if operator == "MaxPool":
        inputs, attributes = {"x": row.reshape(1, 1, -1)}, {"kernel_shape": [len(row)]}
    elif operator == "TopK":
        inputs["k"] = np.array([1])
    elif operator == "Max":
        inputs = {f"x{i}": row[i : i + 1] for i in range(len(row))}
    outputs = ["y", "index"] if operator == "TopK" else ["y"]
    kinds = {name: TensorProto.INT64 if name == "k" else TYPES[dtype] for name in inputs}
    graph = helper.make_graph(
        [helper.make_node(operator, list(inputs), outputs, **attributes)],
        "graph",
        [helper.make_tensor_value_info(name, kinds[name], array.shape) for name, array in inputs.items()],
        [helper.make_tensor_value_info("y", TYPES[dtype], None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(["y"], inputs)[0].item()


def kept(operator: str, dtype: str, length: int) -> int:
    """Of all places where a NaN may stand among ones, those of which the largest is NaN."""
    rows = [np.where(np.arange(length) == place, np.nan, 1).astype(dtype) for place in range(length)]
    assert all(np.isnan(row.max()) for row in rows)
    return sum(np.isnan(largest(operator, dtype, row)) for row in rows)


print("One NaN among ones: in how many of the places where it may stand the largest element is NaN")
seen = {}
for operator in ("Max", "TopK", "ReduceMax", "MaxPool"):
    for dtype in TYPES:
        seen[f"{operator} {dtype}"] = tuple(int(kept(operator, dtype, length)) for length in LENGTHS)
        counts = (f"{n} of {length}" for n, length in zip(seen[f"{operator} {dtype}"], LENGTHS, strict=True))
        print(f"  {operator} of {dtype}: {', '.join(counts)}")

# How few of them MaxPool keeps depends on the processor's vectors.
holds = {name: ("all" if counts == LENGTHS else "not all") for name, counts in seen.items()}
recorded = {
    f"{operator} {dtype}": "all" if operator in ("Max", "TopK") else "not all"
    for operator in ("Max", "TopK", "ReduceMax", "MaxPool")
    for dtype in TYPES
}
if holds != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: ReduceMax and MaxPool forget NaNs that stand in other places.")
END
