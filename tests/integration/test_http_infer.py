"""The Open Inference Protocol over HTTP: elements as bytes and as JSON, against NumPy and ml_dtypes."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from harness import TIMEOUT_S, Server

LENGTH = "Inference-Header-Content-Length"
DTYPES = {
    "BOOL": np.bool_, "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64, "UINT8": np.uint8,
    "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64, "FP16": np.float16, "FP32": np.float32,
    "FP64": np.float64, "COMPLEX64": np.complex64, "COMPLEX128": np.complex128, "BF16": ml_dtypes.bfloat16,
    "FLOAT8_E4M3FN": ml_dtypes.float8_e4m3fn, "FLOAT8_E5M2": ml_dtypes.float8_e5m2,
    "FLOAT8_E4M3FNUZ": ml_dtypes.float8_e4m3fnuz, "FLOAT8_E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
    "FLOAT8_E8M0FNU": ml_dtypes.float8_e8m0fnu, "COMPLEX32": ml_dtypes.complex32,
}  # fmt: skip
TENSOR = '{"name":"x","datatype":"%s","shape":[1],"data":%s}'


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with Server("--http-listen", "127.0.0.1:0", "--max-message-bytes", "4MiB") as server:
        assert server.http is not None
        yield server.http
        assert server.alive(), server.log()
        assert server.stop() == 0


def post(address: str, body: bytes, **fields: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    connection.request("POST", "/v2/models/identity/infer", body, headers)
    response = connection.getresponse()
    answer = response.status, dict(response.headers), response.read()
    connection.close()
    return answer


def infer(address: str, request: dict[str, Any], binary: bytes = b"") -> tuple[dict[str, Any], bytes]:
    """The JSON of the answer, and the bytes behind it."""
    head = json.dumps(request).encode()
    status, fields, body = post(address, head + binary, **({LENGTH: str(len(head))} if binary else {}))
    assert status == 200, body
    length = int(fields.get(LENGTH, len(body)))
    return json.loads(body[:length]), body[length:]


def refusal(address: str, body: bytes, **fields: str) -> dict[str, Any]:
    status, _, answer = post(address, body, **fields)
    told: dict[str, Any] = json.loads(answer)
    assert told["status"] == status and status >= 400
    assert isinstance(told["error"], str)
    return told


def values_of(datatype: str) -> np.ndarray:
    """Six elements, with the least and the greatest where those are numbers."""
    dtype = np.dtype(DTYPES[datatype])
    if dtype.kind in "iu":
        return np.array([[np.iinfo(dtype).min, np.iinfo(dtype).max, 1], [0, 2, 3]], dtype)
    if dtype.kind == "b":
        return np.array([[True, False, True], [False, False, True]])
    if datatype in ("FP16", "FP32", "FP64"):
        return np.array(
            [[np.nan, np.inf, -np.inf], [-0.0, np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal]], dtype
        )
    return np.array([[1, 0, 2], [4, 0.5, 0.25]]).astype(dtype)


def binary_request(datatype: str, array: np.ndarray, **more: Any) -> dict[str, Any]:
    tensor = {"name": "x", "datatype": datatype, "shape": array.shape}
    return {"inputs": [{**tensor, "parameters": {"binary_data_size": array.nbytes}}], **more}


@pytest.mark.parametrize("datatype", DTYPES)
def test_binary_elements(address: str, datatype: str) -> None:
    array = values_of(datatype)
    request = binary_request(datatype, array, id="a", parameters={"binary_data_output": True})
    answer, elements = infer(address, request, array.tobytes())
    [output] = answer["outputs"]
    assert (output["datatype"], output["shape"], answer["id"]) == (datatype, [2, 3], "a")
    assert output["parameters"]["binary_data_size"] == array.nbytes
    assert elements == array.tobytes()


def json_dtype(array: np.ndarray) -> np.dtype:
    """The dtype in which JSON has the elements."""
    return array.dtype if array.dtype.kind in "biu" else np.dtype(np.float64)


def json_of(array: np.ndarray) -> list[Any]:
    words = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    values = array.astype(json_dtype(array))
    return [words.get(str(value), value) for value in values.ravel().tolist()]


def of_json(values: list[Any], array: np.ndarray) -> np.ndarray:
    numbers = np.array([float(value) if isinstance(value, str) else value for value in values], json_dtype(array))
    return numbers.astype(array.dtype).reshape(array.shape)


@pytest.mark.parametrize("datatype", [name for name in DTYPES if not name.startswith("COMPLEX")])
def test_json_elements(address: str, datatype: str) -> None:
    array = values_of(datatype)
    tensor = {"name": "x", "shape": array.shape, "datatype": datatype}
    answer, rest = infer(address, {"inputs": [{**tensor, "data": json_of(array)}]})
    assert rest == b""
    assert of_json(answer["outputs"][0]["data"], array).tobytes() == array.tobytes()
    # The datatype may stand behind the data, the data in lists of lists, and the answer may be binary.
    data = {"data": [json_of(row) for row in array]}
    request = {
        "inputs": [{**data, **tensor}],
        "outputs": [{"name": answer["outputs"][0]["name"], "parameters": {"binary_data": True}}],
    }
    assert infer(address, request)[1] == array.tobytes()


def test_a_float_is_rounded_once(address: str) -> None:
    """1 + 2^-24 lies between two floats; a bit more, which a double cannot hold, is nearer to the upper one."""
    digits = "1.000000059604644775390625000000000000000000000001"
    body = '{"inputs":[' + TENSOR % ("FP32", f"[{digits}]") + "]}"
    status, _, answer = post(address, body.encode())
    assert (status, json.loads(answer)["outputs"][0]["data"]) == (
        200,
        [float(np.nextafter(np.float32(1), 2, dtype=np.float32))],
    )


def test_texts(address: str) -> None:
    texts = ["", "ä", 'quote "', "\0"]
    answer, _ = infer(address, {"inputs": [{"name": "x", "datatype": "BYTES", "shape": [4], "data": texts}]})
    assert answer["outputs"][0]["data"] == texts


def test_elements_larger_than_a_slice(address: str) -> None:
    array = np.random.default_rng(0).standard_normal(1 << 17, np.float32)
    request = binary_request("FP32", array, parameters={"binary_data_output": True})
    assert infer(address, request, array.tobytes())[1] == array.tobytes()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "BAD_HEADER"),
        ("[]", "BAD_HEADER"),
        ("{}", "BAD_HEADER"),
        ('{"inputs":[{}]}', "CONFLICTING_FIELDS"),
        ('{"inputs":[' + TENSOR % ("INT8", "[1]") + '],"inputs":[]}', "BAD_HEADER"),
        ('{"inputs":[1]}', "BAD_HEADER"),
        ('{"inputs":[' + TENSOR % ("INT8", "[128]") + "]}", "BAD_HEADER"),
        ('{"inputs":[' + TENSOR % ("UINT64", "[-1]") + "]}", "BAD_HEADER"),
        ('{"inputs":[' + TENSOR % ("INT64", "[9223372036854775808]") + "]}", "BAD_HEADER"),
        ('{"inputs":[' + TENSOR % ("INT32", "[1.5]") + "]}", "BAD_HEADER"),
        ('{"inputs":[' + TENSOR % ("FP32", "[1e39]") + "]}", "BAD_HEADER"),
        ('{"inputs":[' + TENSOR % ("BOOL", "[1]") + "]}", "BAD_HEADER"),
        ('{"inputs":[' + TENSOR % ("FP16", "[65520]") + "]}", "BAD_HEADER"),
        ('{"inputs":[' + TENSOR % ("BF16", "[1e39]") + "]}", "BAD_HEADER"),
        ('{"inputs":[' + TENSOR % ("FLOAT8_E4M3FN", '["Infinity"]') + "]}", "BAD_HEADER"),
        ('{"inputs":[' + TENSOR % ("FLOAT8_E8M0FNU", "[0]") + "]}", "BAD_HEADER"),
        ('{"inputs":[' + TENSOR % ("COMPLEX64", "[1,2]") + "]}", "BAD_HEADER"),
        ('{"inputs":[' + TENSOR % ("FP64", '["nan"]') + "]}", "BAD_HEADER"),
        ('{"inputs":[' + TENSOR % ("FP64", "[null]") + "]}", "BAD_HEADER"),
        ('{"inputs":[' + TENSOR % ("FP64", "[{}]") + "]}", "BAD_HEADER"),
        ('{"inputs":[' + TENSOR % ("FP64", "1") + "]}", "BAD_HEADER"),
        ('{"inputs":[' + TENSOR % ("FP64", "[1,2]") + "]}", "SIZE_MISMATCH"),
        ('{"inputs":[' + TENSOR % ("FP99", "[1]") + "]}", "BAD_DTYPE"),
        ('{"parameters":' + "[" * 1000 + "]" * 1000 + ',"inputs":[]}', "BAD_HEADER"),
        ('{"parameters":[' + "0," * (1 << 16) + "0]}", "BAD_HEADER"),
        ('{"id":"' + "x" * (1 << 20) + '","inputs":[]}', "BAD_HEADER"),
        ('{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}]}',
         "SIZE_MISMATCH"),
    ],
)  # fmt: skip
def test_bodies_that_are_refused(address: str, body: str, reason: str) -> None:
    told = refusal(address, body.encode())
    assert (told["status"], told["reason"]) == (400, reason), told


def test_lengths_that_are_refused(address: str) -> None:
    array = np.ones(1, np.float32)
    head = json.dumps(binary_request("FP32", array)).encode()
    assert refusal(address, head + b"12345", **{LENGTH: str(len(head))})["reason"] == "TRAILING_BYTES"
    assert refusal(address, head, **{LENGTH: "9999"})["reason"] == "SIZE_MISMATCH"
    for wrong in ("-1", "1x", "", "99999999999999999999"):
        told = refusal(address, head, **{LENGTH: wrong})
        assert (told["status"], told["reason"]) == (400, "BAD_HEADER")
    told = refusal(address, bytes(5 << 20))
    assert (told["status"], told["reason"]) == (413, "TENSOR_TOO_LARGE")


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/v2/repository/index", b"[]", "BAD_HEADER"),
        ("/v2/repository/index", b'{"ready": 1', "BAD_HEADER"),
        ("/v2/repository/index", b'{"ready": "yes"}', "BAD_HEADER"),
        ("/v2/repository/index", b'{"ready": true' + b" " * (1 << 20) + b"}", "TENSOR_TOO_LARGE"),
        ("/v2/logging", b'{"log_verbose_level": []}', "BAD_HEADER"),
    ],
    ids=range(5),
)
def test_other_bodies_that_are_refused(address: str, path: str, body: bytes, reason: str) -> None:
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
    connection.request("POST", path, body)
    response = connection.getresponse()
    told = json.loads(response.read())
    connection.close()
    assert (response.status, told["status"], told["reason"]) == (400, 400, reason), told


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/v2/health/live", 200, {"live": True}),
        ("/v2/health/ready", 200, {"ready": True}),
        ("/v2/models/identity/ready", 200, {"name": "identity", "ready": True}),
        ("/v2/models/identity/versions/1/ready", 200, {"name": "identity", "ready": True}),
        ("/v2/models/no%20such/ready", 400, {"name": "no such", "ready": False}),
    ],
)
def test_health_is_told_by_status_and_body(path: str, status: int, told: dict[str, Any], address: str) -> None:
    for method in ("GET", "HEAD"):
        connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
        connection.request(method, path)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        assert response.status == status
        assert json.loads(body) == told if method == "GET" else body == b""
