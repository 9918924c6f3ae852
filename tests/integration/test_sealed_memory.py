"""Arrays in sealed memory, which callers of a Unix socket hand over beside it, as docs/shared-memory.md says."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

import oracle
from harness import TIMEOUT_S, Server, becomes_true, connect, run_to_exit
from models import run_in_python, save_all
from rpc_protos import ModelInferRequest, ModelInferResponse
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import TRANSPORTS, Outcome, request

F_ADD_SEALS, SHRINK, GROW, WRITE = 1033, 2, 4, 8  # Of <linux/fcntl.h>; the module fcntl has them in some Pythons only.
SEALS = SHRINK | GROW | WRITE
HEADER = struct.Struct("<HHIQ")  # Version, kind, tag, bytes.
HAND_OVER, RELEASE = 1, 2


class Peer:
    """A connection to the side socket of a server that listens at `path`."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(f"{path}.sealed")

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, nbytes: int, descriptors: list[int]) -> str:
        socket.send_fds(self.socket, [HEADER.pack(1, HAND_OVER, 0, nbytes)], descriptors)
        return self.socket.recv(4096)[8:].decode()

    def hand_over(self, data: bytes, seals: int = SEALS) -> str:
        file = memfd(data, seals)
        try:
            return self.ask(len(data), [file])
        finally:
            os.close(file)

    def release(self, name: str) -> None:
        self.socket.send(HEADER.pack(1, RELEASE, 0, 0) + name.encode())


def memfd(data: bytes, seals: int = SEALS) -> int:
    file = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(file, data)
    fcntl.fcntl(file, F_ADD_SEALS, seals)
    return file


def sealed(name: str, dtype: str, shape: tuple[int, ...], offset: int, nbytes: int) -> pb.Array:
    place = pb.SharedMemoryRange(region=name, offset=offset, nbytes=nbytes)
    return pb.Array(name="x", dtype=dtype, shape=shape, shared_memory=place)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sealed")


@pytest.fixture(scope="module")
def files(folder: Path) -> dict[str, Path]:
    return save_all(folder)


@pytest.fixture(scope="module")
def server(folder: Path, files: dict[str, Path]) -> Iterator[Server]:
    models = [flag for name in ("in-place", "sine") for flag in ("--model", f"{name}={files[name]}")]
    with Server("--listen", f"unix:{folder}/socket", *models) as running:
        yield running
        assert running.alive(), running.log()


@pytest.fixture(scope="module")
def channel(server: Server) -> Iterator[grpc.Channel]:
    with connect(server.addresses[1]) as connected:
        yield connected


@pytest.fixture
def stub(channel: grpc.Channel) -> TensorServiceStub:
    return TensorServiceStub(channel)


@pytest.fixture
def peer(folder: Path, server: Server) -> Iterator[Peer]:
    assert server.alive()
    with Peer(folder / "socket") as connected:
        yield connected


# Aligned arrays stay where they lie, others are copied.
@pytest.mark.parametrize(("offset", "transport"), [(64, "unary"), (4099, "stream")])
@pytest.mark.parametrize("dtype", [*oracle.ALL, ">f4", ">i8", ">c16"])
def test_every_dtype(dtype: str, offset: int, transport: str, peer: Peer, stub: TensorServiceStub) -> None:
    data = oracle.random_bytes(dtype, 35)
    name = peer.hand_over(bytes(offset) + data + bytes(77))
    outcome = TRANSPORTS[transport](stub, request(sealed(name, dtype, (5, 7), offset, len(data))))
    oracle.check_converted(outcome, oracle.expect(dtype, (5, 7), data))


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (250_000,)])
def test_shapes(shape: tuple[int, ...], peer: Peer, stub: TensorServiceStub) -> None:
    data = oracle.random_bytes("float32", int(np.prod(shape)))
    name = peer.hand_over(data + bytes(4))
    outcome = TRANSPORTS["unary"](stub, request(sealed(name, "<f4", shape, 0, len(data))))
    oracle.check_converted(outcome, oracle.expect("<f4", shape, data))


def elements_of(outcome: Outcome) -> np.ndarray:
    assert outcome.refusal is None, outcome.refusal
    (output,) = outcome.outputs
    assert output.data is not None
    return np.frombuffer(output.data, np.float32)


# What the model writes is seen by nobody else: neither by the next request nor by the caller.
@pytest.mark.parametrize("offset", [0, 64, 4])
@pytest.mark.parametrize("model", ["in-place", "sine", "identity"])
def test_models_compute_on_it(
    model: str, offset: int, files: dict[str, Path], peer: Peer, stub: TensorServiceStub
) -> None:
    source = np.linspace(-3, 3, 5000, dtype=np.float32)
    file = memfd(bytes(offset) + source.tobytes())
    name = peer.ask(offset + source.nbytes, [file])
    expected = source if model == "identity" else run_in_python(files[model], {"x": source})["OUTPUT__0"]
    message = request(sealed(name, "<f4", source.shape, offset, source.nbytes), model_name=model)
    for _ in range(3):
        outcome = TRANSPORTS["unary"](stub, message)
        np.testing.assert_array_equal(elements_of(outcome), expected)
        oracle.check_tensor(outcome.tensors[0], oracle.expect("<f4", source.shape, source.tobytes()))
    assert os.pread(file, source.nbytes, offset) == source.tobytes()
    os.close(file)


