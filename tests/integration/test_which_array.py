"""An error about one of several arrays says which: by its name, and by its place where the name does not tell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness import Server, connect_stub
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import STRICT, WHOLE, Transport, request

LIMIT = 1 << 20
each_transport = pytest.mark.parametrize("convert", WHOLE.values(), ids=WHOLE.keys())

# Each case is an array that is refused, whatever the others are, and the reason.
BAD: dict[str, tuple[pb.Array, str]] = {
    "no-torch-dtype": (pb.Array(dtype="<M8[s]", shape=[1], data=bytes(8)), "UNSUPPORTED_DTYPE"),
    "void": (pb.Array(dtype="<V2", shape=[1], data=bytes(2)), "AMBIGUOUS_DTYPE"),
    "objects": (pb.Array(dtype="|O", shape=[1], data=bytes(8)), "OBJECT_DTYPE"),
    "no-dtype": (pb.Array(dtype="float33", shape=[1], data=bytes(4)), "BAD_DTYPE"),
    "negative": (pb.Array(dtype="<f4", shape=[-1], data=b""), "BAD_SHAPE"),
    "dims": (pb.Array(dtype="<f4", shape=[1] * 65, data=bytes(4)), "TOO_MANY_DIMS"),
    "overflow": (pb.Array(dtype="<f8", shape=[1 << 40, 1 << 40], data=b""), "SIZE_OVERFLOW"),
    "short": (pb.Array(dtype="<f4", shape=[2], data=bytes(7)), "SIZE_MISMATCH"),
    "byte-order": (pb.Array(dtype=">f4", shape=[1], data=bytes(4)), "BYTE_ORDER"),
    "bools": (pb.Array(dtype="|b1", shape=[2], data=b"\1\2"), "BOOL_RANGE"),
    "no-magic": (pb.Array(npy=b"xx"), "BAD_MAGIC"),
    "version": (pb.Array(npy=b"\x93NUMPY\x09\x00"), "BAD_VERSION"),
    "header": (pb.Array(npy=b"\x93NUMPY\x01\x00\x04\x00{}  "), "BAD_HEADER"),
    "nothing": (pb.Array(dtype="<f4", shape=[2]), "MISSING_PAYLOAD"),
    "too-much": (pb.Array(npy=b"\x93NUMPY", shape=[2]), "CONFLICTING_FIELDS"),
    "large": (pb.Array(dtype="|u1", shape=[LIMIT + 1], data=b""), "TENSOR_TOO_LARGE"),
    "long-name": (pb.Array(name="x" * 257, dtype="<f4", shape=[1], data=bytes(4)), "BAD_NAME"),
    "region": (
        pb.Array(dtype="<f4", shape=[1], shared_memory=pb.SharedMemoryRange(region="none", nbytes=4)),
        "SHARED_MEMORY_DISABLED",
    ),
}


@pytest.fixture(scope="module")
def stub() -> Iterator[TensorServiceStub]:
    with Server("--max-tensor-bytes", f"{LIMIT}") as server, connect_stub(server.address) as connected:
        yield connected
        assert server.alive(), server.log()


def three(names: list[str], bad: pb.Array) -> pb.ConvertRequest:
    arrays = [pb.Array(name=name, dtype="<f4", shape=[1], data=bytes(4)) for name in names]
    refused = pb.Array(name=names[1])
    refused.MergeFrom(bad)
    return request(arrays[0], refused, arrays[2], fidelity=STRICT)


@each_transport
@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("names", [["", "", ""], ["x", "x", "x"], ["y", "", "z"]], ids=["nameless", "same", "one"])
def test_its_place_is_told(names: list[str], case: str, convert: Transport, stub: TensorServiceStub) -> None:
    bad, reason = BAD[case]
    refusal = convert(stub, three(names, bad)).refusal
    assert refusal is not None
    assert refusal.reason == reason
    assert "arrays[1]" in refusal.message


@each_transport
@pytest.mark.parametrize("case", BAD)
def test_a_name_of_its_own_is_enough(case: str, convert: Transport, stub: TensorServiceStub) -> None:
    bad, reason = BAD[case]
    refusal = convert(stub, three(["a", "b", "c"], bad)).refusal
    assert refusal is not None
    assert refusal.reason == reason
    if reason != "BAD_NAME":
        assert refusal.message.startswith("array 'b': ")
        assert "arrays[1]" not in refusal.message
