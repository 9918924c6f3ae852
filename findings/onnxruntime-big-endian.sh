#!/usr/bin/env bash
# ONNX Runtime, tenso, ormsgpack, pyarrow's Tensor and tritonclient's shared memory take a big-endian float32 array, and
# read its bytes in little-endian order: 1, 2, 3 become 4.6e-41, 9e-44, 2.3e-41.
# Their neighbours refuse such arrays: onnx.numpy_helper, pyarrow.array and orjson.
#
# Expected, before it was run: 1, 2, 3 or a refusal.
# Found on 2026-11-30 with Python 3.11.7 on x86-64.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 tenso==0.24.0 orjson==3.13.0 \
  ormsgpack==1.13.1 pyarrow==26.0.1 tritonclient==2.73.0

"$folder/venv/bin/python" - <<'END'
import importlib.metadata
import os
import sys
from collections.abc import Callable

import numpy as np
import onnxruntime
import orjson
import ormsgpack
import pyarrow
import tenso
import tritonclient.utils.shared_memory as shared_memory
from onnx import TensorProto, helper, numpy_helper

NAMES = ("numpy", "onnx", "onnxruntime", "tenso", "orjson", "ormsgpack", "pyarrow", "tritonclient")
versions = [f"{name} {importlib.metadata.version(name)}" for name in NAMES]
print(", ".join([*versions, f"Python {sys.version.split()[0]}"]))
array = np.array([1, 2, 3], ">f4")


def run_identity() -> np.ndarray:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "graph", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": array})[0]


def through_shared_memory() -> list[float]:
    region = shared_memory.create_shared_memory_region("x", f"/finding_{os.getpid()}", array.nbytes)
    try:
        shared_memory.set_shared_memory_region(region, [array])
        return shared_memory.get_contents_as_numpy(region, np.float32, [3]).tolist()
    finally:
        shared_memory.destroy_shared_memory_region(region)


READS: dict[str, Callable[[], object]] = {
    "onnxruntime, InferenceSession.run": run_identity,
    "onnxruntime, OrtValue": lambda: onnxruntime.OrtValue.ortvalue_from_numpy(array).numpy(),
    "onnx, numpy_helper": lambda: numpy_helper.to_array(numpy_helper.from_array(array)),
    "tenso": lambda: tenso.loads(tenso.dumps(array)),
    "ormsgpack": lambda: ormsgpack.unpackb(ormsgpack.packb(array, option=ormsgpack.OPT_SERIALIZE_NUMPY)),
    "orjson": lambda: orjson.loads(orjson.dumps(array, option=orjson.OPT_SERIALIZE_NUMPY)),
    "pyarrow, Tensor": lambda: pyarrow.Tensor.from_numpy(array).to_numpy(),
    "pyarrow, array": lambda: pyarrow.array(array).to_numpy(),
    "tritonclient, shared memory": through_shared_memory,
}


def told(read: Callable[[], object]) -> str:
    try:
        return " ".join(f"{number:.1e}" for number in read())
    except (TypeError, ValueError, NotImplementedError):
        return "refused"


seen = {name: told(read) for name, read in READS.items()}
for name, text in seen.items():
    print(f"  {name}: {text}")

other = "4.6e-41 9.0e-44 2.3e-41"
refusing = ("onnx, numpy_helper", "orjson", "pyarrow, array")
recorded = {name: "refused" if name in refusing else other for name in READS}
if seen != recorded:
    sys.exit(f"This is not what was recorded: {recorded}")
print("As recorded: 1, 2, 3 are other numbers, without a word.")
END
