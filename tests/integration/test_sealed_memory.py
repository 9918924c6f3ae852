"""Arrays in sealed memory, which callers of a Unix socket hand over beside it, as docs/shared-memory.md says."""

from __future__ import annotations

import fcntl
import mmap
import os
import resource
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import numpy as np
import pytest
import xxhash

import oracle
from harness import MIB, TIMEOUT_S, Server, becomes_true, connect, run_to_exit
from models import run_in_python
from rpc_protos import ModelInferRequest, ModelInferResponse
from side_peer import (
    F_ADD_SEALS,
    FUTURE_WRITE,
    GROW,
    HAND_OVER,
    HEADER,
    SEALS,
    SHRINK,
    WRITE,
    Peer,
    attempts,
    memfd,
)
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import TRANSPORTS, Outcome, request


def sealed(name: str, dtype: str, shape: tuple[int, ...], offset: int, nbytes: int) -> pb.Array:
    place = pb.SharedMemoryRange(region=name, offset=offset, nbytes=nbytes)
    return pb.Array(name="x", dtype=dtype, shape=shape, shared_memory=place)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, files: dict[str, Path]) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("sealed") / "socket"
    models = [flag for name in ("in-place", "sine") for flag in ("--model", f"{name}={files[name]}")]
    with Server("--listen", f"unix:{path}", "--self-check", "0s", *models) as running:
        yield running
        assert running.alive(), running.log()


# Aligned arrays stay where they lie, others are copied.
@pytest.mark.parametrize(("offset", "transport"), [(64, "unary"), (4099, "stream")])
@pytest.mark.parametrize("dtype", [*oracle.ALL, ">f4", ">i8", ">c16"])
def test_every_dtype(dtype: str, offset: int, transport: str, peer: Peer, unix_stub: TensorServiceStub) -> None:
    data = oracle.random_bytes(dtype, 35)
    name = peer.hand_over(bytes(offset) + data + bytes(77))
    outcome = TRANSPORTS[transport](unix_stub, request(sealed(name, dtype, (5, 7), offset, len(data))))
    oracle.check_converted(outcome, oracle.expect(dtype, (5, 7), data))


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (250_000,)])
def test_shapes(shape: tuple[int, ...], peer: Peer, unix_stub: TensorServiceStub) -> None:
    data = oracle.random_bytes("float32", int(np.prod(shape)))
    name = peer.hand_over(data + bytes(4))
    outcome = TRANSPORTS["unary"](unix_stub, request(sealed(name, "<f4", shape, 0, len(data))))
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
    model: str, offset: int, files: dict[str, Path], peer: Peer, unix_stub: TensorServiceStub
) -> None:
    source = np.linspace(-3, 3, 5000, dtype=np.float32)
    file = memfd(bytes(offset) + source.tobytes())
    name = peer.ask(offset + source.nbytes, [file])
    expected = source if model == "identity" else run_in_python(files[model], {"x": source})["OUTPUT__0"]
    message = request(sealed(name, "<f4", source.shape, offset, source.nbytes), model_name=model)
    for _ in range(3):
        outcome = TRANSPORTS["unary"](unix_stub, message)
        np.testing.assert_array_equal(elements_of(outcome), expected)
        oracle.check_tensor(outcome.tensors[0], oracle.expect("<f4", source.shape, source.tobytes()))
    assert os.pread(file, source.nbytes, offset) == source.tobytes()
    os.close(file)


def test_the_open_inference_protocol(peer: Peer, unix_channel: grpc.Channel) -> None:
    source = np.arange(12, dtype=np.int64)
    name = peer.hand_over(source.tobytes())
    message = ModelInferRequest(model_name="identity")
    given = message.inputs.add(name="x", datatype="INT64", shape=[3, 4])
    for key, value in {"shared_memory_region": name, "shared_memory_byte_size": source.nbytes}.items():
        given.parameters.add(key=key, value={f"{'string' if value == name else 'int64'}_param": value})
    call = unix_channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    answer = ModelInferResponse.FromString(call(message.SerializeToString(), timeout=TIMEOUT_S))
    assert answer.raw_output_contents[0] == source.tobytes()


