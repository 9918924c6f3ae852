"""Arrays of the native service that lie in memory of a GPU, and a server that finds no driver. tritonclient: oip/.

There is no GPU: a stand-in for NVIDIA's driver (tests/testing/cuda_stand_in.cc) has objects in /dev/shm in its place.
It shows our half, handles, bounds, lifetimes and errors; scripts/gpu-check.sh looks at that of the real driver.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

import oracle
from cuda_driver import STAND_IN
from harness import TIMEOUT_S, Server, connect
from rpc_protos import CudaSharedMemoryRegisterRequest, CudaSharedMemoryUnregisterRequest
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import STRICT, TRANSPORTS, Transport, request

SIZE = 1 << 20
REGION = "gpu"

each_transport = pytest.mark.parametrize(
    "convert", [TRANSPORTS["unary"], TRANSPORTS["stream"]], ids=["unary", "stream"]
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server("--shared-memory", "cuda", environment=STAND_IN) as running:
        yield running
        assert running.alive(), running.log()


@pytest.fixture(scope="module")
def channel(server: Server) -> Iterator[grpc.Channel]:
    with connect(server.address) as connected:
        yield connected


@pytest.fixture
def stub(channel: grpc.Channel) -> TensorServiceStub:
    return TensorServiceStub(channel)


def call(channel: grpc.Channel, method: str, message: object) -> None:
    serialized = message.SerializeToString()
    channel.unary_unary(f"/inference.GRPCInferenceService/CudaSharedMemory{method}")(serialized, timeout=TIMEOUT_S)


def register(channel: grpc.Channel, file: Path, name: str = REGION, byte_size: int = SIZE) -> None:
    handle = f"/{file.name}".encode().ljust(64, b"\0")
    call(channel, "Register", CudaSharedMemoryRegisterRequest(name=name, raw_handle=handle, byte_size=byte_size))


def unregister(channel: grpc.Channel, name: str = REGION) -> None:
    call(channel, "Unregister", CudaSharedMemoryUnregisterRequest(name=name))


@pytest.fixture
def memory() -> Iterator[Path]:
    """What stands for memory of a GPU."""
    file = Path(f"/dev/shm/tensorferry-gpu-test-{os.getpid()}")
    file.write_bytes(bytes(SIZE))
    yield file
    file.unlink()


@pytest.fixture
def region(memory: Path, channel: grpc.Channel) -> Iterator[Path]:
    """The memory, of which the server knows all as REGION."""
    register(channel, memory)
    yield memory
    unregister(channel)


def write(memory: Path, offset: int, data: bytes) -> None:
    with memory.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def shared(dtype: str, shape: tuple[int, ...], offset: int, nbytes: int, **more: object) -> pb.Array:
    place = pb.SharedMemoryRange(region=REGION, offset=offset, nbytes=nbytes)
    return pb.Array(name="x", dtype=dtype, shape=shape, shared_memory=place, **more)


@pytest.mark.parametrize("offset", [0, 4099])
@pytest.mark.parametrize("dtype", [*oracle.ALL, ">f4", ">i8", ">c16"])
@each_transport
def test_every_dtype(convert: Transport, dtype: str, offset: int, region: Path, stub: TensorServiceStub) -> None:
    data = oracle.random_bytes(dtype, 35)
    write(region, offset, data)
    outcome = convert(stub, request(shared(dtype, (5, 7), offset, len(data))))
    oracle.check_converted(outcome, oracle.expect(dtype, (5, 7), data))
    assert region.read_bytes()[offset : offset + len(data)] == data, "the server wrote into the caller's memory"


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (250_000,)])
def test_shapes(shape: tuple[int, ...], region: Path, stub: TensorServiceStub) -> None:
    data = oracle.random_bytes("float32", int(np.prod(shape)))
    write(region, 0, data)
    outcome = TRANSPORTS["unary"](stub, request(shared("<f4", shape, 0, len(data))))
    oracle.check_converted(outcome, oracle.expect("<f4", shape, data))


def test_fortran_order(region: Path, stub: TensorServiceStub) -> None:
    data = oracle.random_bytes("float64", 6)
    write(region, 0, data)
    outcome = TRANSPORTS["unary"](stub, request(shared("<f8", (2, 3), 0, len(data), fortran_order=True)))
    oracle.check_converted(outcome, oracle.expect("<f8", (2, 3), data, fortran_order=True))


def test_bools_are_normalised_in_a_copy(region: Path, stub: TensorServiceStub) -> None:
    data = bytes(range(4))
    write(region, 0, data)
    outcome = TRANSPORTS["unary"](stub, request(shared("|b1", (4,), 0, 4)))
    oracle.check_converted(outcome, oracle.expect("|b1", (4,), data))
    assert region.read_bytes()[:4] == data
    refused = TRANSPORTS["unary"](stub, request(shared("|b1", (4,), 0, 4), fidelity=STRICT))
    assert refused.reason == "BOOL_RANGE"


def test_outputs_are_written_there(region: Path, stub: TensorServiceStub) -> None:
    data = oracle.random_bytes("float32", 16)
    write(region, 0, data)
    asked = pb.ConvertRequest(
        arrays=[shared("<f4", (16,), 0, 64)],
        return_data=True,
        output_memory=pb.SharedMemoryRange(region=REGION, offset=128, nbytes=64),
    )
    tensor = stub.Convert(asked, timeout=TIMEOUT_S).tensors[0]
    assert (tensor.shared_memory.offset, tensor.shared_memory.nbytes, tensor.data) == (128, 64, b"")
    assert region.read_bytes()[128:192] == data


def is_open(server: Server, memory: Path) -> bool:
    return memory.name in Path(f"/proc/{server.pid}/maps").read_text()


def test_memory_is_closed_once_it_is_unregistered(
    memory: Path, server: Server, channel: grpc.Channel, stub: TensorServiceStub
) -> None:
    register(channel, memory)
    assert is_open(server, memory)
    with pytest.raises(grpc.RpcError) as taken:
        register(channel, memory)
    assert taken.value.code() == grpc.StatusCode.ALREADY_EXISTS
    register(channel, memory, "other", 4)
    TRANSPORTS["unary"](stub, request(shared("<f4", (1,), 0, 4)))
    unregister(channel)
    assert is_open(server, memory), "it is open under its other name"
    unregister(channel, "other")
    assert not is_open(server, memory)
    with pytest.raises(grpc.RpcError):
        register(channel, memory, byte_size=SIZE + 1)
    assert not is_open(server, memory), "what was refused is closed"


def test_features(server: Server, stub: TensorServiceStub) -> None:
    features = stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=TIMEOUT_S).features
    assert "cuda_shared_memory" in features
    assert "shared_memory" not in features
    assert "no CUDA shared memory is taken" not in server.log()


@pytest.mark.parametrize(
    ("flag", "variables", "words"),
    [
        ("off", STAND_IN, "this server takes no tensors from the memory of a GPU: --shared-memory is off"),
        ("system", STAND_IN, "this server takes no tensors from the memory of a GPU: --shared-memory is system"),
        ("cuda", None, "there is no CUDA driver: libcuda.so.1"),
        ("all", {**STAND_IN, "CUDA_VISIBLE_DEVICES": ""}, "no CUDA-capable device is detected (CUDA error 100)"),
    ],
    ids=["off", "system", "no driver", "no GPU"],
)
def test_a_server_that_has_none(
    flag: str, variables: dict[str, str] | None, words: str, memory: Path, tmp_path: Path
) -> None:
    if variables is None:  # The loader refuses an empty file, and looks no further, also where there is a driver.
        (tmp_path / "libcuda.so.1").touch()
        variables = {"LD_LIBRARY_PATH": str(tmp_path)}
    with Server("--shared-memory", flag, environment=variables) as running, connect(running.address) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            register(channel, memory)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert refused.value.details().startswith("failed to register CUDA shared memory region: ")
        assert words in refused.value.details()
        unregister(channel)
        stub = TensorServiceStub(channel)
        features = stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=TIMEOUT_S).features
        assert "cuda_shared_memory" not in features
        reason = TRANSPORTS["unary"](stub, request(shared("<f4", (1,), 0, 4))).reason
        assert reason == ("SHARED_MEMORY_DISABLED" if flag == "off" else "REGION_NOT_FOUND")
        is_warned = "no CUDA shared memory is taken" in running.log()
        assert is_warned == (flag in {"cuda", "all"}), "an operator who turned it on is told"


def test_an_error_of_the_driver_costs_the_request_alone(memory: Path) -> None:
    variables = {**STAND_IN, "TENSORFERRY_STAND_IN_FAILS": "cuMemcpyDtoH_v2=700"}
    with Server("--shared-memory", "cuda", environment=variables) as running, connect(running.address) as channel:
        register(channel, memory)
        stub = TensorServiceStub(channel)
        for _ in range(2):
            refusal = TRANSPORTS["unary"](stub, request(shared("<f4", (1,), 0, 4))).refusal
            assert refusal is not None
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_SHARED_MEMORY")
            assert "an illegal memory access was encountered (CUDA error 700)" in refusal.message
        assert running.stop() == 0
