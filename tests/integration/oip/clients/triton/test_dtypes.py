"""Every dtype, raw and typed, bit for bit; the dtypes that the protocol lacks; strings."""

from __future__ import annotations

import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.utils
from grpc import StatusCode
from tritonclient.grpc import service_pb2 as pb
from tritonclient.utils import triton_to_np_dtype

from calls import TIMEOUT_S, Stub, input_of, inputs_of, packed, refused, request_of, tensor_of
from oip.layout import EXTENSION_ITEM_SIZES, ITEM_SIZES

Client = triton.InferenceServerClient

# Typed elements travel in these fields; other dtypes have none.
TYPED_FIELDS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
    "INT64": "int64_contents", "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "UINT64": "uint64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents",
}  # fmt: skip

BUILT_IN_SHAPES = [(), (0,), (7,), (2, 0, 3), (2, 3, 4)]


def random_bytes(datatype: str, count: int) -> bytes:
    """Any bits, NaNs' payloads among them; of bools 0 and 1."""
    size = ({**ITEM_SIZES, **EXTENSION_ITEM_SIZES})[datatype] * count
    return np.random.default_rng(count).integers(0, 2 if datatype == "BOOL" else 256, size, np.uint8).tobytes()


def model_of(datatype: str) -> str:
    return f"identity_{datatype.lower()}"


@pytest.mark.parametrize("datatype", ITEM_SIZES)
@pytest.mark.parametrize("count", [0, 1, 1000])
def test_raw(datatype: str, count: int, stub: Stub) -> None:
    data = random_bytes(datatype, count)
    response = stub.ModelInfer(request_of(model_of(datatype), (datatype, [count], data)), timeout=TIMEOUT_S)
    (output,) = response.outputs
    assert (output.name, output.datatype, list(output.shape)) == ("OUTPUT0", datatype, [count])
    assert list(response.raw_output_contents) == [data]


@pytest.mark.usefixtures("ours")  # Triton hands it on as it is.
def test_a_bool_that_is_neither_0_nor_1(stub: Stub) -> None:
    response = stub.ModelInfer(request_of("identity_bool", ("BOOL", [3], b"\0\1\2")), timeout=TIMEOUT_S)
    assert list(response.raw_output_contents) == [b"\0\1\1"]


@pytest.mark.parametrize("datatype", ITEM_SIZES)
def test_numpy_arrays(datatype: str, client: Client) -> None:
    if datatype == "BF16":
        sent = bfloat16_array()
        given = triton.InferInput("INPUT0", list(sent.shape), "BF16")
        given.set_data_from_numpy(sent)
    else:
        sent = np.frombuffer(random_bytes(datatype, 100), triton_to_np_dtype(datatype))
        given = input_of("INPUT0", sent)
    received = client.infer(model_of(datatype), [given]).as_numpy("OUTPUT0")
    assert (received.size, received.tobytes()) == (sent.size, sent.tobytes())


def bfloat16_array() -> np.ndarray:
    """What this client takes for bfloat16, as a NumPy array: newer ones ml_dtypes', older ones the upper half of
    float32."""
    upper_halves = (np.arange(100, dtype=np.uint32) * 655) << 16
    floats = upper_halves.view(np.float32)
    return floats if hasattr(tritonclient.utils, "serialize_bf16_tensor") else floats.astype(triton_to_np_dtype("BF16"))


@pytest.mark.parametrize("datatype", TYPED_FIELDS)
@pytest.mark.parametrize("count", [0, 1, 100])
def test_typed(datatype: str, count: int, stub: Stub) -> None:
    sent = np.frombuffer(random_bytes(datatype, count), triton_to_np_dtype(datatype))
    sent = np.nan_to_num(sent) if datatype.startswith("FP") else sent
    contents = pb.InferTensorContents(**{TYPED_FIELDS[datatype]: sent.tolist()})
    tensor = tensor_of("INPUT0", datatype, [count], contents=contents)
    response = stub.ModelInfer(pb.ModelInferRequest(model_name=model_of(datatype), inputs=[tensor]), timeout=TIMEOUT_S)
    assert list(response.raw_output_contents) == [sent.tobytes()]
    assert not response.outputs[0].HasField("contents")


@pytest.mark.parametrize("datatype", [*ITEM_SIZES, *EXTENSION_ITEM_SIZES])
@pytest.mark.parametrize("shape", BUILT_IN_SHAPES, ids=str)
def test_the_model_that_is_built_in(datatype: str, shape: tuple[int, ...], stub: Stub, target: object) -> None:
    if target.is_triton:
        pytest.skip("Triton has none")
    data = random_bytes(datatype, int(np.prod(shape)))
    request = request_of("identity", (datatype, shape, data), ("FP32", [1], b"abcd"))
    response = stub.ModelInfer(request, timeout=TIMEOUT_S)
    described = [(output.name, output.datatype, tuple(output.shape)) for output in response.outputs]
    assert described == [("INPUT0", datatype, shape), ("INPUT1", "FP32", (1,))]
    assert list(response.raw_output_contents) == [data, b"abcd"]


STRINGS = [b"", b"a", "\N{SNOWMAN}".encode(), b"\0\xff\xfe", b"x" * 100_000]


@pytest.mark.parametrize("shape", [(0,), (5,), (1, 5), (5, 1, 1)])
def test_strings_through_the_model_that_is_built_in(shape: tuple[int, ...], client: Client, target: object) -> None:
    if target.is_triton:
        pytest.skip("Triton has none")
    sent = np.array(STRINGS[: int(np.prod(shape))], dtype=np.object_).reshape(shape)
    result = client.infer("identity", [input_of("text", sent)])
    np.testing.assert_array_equal(result.as_numpy("text"), sent)
    assert result.get_response().raw_output_contents[0] == packed(*sent.flat)


def texts(*numbers: int) -> np.ndarray:
    return np.array([str(number).encode() for number in numbers], dtype=np.object_)


def test_a_model_of_strings(client: Client) -> None:
    result = client.infer("simple_string", inputs_of(texts(1, 20, -300), texts(1, 2, 3)))
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), texts(2, 22, -297))
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), texts(0, 18, -303))
    assert [output.datatype for output in result.get_response().outputs] == ["BYTES", "BYTES"]


def test_a_model_of_strings_that_are_typed(stub: Stub) -> None:
    contents = pb.InferTensorContents(bytes_contents=[b"1", b"20"])
    tensors = [tensor_of(name, "BYTES", [2], contents=contents) for name in ("INPUT0", "INPUT1")]
    response = stub.ModelInfer(pb.ModelInferRequest(model_name="simple_string", inputs=tensors), timeout=TIMEOUT_S)
    assert list(response.raw_output_contents) == [packed(b"2", b"40"), packed(b"0", b"0")]


def test_no_strings_at_all(client: Client) -> None:
    result = client.infer("simple_string", inputs_of(texts(), texts()))
    assert result.as_numpy("OUTPUT0").shape == (0,)


def test_strings_that_the_model_fails_on(client: Client) -> None:
    with refused(StatusCode.INTERNAL):
        client.infer("simple_string", inputs_of(np.array([b"one"], np.object_), texts(1)))
