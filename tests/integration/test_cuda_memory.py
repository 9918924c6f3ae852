"""Memory of a GPU as memory of callers: how long it is open, servers that take none, and errors of the driver.

There is no GPU: a stand-in for NVIDIA's driver (tests/testing/cuda_stand_in.cc) has objects in /dev/shm in its place.
It shows our half, handles, bounds, lifetimes and errors; scripts/gpu-check.sh looks at that of the real driver. Arrays
that lie there: test_shared_memory.py, and those of tritonclient: oip/.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from cuda_driver import STAND_IN
from harness import TIMEOUT_S, Server, connect
from shared_regions import CUDA, SIZE, shared, shared_object
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import TRANSPORTS, request


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server("--shared-memory", "cuda", environment=STAND_IN) as running:
        yield running
        assert running.alive(), running.log()


@pytest.fixture
def channel(server: Server) -> Iterator[grpc.Channel]:
    with connect(server.address) as connected:
        yield connected


@pytest.fixture
def stub(channel: grpc.Channel) -> TensorServiceStub:
    return TensorServiceStub(channel)


@pytest.fixture
def memory() -> Iterator[Path]:
    """What stands for memory of a GPU."""
    with shared_object() as file:
        yield file


def is_open(server: Server, memory: Path) -> bool:
    return memory.name in Path(f"/proc/{server.pid}/maps").read_text()


def test_memory_is_closed_once_it_is_unregistered(
    memory: Path, server: Server, channel: grpc.Channel, stub: TensorServiceStub
) -> None:
    CUDA.register(channel, memory)
    assert is_open(server, memory)
    with pytest.raises(grpc.RpcError) as taken:
        CUDA.register(channel, memory)
    assert taken.value.code() == grpc.StatusCode.ALREADY_EXISTS
    CUDA.register(channel, memory, "other", 4)
    TRANSPORTS["unary"](stub, request(shared("<f4", (1,), 0, 4)))
    CUDA.unregister(channel)
    assert is_open(server, memory), "it is open under its other name"
    CUDA.unregister(channel, "other")
    assert not is_open(server, memory)
    with pytest.raises(grpc.RpcError):
        CUDA.register(channel, memory, byte_size=SIZE + 1)
    assert not is_open(server, memory), "what was refused is closed"


def test_a_server_that_finds_a_driver_does_not_warn(server: Server) -> None:
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
            CUDA.register(channel, memory)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert refused.value.details().startswith("failed to register CUDA shared memory region: ")
        assert words in refused.value.details()
        CUDA.unregister(channel)
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
        CUDA.register(channel, memory)
        stub = TensorServiceStub(channel)
        for _ in range(2):
            refusal = TRANSPORTS["unary"](stub, request(shared("<f4", (1,), 0, 4))).refusal
            assert refusal is not None
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_SHARED_MEMORY")
            assert "an illegal memory access was encountered (CUDA error 700)" in refusal.message
        assert running.stop() == 0
