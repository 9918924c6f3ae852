"""Outputs in memory that callers of a Unix socket hand over beside it, as docs/shared-memory.md says."""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

import oracle
from harness import MIB, TIMEOUT_S, Server, becomes_true
from models import run_in_python
from rpc_protos import ModelInferRequest, ModelInferResponse
from side_peer import F_ADD_SEALS, HAND_OVER_FOR_OUTPUTS, SHRINK, WRITE, Peer
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import array, request, request_part

FUTURE_WRITE = 16
NBYTES = 1 << 16


class Memory:
    """Memory for outputs, as a client makes it."""

    def __init__(self, peer: Peer, nbytes: int = NBYTES) -> None:
        self.file = memfd(nbytes)
        self.name = hand_over(peer, self.file, nbytes)

    def read(self, place: pb.SharedMemoryRange) -> bytes:
        assert place.region == self.name
        return os.pread(self.file, place.nbytes, place.offset)

    def place(self, offset: int = 0, nbytes: int = NBYTES) -> pb.SharedMemoryRange:
        return pb.SharedMemoryRange(region=self.name, offset=offset, nbytes=nbytes)


def memfd(nbytes: int, flags: int = os.MFD_ALLOW_SEALING) -> int:
    file = os.memfd_create("test", os.MFD_CLOEXEC | flags)
    os.write(file, b"." * nbytes)
    return file


def hand_over(peer: Peer, file: int, nbytes: int) -> str:
    return peer.ask(nbytes, [file], HAND_OVER_FOR_OUTPUTS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, files: dict[str, Path]) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("outputs") / "socket"
    flags = ("--listen", f"unix:{path}", "--model", f"sine={files['sine']}", "--self-check", "0s")
    with Server(*flags) as running:
        yield running
        assert running.alive(), running.log()


def unary(stub: TensorServiceStub, message: pb.ConvertRequest) -> pb.ConvertResponse:
    return stub.Convert(message, timeout=TIMEOUT_S)


def streamed(stub: TensorServiceStub, message: pb.ConvertRequest) -> pb.ConvertResponse:
    (answer,) = stub.ConvertStream(iter([request_part(message)]), timeout=TIMEOUT_S)
    return answer.response


ROADS = pytest.mark.parametrize("road", [unary, streamed])


@ROADS
@pytest.mark.parametrize("dtype", [*oracle.ALL, ">f4", ">c16"])
def test_every_dtype(dtype: str, road: object, peer: Peer, unix_stub: TensorServiceStub) -> None:
    """Tensors that are sent back go there as outputs of models do; both are what torch has."""
    memory = Memory(peer)
    data = oracle.random_bytes(dtype, 35)
    expected = oracle.expect(dtype, (5, 7), data)
    message = request(
        array(dtype, (5, 7), data), model_name="identity", output_memory=memory.place(offset=1, nbytes=NBYTES - 1)
    )
    answer = road(unix_stub, message)  # type: ignore[operator]
    (tensor,), (output,) = answer.tensors, answer.outputs
    assert tensor.shared_memory.offset == 64
    assert output.shared_memory.offset % 64 == 0
    assert memory.read(tensor.shared_memory) == memory.read(output.shared_memory) == expected.data
    before = os.pread(memory.file, 64, 0)
    assert before == b"." * 64, "nothing is written elsewhere"


@ROADS
def test_outputs_of_models(road: object, files: dict[str, Path], peer: Peer, unix_stub: TensorServiceStub) -> None:
    memory = Memory(peer)
    for step in range(3):
        source = np.linspace(-3, step, 5000, dtype=np.float32)
        sent = array("<f4", source.shape, source.tobytes())
        message = pb.ConvertRequest(arrays=[sent], model_name="sine", output_memory=memory.place())
        (output,) = road(unix_stub, message).outputs  # type: ignore[operator]
        assert output.WhichOneof("payload") == "shared_memory"
        expected = run_in_python(files["sine"], {"x": source})["OUTPUT__0"]
        assert memory.read(output.shared_memory) == expected.tobytes()


def test_what_does_not_fit_is_sent(peer: Peer, unix_stub: TensorServiceStub) -> None:
    memory = Memory(peer)
    arrays = [array("|u1", (size,), bytes([size % 251]) * size, name=str(size)) for size in (100, 300, 0, 28)]
    answer = unary(unix_stub, request(*arrays, output_memory=memory.place(nbytes=128 + 28)))
    assert [tensor.WhichOneof("payload") for tensor in answer.tensors] == [
        "shared_memory", "data", "data", "shared_memory",
    ]  # fmt: skip
    assert answer.tensors[1].data == bytes([300 % 251]) * 300
    assert answer.tensors[3].shared_memory.offset == 128
    assert memory.read(answer.tensors[3].shared_memory) == bytes([28]) * 28


def test_more_than_a_message_holds(peer: Peer, unix_stub: TensorServiceStub) -> None:
    """A unary answer would be refused, and a stream would bring it in chunks."""
    nbytes = 65 * MIB
    memory = Memory(peer, nbytes)
    data = np.random.default_rng(1).integers(0, 256, nbytes, np.uint8).tobytes()
    name = peer.hand_over(data)
    sent = pb.Array(dtype="|u1", shape=[nbytes], shared_memory=pb.SharedMemoryRange(region=name, nbytes=nbytes))
    answer = unary(unix_stub, request(sent, output_memory=memory.place(nbytes=nbytes)))
    assert memory.read(answer.tensors[0].shared_memory) == data