def test_the_open_inference_protocol(peer: Peer, channel: grpc.Channel) -> None:
    source = np.arange(12, dtype=np.int64)
    name = peer.hand_over(source.tobytes())
    message = ModelInferRequest(model_name="identity")
    given = message.inputs.add(name="x", datatype="INT64", shape=[3, 4])
    for key, value in {"shared_memory_region": name, "shared_memory_byte_size": source.nbytes}.items():
        given.parameters.add(key=key, value={f"{'string' if value == name else 'int64'}_param": value})
    call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    answer = ModelInferResponse.FromString(call(message.SerializeToString(), timeout=TIMEOUT_S))
    assert answer.raw_output_contents[0] == source.tobytes()


def test_a_sender_cannot_change_it(peer: Peer, stub: TensorServiceStub) -> None:
    data = oracle.random_bytes("float32", 64)
    file = memfd(data)
    name = peer.ask(len(data), [file])
    for change in (lambda: os.pwrite(file, b"x", 0), lambda: os.ftruncate(file, 0), lambda: os.ftruncate(file, 9999)):
        with pytest.raises(PermissionError):
            change()
    os.close(file)
    outcome = TRANSPORTS["unary"](stub, request(sealed(name, "<f4", (64,), 0, len(data))))
    oracle.check_converted(outcome, oracle.expect("<f4", (64,), data))


def test_a_region_goes_with_its_connection(folder: Path, peer: Peer, server: Server, stub: TensorServiceStub) -> None:
    peer.hand_over(b"0123")
    before = server.descriptors()
    with Peer(folder / "socket") as other:
        name = other.hand_over(b"0123")
        message = request(sealed(name, "<f4", (1,), 0, 4))
        assert TRANSPORTS["unary"](stub, message).refusal is None, "whoever was told the name may use it"
        peer.release(name)  # It is not this connection's.
        peer.hand_over(b"0123", seals=0)
        assert TRANSPORTS["unary"](stub, message).refusal is None
    assert becomes_true(lambda: TRANSPORTS["unary"](stub, message).reason == "REGION_NOT_FOUND")
    assert becomes_true(lambda: server.descriptors() == before)


def test_bad_ranges(peer: Peer, stub: TensorServiceStub) -> None:
    name = peer.hand_over(bytes(64))
    for offset, nbytes in [(64, 4), (61, 4), (2**64 - 4, 4)]:
        outcome = TRANSPORTS["unary"](stub, request(sealed(name, "<f4", (1,), offset, nbytes)))
        assert outcome.reason == "BAD_SHARED_MEMORY"
    assert TRANSPORTS["unary"](stub, request(sealed(name, "<f4", (2,), 0, 4))).reason == "SIZE_MISMATCH"
    unknown = f"sealed:{0:032x}"
    assert TRANSPORTS["unary"](stub, request(sealed(unknown, "<f4", (1,), 0, 4))).reason == "REGION_NOT_FOUND"
    assert TRANSPORTS["unary"](stub, request(sealed("other", "<f4", (1,), 0, 4))).reason == "SHARED_MEMORY_DISABLED"


def test_what_is_no_sealed_memory(folder: Path, peer: Peer, server: Server) -> None:
    peer.hand_over(b"0123")
    before = server.descriptors()
    for missing in (SHRINK, GROW, WRITE, SEALS):
        assert "it needs F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_WRITE" in peer.hand_over(b"0123", SEALS & ~missing)
    regular = folder / "regular"
    regular.write_bytes(b"0123")
    file = memfd(b"0123")
    others = [os.open(regular, os.O_RDWR), os.open(folder, os.O_RDONLY), *os.pipe(), os.eventfd(0)]
    for other in others:
        assert peer.ask(4, [other]).startswith("BAD_SHARED_MEMORY the descriptor is no memfd")
    assert "got 0" in peer.ask(4, [])
    assert "got 3" in peer.ask(4, [file] * 3)
    for size in (0, 3, 5, 2**64 - 1):
        assert "has 4 bytes" in peer.ask(size, [file])
    for other in [*others, file]:
        os.close(other)
    assert server.descriptors() == before


def test_the_file_has_the_mode_of_the_socket_and_is_removed(tmp_path: Path) -> None:
    with Server("--listen", f"unix:{tmp_path}/socket", "--unix-mode", "0660", "--sealed-memory", "on") as server:
        assert stat.S_IMODE((tmp_path / "socket.sealed").stat().st_mode) == 0o660
        assert server.stop() == 0
    assert not (tmp_path / "socket.sealed").exists()


def test_a_killed_server_leaves_a_file_that_the_next_replaces(tmp_path: Path) -> None:
    flags = ("--listen", f"unix:{tmp_path}/socket", "--sealed-memory", "on")
    with Server(*flags) as server:
        server.kill()
    with Server(*flags), Peer(tmp_path / "socket") as peer:
        assert peer.hand_over(b"0123").startswith("sealed:")


def test_off_auto_and_on(tmp_path: Path) -> None:
    with Server("--listen", f"unix:{tmp_path}/off", "--sealed-memory", "off") as server:
        assert not (tmp_path / "off.sealed").exists()
        with connect(server.addresses[1]) as channel:
            message = request(sealed(f"sealed:{0:032x}", "<f4", (1,), 0, 4))
            assert TRANSPORTS["unary"](TensorServiceStub(channel), message).reason == "SHARED_MEMORY_DISABLED"
    (tmp_path / "taken.sealed").write_text("precious")
    with Server("--listen", f"unix:{tmp_path}/taken") as server:
        assert "no sealed memory is taken beside" in server.log()
    refused = run_to_exit("--listen", f"unix:{tmp_path}/taken", "--sealed-memory", "on")
    assert refused.returncode != 0
    assert "the path is there, and is no socket" in refused.stderr
    assert (tmp_path / "taken.sealed").read_text() == "precious"