def test_a_sender_cannot_change_it(peer: Peer, unix_stub: TensorServiceStub) -> None:
    data = oracle.random_bytes("float32", 64)
    file = memfd(data)
    name = peer.ask(len(data), [file])
    for change in (lambda: os.pwrite(file, b"x", 0), lambda: os.ftruncate(file, 0), lambda: os.ftruncate(file, 9999)):
        with pytest.raises(PermissionError):
            change()
    os.close(file)
    outcome = TRANSPORTS["unary"](unix_stub, request(sealed(name, "<f4", (64,), 0, len(data))))
    oracle.check_converted(outcome, oracle.expect("<f4", (64,), data))


def test_torn_elements_are_impossible(peer: Peer, unix_stub: TensorServiceStub) -> None:
    """Two thousand requests, while their sender tries to change the bytes: every digest is the same."""
    data = oracle.random_bytes("float32", 1000)
    file = memfd(data)
    name = peer.ask(len(data), [file])
    ended = threading.Event()
    refused = []

    def attack() -> None:
        while not ended.is_set():
            for attempt in attempts(file):
                with suppress(OSError):
                    attempt()
                    refused.append(False)
                    continue
                refused.append(True)

    attacker = threading.Thread(target=attack)
    attacker.start()
    message = request(sealed(name, "<f4", (1000,), 0, len(data)))
    messages = [pb.ConvertStreamRequest(request=message)] * 2000
    try:
        answers = unix_stub.ConvertStream(iter(messages))
        digests = [answer.response.tensors[0].metadata.receipt.digest for answer in answers]
    finally:
        ended.set()
        attacker.join()
        os.close(file)
    assert digests == [xxhash.xxh3_128(data).digest()] * 2000
    assert refused.count(True) == 5 * refused.count(False) > 0, "only the private mapping can be written to"


def test_a_region_goes_with_its_connection(peer: Peer, server: Server, unix_stub: TensorServiceStub) -> None:
    peer.hand_over(b"0123")
    before = server.descriptors()
    with Peer(server.addresses[1]) as other:
        name = other.hand_over(b"0123")
        message = request(sealed(name, "<f4", (1,), 0, 4))
        assert TRANSPORTS["unary"](unix_stub, message).refusal is None, "whoever was told the name may use it"
        peer.release(name)  # It is not this connection's.
        peer.hand_over(b"0123", seals=0)
        assert TRANSPORTS["unary"](unix_stub, message).refusal is None
    assert becomes_true(lambda: TRANSPORTS["unary"](unix_stub, message).reason == "REGION_NOT_FOUND")
    assert becomes_true(lambda: server.descriptors() <= before)


def test_bad_ranges(peer: Peer, unix_stub: TensorServiceStub) -> None:
    name = peer.hand_over(bytes(64))
    for offset, nbytes in [(64, 4), (61, 4), (2**64 - 4, 4)]:
        outcome = TRANSPORTS["unary"](unix_stub, request(sealed(name, "<f4", (1,), offset, nbytes)))
        assert outcome.reason == "BAD_SHARED_MEMORY"
    assert TRANSPORTS["unary"](unix_stub, request(sealed(name, "<f4", (2,), 0, 4))).reason == "SIZE_MISMATCH"
    unknown = f"sealed:{0:032x}"
    assert TRANSPORTS["unary"](unix_stub, request(sealed(unknown, "<f4", (1,), 0, 4))).reason == "REGION_NOT_FOUND"
    assert (
        TRANSPORTS["unary"](unix_stub, request(sealed("other", "<f4", (1,), 0, 4))).reason == "SHARED_MEMORY_DISABLED"
    )