def test_the_open_inference_protocol(peer: Peer, unix_channel: grpc.Channel) -> None:
    memory, source = Memory(peer), np.arange(12, dtype=np.int64)
    message = ModelInferRequest(model_name="identity", raw_input_contents=[source.tobytes()])
    message.inputs.add(name="x", datatype="INT64", shape=[3, 4])
    wanted = message.outputs.add(name="x")
    for key, value in {"region": memory.name, "byte_size": source.nbytes, "offset": 40}.items():
        kind = "string_param" if key == "region" else "int64_param"
        wanted.parameters.add(key=f"shared_memory_{key}", value={kind: value})
    call = unix_channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    answer = ModelInferResponse.FromString(call(message.SerializeToString(), timeout=TIMEOUT_S))
    assert answer.raw_output_contents[0] == b""
    assert os.pread(memory.file, source.nbytes, 40) == source.tobytes()


def test_bad_places(peer: Peer, unix_stub: TensorServiceStub) -> None:
    memory = Memory(peer)
    sealed = peer.hand_over(b"0123")

    def reason(place: pb.SharedMemoryRange) -> str:
        message = request(array("|u1", (1,), b"x"), output_memory=place)
        (answer,) = unix_stub.ConvertStream(iter([request_part(message)]), timeout=TIMEOUT_S)
        return answer.response.error.reason

    for offset, nbytes in [(NBYTES, 1), (1, NBYTES), (2**64 - 4, 8)]:
        assert reason(memory.place(offset, nbytes)) == "BAD_SHARED_MEMORY"
    assert reason(pb.SharedMemoryRange(region=sealed, nbytes=4)) == "REGION_NOT_FOUND", "it is for inputs"
    assert reason(pb.SharedMemoryRange(region="other", nbytes=4)) == "SHARED_MEMORY_DISABLED"
    given = pb.Array(dtype="|u1", shape=[4], shared_memory=memory.place(0, 4))
    (answer,) = unix_stub.ConvertStream(iter([request_part(request(given))]), timeout=TIMEOUT_S)
    assert answer.response.error.reason == "REGION_NOT_FOUND", "it is for outputs"
    assert reason(memory.place()) == ""


def test_what_its_maker_does_harms_nobody(peer: Peer, server: Server, unix_stub: TensorServiceStub) -> None:
    """It cannot take pages away, and what it writes nobody reads but itself."""
    memory = Memory(peer)
    for change in (
        lambda: os.ftruncate(memory.file, 0),
        lambda: os.ftruncate(memory.file, 2 * NBYTES),
        lambda: os.pwrite(memory.file, b"x", 0),
        lambda: mmap.mmap(memory.file, NBYTES),
    ):
        with pytest.raises(PermissionError):
            change()
    peer.release(memory.name)
    hand_over(peer, memory.file, NBYTES)  # The answer comes after the message before it was served.
    message = request(array("|u1", (4,), b"abcd"), output_memory=memory.place())
    with pytest.raises(grpc.RpcError) as failed:
        unary(unix_stub, message)
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND
    assert server.alive()


def test_what_is_no_memory_for_outputs(tmp_path: Path, peer: Peer, server: Server) -> None:
    Memory(peer)
    before = server.descriptors()
    sealed, closed = memfd(4), memfd(4, flags=0)
    fcntl.fcntl(sealed, F_ADD_SEALS, SHRINK | WRITE)
    assert "cannot be written to" in hand_over(peer, sealed, 4)
    assert "cannot be sealed" in hand_over(peer, closed, 4)
    hole = memfd(4)
    os.ftruncate(hole, NBYTES)
    assert "posix_fallocate" in hand_over(peer, hole, NBYTES)
    for size in (0, 3, 5, 2**64 - 1):
        file = memfd(4)
        assert "has 4 bytes" in hand_over(peer, file, size)
        os.close(file)
    read_only = os.open(f"/proc/self/fd/{memfd(4)}", os.O_RDONLY)
    others = [os.open(tmp_path, os.O_RDONLY), *os.pipe(), os.eventfd(0)]
    assert "cannot be written to" in hand_over(peer, read_only, 4)
    for other in others:
        assert "is no memfd" in hand_over(peer, other, 4)
    once = memfd(4)
    assert hand_over(peer, once, 4).startswith("sealed:")
    assert hand_over(peer, once, 4).startswith("BAD_SHARED_MEMORY"), "it is sealed now"
    for file in (sealed, closed, hole, read_only, once, *others):
        os.close(file)
    # It answers first, and closes then.
    assert becomes_true(lambda: server.descriptors() <= before), "the server keeps what is mapped, and no descriptor"


def test_it_goes_with_its_connection(server: Server, unix_stub: TensorServiceStub) -> None:
    with Peer(server.addresses[1]) as peer:
        memory = Memory(peer)
        assert mappings(server) > 0
    message = request(array("|u1", (4,), b"abcd"), output_memory=memory.place())

    def reason() -> str:
        (answer,) = unix_stub.ConvertStream(iter([request_part(message)]), timeout=TIMEOUT_S)
        return answer.response.error.reason

    assert becomes_true(lambda: reason() == "REGION_NOT_FOUND")
    assert becomes_true(lambda: mappings(server) == 0)


def mappings(server: Server) -> int:
    return Path(f"/proc/{server.pid}/maps").read_text().count("/memfd:test")
