"""A server that was started with no more than its repository: what must be allowed expressly is refused."""

from __future__ import annotations

import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc import StatusCode

from calls import A, B, check_simple, inputs_of, refused
from regions import input_in, output_in, unregistered

Client = triton.InferenceServerClient

CANNOT_CHANGE = StatusCode.UNAVAILABLE, StatusCode.FAILED_PRECONDITION, StatusCode.PERMISSION_DENIED
DISABLED = StatusCode.FAILED_PRECONDITION, StatusCode.UNIMPLEMENTED, StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("name", ["scratch", "no-such"])
def test_models_are_neither_loaded_nor_unloaded(name: str, client: Client) -> None:
    with refused(CANNOT_CHANGE, "explicit"):
        client.load_model(name)
    with refused(CANNOT_CHANGE, "explicit"):
        client.unload_model(name)
    assert client.is_model_ready("scratch")


def test_the_index_is_there_all_the_same(client: Client) -> None:
    assert "simple" in {model.name for model in client.get_model_repository_index().models}


@pytest.mark.usefixtures("ours")  # So does Triton since server#8739.
def test_shared_memory_is_off(client: Client) -> None:
    with unregistered("any", A.nbytes) as region, refused(DISABLED, "shared memory"):
        region.register(client)
    with refused((*DISABLED, StatusCode.NOT_FOUND, StatusCode.INVALID_ARGUMENT)):
        client.infer("simple", [input_in("any", "INPUT0", A), *inputs_of(A, B)[1:]])
    with refused((*DISABLED, StatusCode.NOT_FOUND, StatusCode.INVALID_ARGUMENT)):
        client.infer("simple", inputs_of(A, B), outputs=[output_in("any", "OUTPUT0", A.nbytes)])
    assert "system_shared_memory" not in client.get_server_metadata().extensions


@pytest.mark.usefixtures("ours")
def test_shared_memory_that_is_off_stops_no_client(client: Client) -> None:
    """perf_analyzer calls these in any case."""
    client.unregister_system_shared_memory()
    client.unregister_cuda_shared_memory()
    assert not client.get_system_shared_memory_status().regions


@pytest.mark.usefixtures("ours")
@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests_are_refused(algorithm: str, client: Client) -> None:
    with refused(StatusCode.UNIMPLEMENTED):
        client.infer("simple", inputs_of(A, B), compression_algorithm=algorithm)


def test_the_rest_works(client: Client) -> None:
    check_simple(client.infer("simple", inputs_of(A, B)))
    assert client.infer("plus", inputs_of(np.float32([1]))).as_numpy("OUTPUT0").tolist() == [4]
