"""Requests to the models `simple` and `identity` as KServe's clients write them, over gRPC and HTTP."""

from __future__ import annotations

import numpy as np
from kserve import InferInput, InferRequest, InferResponse

A = np.arange(16, dtype=np.int32).reshape(1, 16)
B = np.full((1, 16), 3, dtype=np.int32)

NUMBERS = {
    "BOOL": np.bool_, "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
    "FP16": np.float16, "FP32": np.float32, "FP64": np.float64,
}  # fmt: skip


def input_of(name: str, datatype: str, array: np.ndarray, binary: bool) -> InferInput:
    given = InferInput(name, list(array.shape), datatype)
    given.set_data_from_numpy(array, binary_data=binary)
    return given


def simple_request(binary: bool = True, **more: object) -> InferRequest:
    inputs = [input_of(name, "INT32", array, binary) for name, array in (("INPUT0", A), ("INPUT1", B))]
    return InferRequest(model_name="simple", infer_inputs=inputs, **more)


def outputs_of(response: InferResponse) -> dict[str, np.ndarray]:
    return {output.name: output.as_numpy() for output in response.outputs}


def check_simple(outputs: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(outputs["OUTPUT0"], A + B, strict=True)
    np.testing.assert_array_equal(outputs["OUTPUT1"], A - B, strict=True)
