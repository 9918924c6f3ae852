"""CUDA shared memory where there is no CUDA: what clients call in passing succeeds, the rest is refused clearly."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc import StatusCode

from calls import inputs_of, refused
from regions import input_in

Client = triton.InferenceServerClient

REFUSED = StatusCode.INVALID_ARGUMENT, StatusCode.UNIMPLEMENTED, StatusCode.FAILED_PRECONDITION


def test_there_are_none(client: Client) -> None:
    assert not client.get_cuda_shared_memory_status().regions
    assert not client.get_cuda_shared_memory_status(as_json=True).get("regions")
    with refused((StatusCode.NOT_FOUND, *REFUSED), "any"):
        client.get_cuda_shared_memory_status("any")


def test_unregistering_is_in_vain(client: Client) -> None:
    """perf_analyzer does so before it begins."""
    client.unregister_cuda_shared_memory()
    client.unregister_cuda_shared_memory("any")


@pytest.mark.parametrize("handle", [bytes(64), b"", b"short", bytes(1000)], ids=len)
def test_registering_is_refused(handle: bytes, client: Client, target: object) -> None:
    with refused(REFUSED, *([] if target.is_triton else ["CUDA"])):
        client.register_cuda_shared_memory("any", base64.b64encode(handle), 0, 64)
    assert not client.get_cuda_shared_memory_status().regions
    with refused((StatusCode.NOT_FOUND, StatusCode.INVALID_ARGUMENT), "any"):
        client.infer("scratch", [input_in("any", "INPUT0", np.float32([1]))])
    client.infer("scratch", inputs_of(np.float32([1])))
