"""Every method of tritonclient.http."""

from __future__ import annotations

import os

import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.utils.shared_memory as shm
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

Client = triton.InferenceServerClient

A = np.arange(16, dtype=np.int32).reshape(1, 16)
B = np.full((1, 16), 3, dtype=np.int32)


def inputs_of(*arrays: np.ndarray, binary: bool = True) -> list[triton.InferInput]:
    given = []
    for i, array in enumerate(arrays):
        given.append(triton.InferInput(f"INPUT{i}", list(array.shape), np_to_triton_dtype(array.dtype)))
        given[-1].set_data_from_numpy(array, binary_data=binary)
    return given


def outputs_of(*, binary: bool) -> list[triton.InferRequestedOutput]:
    return [triton.InferRequestedOutput(f"OUTPUT{i}", binary_data=binary) for i in range(2)]


def check_simple(result: triton.InferResult) -> None:
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), A + B, strict=True)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), A - B, strict=True)


def test_health(client: Client) -> None:
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("simple") and client.is_model_ready("simple", "1")
    assert not client.is_model_ready("no-such-model")


def test_metadata(client: Client) -> None:
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("simple", "1")
    assert metadata["name"] == "simple" and metadata["versions"] == ["1"]
    assert {"name": "INPUT0", "datatype": "INT32", "shape": [-1, 16]} in metadata["inputs"]
    assert client.get_model_config("simple")["name"] == "simple"


@pytest.mark.parametrize("answered", [None, "gzip", "deflate"])
@pytest.mark.parametrize("sent", ["gzip", "deflate"])
def test_packed(client: Client, sent: str, answered: str | None) -> None:
    """Elements as bytes and as JSON, and enough of them that the answer is packed."""
    rows = np.arange(8 * 64, dtype=np.int32).reshape(8, 64)
    for binary in (True, False):
        algorithms = {"request_compression_algorithm": sent, "response_compression_algorithm": answered}
        given = triton.InferInput("x", list(rows.shape), "INT32")
        given.set_data_from_numpy(rows, binary_data=binary)
        outputs = [triton.InferRequestedOutput("x", binary_data=binary)]
        result = client.infer("identity", [given], outputs=outputs, **algorithms)
        np.testing.assert_array_equal(result.as_numpy("x"), rows, strict=True)


@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("binary_in", [True, False])
def test_infer(client: Client, binary_in: bool, binary_out: bool) -> None:
    asked = {"outputs": outputs_of(binary=binary_out), "request_id": "a", "model_version": "1"}
    result = client.infer("simple", inputs_of(A, B, binary=binary_in), **asked)
    check_simple(result)
    assert result.get_response()["id"] == "a"


def test_infer_without_a_list_of_outputs(client: Client) -> None:
    check_simple(client.infer("simple", inputs_of(A, B)))


def test_async_infer(client: Client) -> None:
    under_way = [client.async_infer("simple", inputs_of(A, B)) for _ in range(16)]
    for each in under_way:
        check_simple(each.get_result())


def test_classification(client: Client) -> None:
    asked = [triton.InferRequestedOutput("OUTPUT0", binary_data=binary, class_count=2) for binary in (True, False)]
    found = [client.infer("simple", inputs_of(A, B), outputs=[each]).as_numpy("OUTPUT0") for each in asked]
    assert found[0].reshape(-1)[0] == b"18:15"
    assert found[1].reshape(-1)[0] in (b"18:15", "18:15")


def test_statistics(client: Client) -> None:
    client.infer("simple", inputs_of(A, B))
    [found] = client.get_inference_statistics("simple", "1")["model_stats"]
    assert found["inference_stats"]["success"]["count"] > 0
    assert len(client.get_inference_statistics()["model_stats"]) > 1


def test_repository(client: Client) -> None:
    assert {"name": "simple", "version": "1", "state": "READY", "reason": ""} in client.get_model_repository_index()
    client.unload_model("scratch")
    client.load_model("scratch")
    assert client.is_model_ready("scratch")


def test_settings(client: Client) -> None:
    before = client.get_trace_settings()
    assert client.update_trace_settings(settings={"trace_rate": "7"})["trace_rate"] == "7"
    assert client.update_trace_settings(settings={"trace_rate": None}) == before
    assert client.get_trace_settings("simple")["trace_level"] == before["trace_level"]
    assert client.update_log_settings({"log_verbose_level": 1})["log_verbose_level"] == 1
    client.update_log_settings({"log_verbose_level": 0})
    assert client.get_log_settings()["log_verbose_level"] == 0


def test_shared_memory(client: Client) -> None:
    key, size = f"/tensorferry-http-{os.getpid()}", 4 * A.nbytes
    region = shm.create_shared_memory_region("region", key, size)
    try:
        shm.set_shared_memory_region(region, [A, B])
        client.register_system_shared_memory("region", key, size)
        assert client.get_system_shared_memory_status("region")[0]["byte_size"] == size
        inputs = [triton.InferInput(f"INPUT{i}", [1, 16], "INT32") for i in range(2)]
        outputs = outputs_of(binary=True)
        for i in range(2):
            inputs[i].set_shared_memory("region", A.nbytes, offset=i * A.nbytes)
            outputs[i].set_shared_memory("region", A.nbytes, offset=(2 + i) * A.nbytes)
        result = client.infer("simple", inputs, outputs=outputs)
        assert result.get_output("OUTPUT0") == {"name": "OUTPUT0", "datatype": "INT32", "shape": [1, 16]}
        written = shm.get_contents_as_numpy(region, np.int32, [4, 1, 16])
        np.testing.assert_array_equal(written[2:], [A + B, A - B])
        client.unregister_system_shared_memory("region")
        assert client.get_system_shared_memory_status() == []
    finally:
        client.unregister_system_shared_memory()
        shm.destroy_shared_memory_region(region)


def test_cuda_shared_memory(client: Client) -> None:
    assert client.get_cuda_shared_memory_status() == []
    with pytest.raises(InferenceServerException):
        client.register_cuda_shared_memory("region", b"handle", 0, 4)
    client.unregister_cuda_shared_memory()


def test_errors_are_read(client: Client) -> None:
    with pytest.raises(InferenceServerException, match="unknown model") as caught:
        client.infer("no-such-model", inputs_of(A, B))
    assert caught.value.status() == "404"
