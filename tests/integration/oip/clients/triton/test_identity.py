"""What the built-in `identity` takes beyond the datatypes and shapes of test_dtypes.py."""

from __future__ import annotations

import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc import StatusCode
from tritonclient.grpc import service_pb2 as pb

from calls import TIMEOUT_S, Stub, input_of, packed, refused, tensor_of
from oip.layout import EXTENSION_ITEM_SIZES

pytestmark = pytest.mark.usefixtures("ours")


def test_inputs_of_any_name(client: triton.InferenceServerClient) -> None:
    arrays = {"b": np.float16([1, 2]), "a b": np.int64([[3]]), "ü": np.array([b"x", b""], np.object_)}
    result = client.infer("identity", [input_of(name, array) for name, array in arrays.items()])
    assert [output.name for output in result.get_response().outputs] == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(result.as_numpy(name), array)


def test_requested_outputs(client: triton.InferenceServerClient) -> None:
    inputs = [input_of(name, np.float32([i])) for i, name in enumerate("abc")]
    result = client.infer("identity", inputs, outputs=[triton.InferRequestedOutput("b")])
    assert [output.name for output in result.get_response().outputs] == ["b"]
    assert result.as_numpy("b").tolist() == [1]


def test_typed_strings(stub: Stub) -> None:
    tensor = tensor_of("X", "BYTES", [2], contents=pb.InferTensorContents(bytes_contents=[b"a\0", b""]))
    response = stub.ModelInfer(pb.ModelInferRequest(model_name="identity", inputs=[tensor]), timeout=TIMEOUT_S)
    assert list(response.raw_output_contents) == [packed(b"a\0", b"")]


@pytest.mark.parametrize("datatype", EXTENSION_ITEM_SIZES)
def test_extensions_have_no_typed_form(datatype: str, stub: Stub) -> None:
    tensor = tensor_of("X", datatype, [1], contents=pb.InferTensorContents(fp32_contents=[1]))
    with refused(StatusCode.INVALID_ARGUMENT, "X", datatype):
        stub.ModelInfer(pb.ModelInferRequest(model_name="identity", inputs=[tensor]), timeout=TIMEOUT_S)


def test_it_is_described_but_not_listed(client: triton.InferenceServerClient) -> None:
    assert client.is_model_ready("identity")
    assert client.get_model_metadata("identity").name == "identity"
    assert client.get_model_config("identity").config.name == "identity"
    assert "identity" not in {model.name for model in client.get_model_repository_index().models}
