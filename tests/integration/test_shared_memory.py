"""Arrays of the native service that lie in regions of callers' memory: of POSIX shared memory, or of a GPU's.

Those of the Open Inference Protocol: oip/. What is of GPUs alone: test_cuda_memory.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

import oracle
from harness import TIMEOUT_S, Server, connect
from shared_regions import CUDA, REGION, SIZE, SYSTEM, Kind, shared, shared_object, write
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import STRICT, TRANSPORTS, Transport, request

INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND

KINDS = {kind.flag: kind for kind in (SYSTEM, CUDA)}

each_transport = pytest.mark.parametrize(
    "convert", [TRANSPORTS["unary"], TRANSPORTS["stream"]], ids=["unary", "stream"]
)


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture(scope="module")
def server(kind: Kind) -> Iterator[Server]:
    with Server("--shared-memory", kind.flag, environment=kind.variables) as running:
        yield running
        assert running.alive(), running.log()


@pytest.fixture(scope="module")
def channel(server: Server) -> Iterator[grpc.Channel]:
    with connect(server.address) as connected:
        yield connected


@pytest.fixture
def stub(channel: grpc.Channel) -> TensorServiceStub:
    return TensorServiceStub(channel)


@pytest.fixture
def memory(kind: Kind, channel: grpc.Channel) -> Iterator[Path]:
    """The object of which REGION is all."""
    with shared_object() as file:
        kind.register(channel, file)
        yield file
        kind.unregister(channel)


# Aligned arrays of POSIX shared memory stay in place, others are copied.
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


def test_outputs_are_written_there(memory: Path, stub: TensorServiceStub) -> None:
    data = oracle.random_bytes("float32", 16)
    write(memory, 0, data)
    asked = pb.ConvertRequest(
        arrays=[shared("<f4", (16,), 0, 64)],
        return_data=True,
        output_memory=pb.SharedMemoryRange(region=REGION, offset=128, nbytes=64),
    )
    tensor = stub.Convert(asked, timeout=TIMEOUT_S).tensors[0]
    assert (tensor.shared_memory.offset, tensor.shared_memory.nbytes, tensor.data) == (128, 64, b"")
    assert memory.read_bytes()[128:192] == data


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


@pytest.mark.parametrize("kind", [SYSTEM.flag], indirect=True)
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


def test_the_feature_is_named(kind: Kind, stub: TensorServiceStub) -> None:
    features = stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=TIMEOUT_S).features
    assert [feature for feature in features if "shared_memory" in feature] == [kind.feature]
