"""The classification extension: the largest elements as texts `value:index` or `value:index:label`."""

from __future__ import annotations

import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc import StatusCode
from tritonclient.grpc import service_pb2 as pb
from tritonclient.utils import triton_to_np_dtype

from calls import TIMEOUT_S, Stub, inputs_of, refused, request_of
from oip.layout import ITEM_SIZES

Client = triton.InferenceServerClient

SCORES = np.float32([[0.1, 0.7, -2, 0.2]])
RANKED = ["0.700000:1:dog", "0.200000:3:fish", "0.100000:0:cat", "-2.000000:2:bird"]


def classes(client: Client, model: str, array: np.ndarray, count: int, output: str = "OUTPUT0") -> list[object]:
    """The texts, in the shape in which they came."""
    outputs = [triton.InferRequestedOutput(output, class_count=count)]
    result = client.infer(model, inputs_of(array), outputs=outputs)
    assert result.get_output(output).datatype == "BYTES"
    return np.vectorize(bytes.decode, otypes=[object])(result.as_numpy(output)).tolist()


@pytest.mark.parametrize("count", [1, 2, 4, 5, 1_000_000])
def test_the_largest_come_first(count: int, client: Client) -> None:
    assert classes(client, "classifier", SCORES, count) == [RANKED[:count]]


def test_each_row_is_ranked(client: Client) -> None:
    rows = np.concatenate([SCORES, -SCORES, np.zeros_like(SCORES)])
    ranked = [RANKED[:2], ["2.000000:2:bird", "-0.100000:0:cat"], ["0.000000:0:cat", "0.000000:1:dog"]]
    assert classes(client, "classifier", rows, 2) == ranked


def test_without_labels(client: Client) -> None:
    assert classes(client, "classifier", np.float32([[1, 7, -2, 3]]), 2, "OUTPUT1") == [["7:1", "3:3"]]


@pytest.mark.parametrize("value", [1e10, 1e-10, 1 / 3, 16777217, 1e30, 123456.789])
def test_how_numbers_are_written(value: float, client: Client) -> None:
    array = np.float32([value])
    assert classes(client, "identity_fp32", array, 1) == [f"{array[0]:f}:0"]


@pytest.mark.parametrize("datatype", sorted(ITEM_SIZES.keys() - {"BOOL", "FP16", "BF16"}))
def test_dtypes(datatype: str, client: Client) -> None:
    array = np.array([0, 1, 100, 3]).astype(triton_to_np_dtype(datatype))
    ranked = ["100.000000:2", "3.000000:3"] if datatype.startswith("FP") else ["100:2", "3:3"]
    assert classes(client, f"identity_{datatype.lower()}", array, 2) == ranked


@pytest.mark.parametrize("datatype", ["INT64", "UINT64"])
def test_integers_are_exact(datatype: str, client: Client) -> None:
    top = np.iinfo(triton_to_np_dtype(datatype)).max
    array = np.array([top - 2, top, top - 1], triton_to_np_dtype(datatype))
    assert classes(client, f"identity_{datatype.lower()}", array, 3) == [f"{top}:1", f"{top - 1}:2", f"{top - 2}:0"]


def test_all_elements_are_ranked_where_there_is_no_batch(client: Client) -> None:
    assert classes(client, "grid", np.float32([[0, 3, 1], [2, 5, 4]]), 2) == ["5.000000:4", "4.000000:5"]


def test_nothing_to_rank(client: Client) -> None:
    assert classes(client, "identity_fp32", np.float32([]), 2) == []


@pytest.mark.parametrize("values", [[np.nan, 1, 2, 3], [1, np.nan, 2, -np.inf], [np.nan] * 4])
def test_not_a_number_is_ranked_somewhere(values: list[float], client: Client) -> None:
    (texts,) = classes(client, "classifier", np.float32([values]), 4)
    assert sorted(text.split(":")[1] for text in texts) == ["0", "1", "2", "3"]


def test_a_ranked_output_beside_one_that_is_not(client: Client) -> None:
    outputs = [triton.InferRequestedOutput("OUTPUT0", class_count=1), triton.InferRequestedOutput("OUTPUT1")]
    result = client.infer("classifier", inputs_of(np.float32([[1, 7, -2, 3]])), outputs=outputs)
    assert result.as_numpy("OUTPUT0").tolist() == [[b"7.000000:1:dog"]]
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), np.int32([[1, 7, -2, 3]]))


@pytest.mark.parametrize("datatype", ["BOOL", "FP16", "BF16"])
def test_dtypes_that_are_not_ranked(datatype: str, stub: Stub) -> None:
    wanted = pb.ModelInferRequest.InferRequestedOutputTensor(name="OUTPUT0")
    wanted.parameters["classification"].int64_param = 1
    data = bytes(4 * ITEM_SIZES[datatype])
    request = request_of(f"identity_{datatype.lower()}", (datatype, [4], data), outputs=[wanted])
    with refused(StatusCode.INVALID_ARGUMENT, datatype):
        stub.ModelInfer(request, timeout=TIMEOUT_S)


BAD = {
    "zero": {"int64_param": 0},
    "negative": {"int64_param": -1},
    "text": {"string_param": "2"},
    "bool": {"bool_param": True},
    "double": {"double_param": 2.0},
}


@pytest.mark.parametrize("case", BAD)
def test_counts_that_are_none(case: str, stub: Stub) -> None:
    wanted = pb.ModelInferRequest.InferRequestedOutputTensor(name="OUTPUT0")
    wanted.parameters["classification"].CopyFrom(pb.InferParameter(**BAD[case]))
    request = request_of("classifier", ("FP32", [1, 4], SCORES.tobytes()), outputs=[wanted])
    with refused(StatusCode.INVALID_ARGUMENT, "'classification'"):
        stub.ModelInfer(request, timeout=TIMEOUT_S)