def test_what_is_no_sealed_memory(tmp_path: Path, peer: Peer, server: Server) -> None:
    peer.hand_over(b"0123")
    before = server.descriptors()
    for missing in (SHRINK, GROW, WRITE, SEALS):
        assert "it needs F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_WRITE" in peer.hand_over(b"0123", SEALS & ~missing)
    regular = tmp_path / "regular"
    regular.write_bytes(b"0123")
    file = memfd(b"0123")
    others = [os.open(regular, os.O_RDWR), os.open(tmp_path, os.O_RDONLY), *os.pipe(), os.eventfd(0)]
    for other in others:
        assert peer.ask(4, [other]).startswith("BAD_SHARED_MEMORY the descriptor is no memfd")
    assert "got 0" in peer.ask(4, [])
    assert "got 3" in peer.ask(4, [file] * 3)
    for size in (0, 3, 5, 2**64 - 1):
        assert "has 4 bytes" in peer.ask(size, [file])
    for other in [*others, file]:
        os.close(other)
    assert becomes_true(lambda: server.descriptors() <= before)  # It answers first, and closes then.


def test_who_keeps_a_mapping_for_writing_cannot_hand_over(peer: Peer) -> None:
    """The kernel gives such memory no F_SEAL_WRITE; a seal against mappings to come is not enough."""
    file = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(file, b"0123")
    with mmap.mmap(file, 4) as kept:
        with pytest.raises(OSError, match="busy"):
            fcntl.fcntl(file, F_ADD_SEALS, SEALS)
        fcntl.fcntl(file, F_ADD_SEALS, SHRINK | GROW | FUTURE_WRITE)
        assert "it needs F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_WRITE" in peer.ask(4, [file])
        kept[0:1] = b"x"  # This is why.
    assert os.pread(file, 4, 0) == b"x123"
    os.close(file)


def test_huge_memory_that_is_not_there(peer: Peer, server: Server) -> None:
    """Nobody pays for a tebibyte that its owner has not paid for."""
    peer.hand_over(b"0123")
    before, files = server.rss(), server.descriptors()
    for nbytes in (1 << 40, (1 << 63) - 1):
        file = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(file, nbytes)
        fcntl.fcntl(file, F_ADD_SEALS, SEALS)
        assert "posix_fallocate" in peer.ask(nbytes, [file])
        os.close(file)
    assert becomes_true(lambda: server.descriptors() <= files)  # It answers first, and closes then.
    assert server.rss() < before + 16 * MIB


def test_the_file_has_the_mode_of_the_socket_and_is_removed(tmp_path: Path) -> None:
    with Server("--listen", f"unix:{tmp_path}/socket", "--unix-mode", "0660", "--sealed-memory", "on") as server:
        assert stat.S_IMODE((tmp_path / "socket.sealed").stat().st_mode) == 0o660
        assert server.stop() == 0
    assert not (tmp_path / "socket.sealed").exists()


def test_a_killed_server_leaves_a_file_that_the_next_replaces(tmp_path: Path) -> None:
    flags = ("--listen", f"unix:{tmp_path}/socket", "--sealed-memory", "on")
    with Server(*flags) as server:
        server.kill()
    with Server(*flags), Peer(f"unix:{tmp_path}/socket") as peer:
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


def test_descriptors_that_the_server_may_not_open(tmp_path: Path) -> None:
    with (
        Server("--listen", f"unix:{tmp_path}/socket", "--sealed-memory", "on") as server,
        Peer(f"unix:{tmp_path}/socket") as peer,
    ):
        assert peer.hand_over(b"0123").startswith("sealed:")
        limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (5, limits[1]))
        assert peer.hand_over(b"0123") == "MEMORY_BUDGET the server may open no more files now"
        # It may wait for fewer files now than it has; afterwards it goes on.
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (1, limits[1]))
        file = memfd(b"0123")
        socket.send_fds(peer.socket, [HEADER.pack(1, HAND_OVER, 0, 4)], [file])
        os.close(file)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
        assert peer.socket.recv(4096)
        assert peer.hand_over(b"0123").startswith("sealed:")
        assert server.stop() == 0
