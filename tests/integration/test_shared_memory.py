"""Arrays of the native service that lie in POSIX shared memory. Those of the Open Inference Protocol: oip/."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

import oracle
from harness import TIMEOUT_S, Server, connect
from rpc_protos import SystemSharedMemoryRegisterRequest, SystemSharedMemoryUnregisterRequest
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import STRICT, TRANSPORTS, Transport, request

SIZE = 1 << 20
REGION = "region"
INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND

each_transport = pytest.mark.parametrize(
    "convert", [TRANSPORTS["unary"], TRANSPORTS["stream"]], ids=["unary", "stream"]
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server("--shared-memory", "system") as running:
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
    channel.unary_unary(f"/inference.GRPCInferenceService/SystemSharedMemory{method}")(serialized, timeout=TIMEOUT_S)


@pytest.fixture
def memory(channel: grpc.Channel) -> Iterator[Path]:
    """The object of which REGION is all."""
    file = Path(f"/dev/shm/tensorferry-test-{os.getpid()}")
    file.write_bytes(bytes(SIZE))
    call(channel, "Register", SystemSharedMemoryRegisterRequest(name=REGION, key=f"/{file.name}", byte_size=SIZE))
    yield file
    call(channel, "Unregister", SystemSharedMemoryUnregisterRequest(name=REGION))
    file.unlink()


def write(memory: Path, offset: int, data: bytes) -> None:
    with memory.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def shared(
    dtype: str, shape: tuple[int, ...], offset: int, nbytes: int, region: str = REGION, **more: object
) -> pb.Array:
    place = pb.SharedMemoryRange(region=region, offset=offset, nbytes=nbytes)
    return pb.Array(name="x", dtype=dtype, shape=shape, shared_memory=place, **more)


# Aligned arrays stay in place, others are copied.
@pytest.mark.parametrize("offset", [0, 64, 1, 4099])
@pytest.mark.parametrize("dtype", [*oracle.ALL, ">f4", ">i8", ">c16"])
@each_transport
def test_every_dtype(convert: Transport, dtype: str, offset: int, memory: Path, stub: TensorServiceStub) -> None:
    data = oracle.random_bytes(dtype, 35)
    write(memory, offset, data)
    outcome = convert(stub, request(shared(dtype, (5, 7), offset, len(data))))
    oracle.check_converted(outcome, oracle.expect(dtype, (5, 7), data))
    assert memory.read_bytes()[offset : offset + len(data)] == data, "the server wrote into the caller's memory"


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (250_000,)])
def test_shapes(shape: tuple[int, ...], memory: Path, stub: TensorServiceStub) -> None:
    data = oracle.random_bytes("float32", int(np.prod(shape)))
    write(memory, 0, data)
    outcome = TRANSPORTS["unary"](stub, request(shared("<f4", shape, 0, len(data))))
    oracle.check_converted(outcome, oracle.expect("<f4", shape, data))


def test_fortran_order(memory: Path, stub: TensorServiceStub) -> None:
    data = oracle.random_bytes("float64", 6)
    write(memory, 0, data)
    outcome = TRANSPORTS["unary"](stub, request(shared("<f8", (2, 3), 0, len(data), fortran_order=True)))
    oracle.check_converted(outcome, oracle.expect("<f8", (2, 3), data, fortran_order=True))


def test_bools_are_normalised_in_a_copy(memory: Path, stub: TensorServiceStub) -> None:
    data = bytes(range(4))
    write(memory, 0, data)
    outcome = TRANSPORTS["unary"](stub, request(shared("|b1", (4,), 0, 4)))
    oracle.check_converted(outcome, oracle.expect("|b1", (4,), data))
    assert memory.read_bytes()[:4] == data
    refused = TRANSPORTS["unary"](stub, request(shared("|b1", (4,), 0, 4), fidelity=STRICT))
    assert refused.reason == "BOOL_RANGE"


BAD_RANGES = {
    "unknown-region": (shared("<f4", (1,), 0, 4, region="nobody"), NOT_FOUND, "REGION_NOT_FOUND"),
    "size-of-the-range": (shared("<f4", (2,), 0, 4), INVALID, "SIZE_MISMATCH"),
    "behind-the-end": (shared("|u1", (1,), SIZE, 1), INVALID, "BAD_SHARED_MEMORY"),
    "over-the-end": (shared("<f4", (1,), SIZE - 3, 4), INVALID, "BAD_SHARED_MEMORY"),
    "wraps": (shared("|u1", (1,), 2**64 - 1, 1), INVALID, "BAD_SHARED_MEMORY"),
    "wraps-to-a-good-one": (shared("|u1", (8,), 2**64 - 4, 8), INVALID, "BAD_SHARED_MEMORY"),
    "terabyte": (shared("<f4", (1 << 38,), 0, 1 << 40), INVALID, "TENSOR_TOO_LARGE"),
}


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize(("array", "code", "reason"), BAD_RANGES.values(), ids=BAD_RANGES.keys())
@each_transport
def test_bad_ranges(
    convert: Transport, array: pb.Array, code: grpc.StatusCode, reason: str, stub: TensorServiceStub
) -> None:
    refusal = convert(stub, request(array)).refusal
    assert refusal is not None
    assert (refusal.code, refusal.reason) == (code, reason)
    assert "/dev/shm" not in refusal.message


@pytest.mark.parametrize("dtype", ["<f4", "|b1"], ids=["in-place", "copied"])
def test_a_region_that_was_cut_off(dtype: str, memory: Path, server: Server, stub: TensorServiceStub) -> None:
    nbytes = SIZE // 2
    array = shared(dtype, (nbytes // np.dtype(dtype).itemsize,), nbytes, nbytes)
    assert TRANSPORTS["unary"](stub, request(array)).refusal is None
    os.truncate(memory, nbytes)
    for _ in range(2):
        refusal = TRANSPORTS["unary"](stub, request(array)).refusal
        assert refusal is not None
        assert refusal.reason == "BAD_SHARED_MEMORY"
        assert "smaller" in refusal.message
    assert server.alive()


def test_the_feature_is_named(stub: TensorServiceStub) -> None:
    assert "shared_memory" in stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=TIMEOUT_S).features
