"""CUDA shared memory where the server has it: registered, listed, read from, written to, and refused.

Where there is no GPU, a stand-in for NVIDIA's driver shows what server and clients do with handles, bounds, lifetimes
and errors. With the real driver `scripts/gpu-check.sh` runs this file.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.http as triton_http
from grpc import StatusCode

from calls import A, B, check_simple, input_of, packed, refused
from gates import Gate
from gpu_memory import HANDLE_BYTES, Gpu, GpuMemory, gpu_memory
from regions import input_in, output_in, registered
from target import Target

Client = triton.InferenceServerClient

SIZE = A.nbytes
INVALID = StatusCode.INVALID_ARGUMENT


@pytest.fixture(scope="module")
def gpu() -> Gpu:
    return Gpu()


@pytest.fixture
def memory(gpu: Gpu) -> Iterator[GpuMemory]:
    with gpu_memory(gpu, 4 * SIZE) as made:
        yield made


@pytest.fixture
def region(memory: GpuMemory, client: Client) -> Iterator[GpuMemory]:
    """Memory that the server knows as `gpu`."""
    client.register_cuda_shared_memory("gpu", memory.handle, 0, memory.size)
    yield memory
    client.unregister_cuda_shared_memory("gpu")


@contextmanager
def registered_on_gpu(client: Client, gpu: Gpu, name: str, size: int) -> Iterator[GpuMemory]:
    with gpu_memory(gpu, size) as memory:
        client.register_cuda_shared_memory(name, memory.handle, 0, size)
        try:
            yield memory
        finally:
            client.unregister_cuda_shared_memory(name)


def listed(client: Client, name: str = "") -> dict[str, tuple[int, int]]:
    regions = client.get_cuda_shared_memory_status(name).regions
    assert all(name == region.name for name, region in regions.items())
    return {name: (region.device_id, region.byte_size) for name, region in regions.items()}


def test_metadata(client: Client) -> None:
    assert "cuda_shared_memory" in client.get_server_metadata().extensions


def test_status(client: Client, gpu: Gpu) -> None:
    assert listed(client) == {}
    with registered_on_gpu(client, gpu, "one", 64), registered_on_gpu(client, gpu, "two", 8192):
        assert listed(client) == {"one": (0, 64), "two": (0, 8192)}
        assert listed(client, "two") == {"two": (0, 8192)}
        as_json = client.get_cuda_shared_memory_status(as_json=True)
        assert as_json["regions"]["one"] == {"name": "one", "byte_size": "64"}
        client.unregister_cuda_shared_memory("one")
        assert listed(client).keys() == {"two"}
        with refused(StatusCode.NOT_FOUND, "one"):
            client.get_cuda_shared_memory_status("one")
    assert listed(client) == {}


def test_all_are_unregistered_at_once(client: Client, gpu: Gpu) -> None:
    with registered_on_gpu(client, gpu, "one", 64), registered_on_gpu(client, gpu, "two", 64):
        client.unregister_cuda_shared_memory()
        assert listed(client) == {}


def test_inputs(client: Client, region: GpuMemory) -> None:
    region.write(A)
    region.write(B, SIZE)
    check_simple(client.infer("simple", [input_in("gpu", "INPUT0", A), input_in("gpu", "INPUT1", B, SIZE)]))
    check_simple(client.infer("simple", [input_in("gpu", "INPUT0", A), input_of("INPUT1", B)]))
    region.write(B)  # Written anew after it was read: each request gets what is there.
    check_simple(client.infer("simple", [input_in("gpu", "INPUT0", B), input_of("INPUT1", B)]), B, B)


def test_outputs(client: Client, region: GpuMemory) -> None:
    region.write(np.full(4 * SIZE, 7, np.uint8))
    outputs = [output_in("gpu", "OUTPUT0", SIZE, SIZE), output_in("gpu", "OUTPUT1", SIZE, 2 * SIZE)]
    client.infer("simple", [input_of("INPUT0", A), input_of("INPUT1", B)], outputs=outputs)
    np.testing.assert_array_equal(region.read(np.int32, [2, 1, 16], SIZE), [A + B, A - B])
    for rest in (0, 3 * SIZE):
        assert set(region.read(np.uint8, [SIZE], rest).tolist()) == {7}, "the server wrote beside its place"


def test_from_one_place_into_another(client: Client, region: GpuMemory) -> None:
    region.write(A)
    outputs = [output_in("gpu", "x", SIZE, SIZE)]
    client.infer("identity", [input_in("gpu", "x", A)], outputs=outputs)
    np.testing.assert_array_equal(region.read(np.int32, A.shape, SIZE), A)


def test_bools_and_strings_are_copied(client: Client, region: GpuMemory) -> None:
    region.write(np.array([0, 1, 2, 255], np.uint8))
    given = input_in("gpu", "x", np.zeros(4, bool))
    assert client.infer("identity", [given]).as_numpy("x").tolist() == [False, True, True, True]
    strings = packed(b"one", b"")
    region.write(np.frombuffer(strings, np.uint8))
    given = triton.InferInput("x", [2], "BYTES")
    given.set_shared_memory("gpu", len(strings))
    assert client.infer("identity", [given]).as_numpy("x").tolist() == [b"one", b""]


def test_many_bytes(client: Client, gpu: Gpu) -> None:
    """They are copied on another thread than that which took the request."""
    array = np.arange(3 << 20, dtype=np.int64)
    with registered_on_gpu(client, gpu, "many", 2 * array.nbytes) as memory:
        memory.write(array)
        outputs = [output_in("many", "x", array.nbytes, array.nbytes)]
        client.infer("identity", [input_in("many", "x", array)], outputs=outputs)
        np.testing.assert_array_equal(memory.read(np.int64, array.shape, array.nbytes), array)


def test_many_callers(client: Client, region: GpuMemory) -> None:
    region.write(A)
    with ThreadPoolExecutor(8) as pool:
        answers = [
            pool.submit(client.infer, "simple", [input_in("gpu", "INPUT0", A), input_of("INPUT1", B)])
            for _ in range(64)
        ]
    for answer in answers:
        check_simple(answer.result())


def test_a_region_in_use_stays(client: Client, gpu: Gpu, gate: Gate) -> None:
    array = np.float32([[1]])
    with gate.closed("batched") as runs, ThreadPoolExecutor() as pool, gpu_memory(gpu, 64) as memory:
        client.register_cuda_shared_memory("used", memory.handle, 0, 64)
        answer = pool.submit(
            client.infer, "batched", [input_of("INPUT0", array)], outputs=[output_in("used", "OUTPUT0", 64)]
        )
        runs.wait_for(1)
        client.unregister_cuda_shared_memory("used")
        assert listed(client) == {}
        runs.open()
        answer.result()
        np.testing.assert_array_equal(memory.read(np.float32, [1, 1]), array)


def test_names_are_shared_with_other_regions(client: Client, region: GpuMemory) -> None:
    with refused(StatusCode.ALREADY_EXISTS, "gpu"):
        client.register_cuda_shared_memory("gpu", region.handle, 0, 4)
    with registered(client, "system", 64) as system:
        with refused(StatusCode.ALREADY_EXISTS, "system"):
            client.register_cuda_shared_memory("system", region.handle, 0, 4)
        with refused(StatusCode.ALREADY_EXISTS, "gpu"):
            client.register_system_shared_memory("gpu", system.key, 64)
        client.unregister_cuda_shared_memory()
        assert client.get_system_shared_memory_status().regions.keys() == {"system"}
    client.register_cuda_shared_memory("gpu", region.handle, 0, 4)


@pytest.mark.parametrize(
    ("change", "words"),
    {
        "no handle": ({"raw_handle": b""}, ("raw_handle of 0 bytes", "64")),
        "short handle": ({"raw_handle": base64.b64encode(bytes(63))}, ("raw_handle of 63 bytes", "64")),
        "handle of nothing": ({"raw_handle": base64.b64encode(b"x" * HANDLE_BYTES)}, ("raw_handle", "CUDA error")),
        "no such GPU": ({"device_id": 99}, ("device_id 99",)),
        "no GPU at all": ({"device_id": -1}, ("device_id -1",)),
        "too large": ({"byte_size": 1 << 50}, ("1125899906842624 bytes", "but the memory has")),
        "no bytes": ({"byte_size": 0}, ("no bytes",)),
        "no name": ({"name": ""}, ("name",)),
    }.values(),
)
def test_bad_registrations(
    change: dict[str, object], words: tuple[str, ...], client: Client, memory: GpuMemory
) -> None:
    right = {"name": "bad", "raw_handle": memory.handle, "device_id": 0, "byte_size": memory.size}
    with refused(INVALID, *words):
        client.register_cuda_shared_memory(**{**right, **change})
    assert listed(client) == {}
    client.register_cuda_shared_memory(**right)
    client.unregister_cuda_shared_memory("bad")


@pytest.mark.parametrize(
    ("given", "wanted", "code"),
    [
        (lambda: input_in("gpu", "x", A, 3 * SIZE + 1), None, INVALID),
        (lambda: input_in("gpu", "x", A, 1 << 40), None, INVALID),
        (lambda: input_in("none", "x", A), None, StatusCode.NOT_FOUND),
        (lambda: input_of("x", A), lambda: output_in("gpu", "x", SIZE - 1), INVALID),
        (lambda: input_of("x", A), lambda: output_in("gpu", "x", SIZE, 3 * SIZE + 1), INVALID),
    ],
    ids=["input over the end", "input behind it", "unknown region", "output too large", "output over the end"],
)
def test_bad_ranges(
    given: Callable[[], triton.InferInput],
    wanted: Callable[[], triton.InferRequestedOutput] | None,
    code: StatusCode,
    client: Client,
    region: GpuMemory,
) -> None:
    region.write(np.full(4 * SIZE, 7, np.uint8))
    with refused(code):
        client.infer("identity", [given()], outputs=[wanted()] if wanted else None)
    assert set(region.read(np.uint8, [4 * SIZE]).tolist()) == {7}


def test_over_http(target: Target, memory: GpuMemory) -> None:
    memory.write(A)
    with triton_http.InferenceServerClient(target.http) as client:
        client.register_cuda_shared_memory("gpu", memory.handle, 0, memory.size)
        assert client.get_cuda_shared_memory_status() == [{"name": "gpu", "device_id": 0, "byte_size": memory.size}]
        assert client.get_cuda_shared_memory_status("gpu")[0]["byte_size"] == memory.size
        given = triton_http.InferInput("x", list(A.shape), "INT32")
        given.set_shared_memory("gpu", SIZE)
        wanted = triton_http.InferRequestedOutput("x")
        wanted.set_shared_memory("gpu", SIZE, offset=SIZE)
        client.infer("identity", [given], outputs=[wanted])
        np.testing.assert_array_equal(memory.read(np.int32, A.shape, SIZE), A)
        with pytest.raises(triton_http.InferenceServerException, match="raw_handle of 6 bytes"):
            client.register_cuda_shared_memory("other", base64.b64encode(b"handle"), 0, 4)
        client.unregister_cuda_shared_memory("gpu")
        assert client.get_cuda_shared_memory_status() == []
