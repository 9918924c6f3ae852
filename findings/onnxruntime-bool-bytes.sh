#!/usr/bin/env bash
# A bool array over the bytes of a mask, such as mask.view(bool) with 255 for true, has other bytes than 0 and 1. NumPy
# and torch take each byte but 0 for true. In ONNX Runtime two such trues are not equal, `Not` of true is true, and true
# `Xor` true is true; a cast to int32 gives 255. awkward counts 255 trues in a row that has one. ormsgpack writes false.
#
# Expected, before it was run: all take what is not 0 for true, or refuse it.
# Found on 2026-11-30 with Python 3.11.7 on x86-64.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 awkward==2.14.0 ormsgpack==1.13.1

"$folder/venv/bin/python" - <<'END'
import json
import sys

import awkward as ak
import numpy as np
import onnxruntime
import ormsgpack
from onnx import TensorProto, helper

print(f"numpy {np.__version__}, onnxruntime {onnxruntime.__version__}, awkward {ak.__version__}, "
      f"ormsgpack {ormsgpack.__version__}, Python {sys.version.split()[0]}")
mask = np.array([255, 0, 2, 1], np.uint8).view(bool)
plain = np.array([1, 0, 1, 1], bool)
assert np.array_equal(mask, plain)


def run(operator: str, *inputs: np.ndarray, gives: int = TensorProto.BOOL, **attributes: int) -> list[int]:
    names = ["a", "b"][: len(inputs)]
    graph = helper.make_graph(
        [helper.make_node(operator, names, ["y"], **attributes)],
        "graph",
        [helper.make_tensor_value_info(name, TensorProto.BOOL, [4]) for name in names],
        [helper.make_tensor_value_info("y", gives, [4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, dict(zip(names, inputs, strict=True)))
    return y.astype(int).tolist()


def outcomes(array: np.ndarray) -> dict[str, list[int]]:
    return {
        "onnxruntime Equal(array, the same as 0 and 1)": run("Equal", array, plain),
        "onnxruntime Not(array)": run("Not", array),
        "onnxruntime Xor(array, the same as 0 and 1)": run("Xor", array, plain),
        "onnxruntime Cast(array) to int32": run("Cast", array, gives=TensorProto.INT32, to=TensorProto.INT32),
        "awkward sum of rows of two": ak.sum(ak.unflatten(ak.from_numpy(array), [2, 2]), axis=1).to_list(),
        "ormsgpack": [int(x) for x in ormsgpack.unpackb(ormsgpack.packb(array, option=ormsgpack.OPT_SERIALIZE_NUMPY))],
    }


seen = {"bytes 1, 0, 1, 1": outcomes(plain), "bytes 255, 0, 2, 1": outcomes(mask)}
for name, texts in seen.items():
    print(f"{name}:")
    for what, values in texts.items():
        print(f"  {what}: {values}")

recorded = {
    "bytes 1, 0, 1, 1": [[1, 1, 1, 1], [0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 1], [1, 2], [1, 0, 1, 1]],
    "bytes 255, 0, 2, 1": [[0, 1, 0, 1], [1, 1, 1, 0], [1, 0, 1, 0], [255, 0, 2, 1], [255, 3], [0, 0, 0, 1]],
}
if {name: list(values.values()) for name, values in seen.items()} != recorded:
    sys.exit(f"This is not what was recorded: {json.dumps(recorded)}")
print("As recorded: arrays that NumPy calls equal give other answers.")
END
