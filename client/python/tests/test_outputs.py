"""Memory for outputs, before a server that does what a test says: late, wrongly, or not at all."""

from __future__ import annotations

import gc
import mmap
import os
import queue
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from fake_server import serving

import tensorferry
from tensorferry._sealed import AVAILABLE
from tensorferry.v1 import tensor_service_pb2 as pb

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="this system has no sealed memory")

TIMEOUT_S = 60
NBYTES = 2 << 20
ASK = struct.Struct("<HHIQ")
ANSWER = struct.Struct("<HHI")
RELEASE, FOR_OUTPUTS = 2, 3


class Writer:
    """A server at a Unix socket, with the socket beside it.

    Attributes:
        answer: Answers the request of that number with bytes of an output or the place they were written to.
        refusal: What memory is refused with; "": it is taken.
        silence: Memory that comes is neither taken nor refused, and with "closes" its connection closed.
        memory: What was taken, by name.
        places: The places that requests offered, in order; None where one offered none.
        released: Names that were released.
    """

    def __init__(self, path: Path) -> None:
        self.answer: Callable[[int, pb.SharedMemoryRange | None], Any] = self.write
        self.refusal = ""
        self.silence = ""
        self.asked = 0
        self.memory: dict[str, mmap.mmap] = {}
        self.places: list[pb.SharedMemoryRange | None] = []
        self.released: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.late = threading.Event()
        self._connections: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(f"{path}.sealed")
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def write(self, number: int, place: pb.SharedMemoryRange | None) -> Any:
        """Does what a server does: it writes if it may, and sends the elements otherwise."""
        if place is None:
            return bytes([number]) * NBYTES
        self.memory[place.region][place.offset : place.offset + NBYTES] = bytes([number]) * NBYTES
        return pb.SharedMemoryRange(region=place.region, offset=place.offset, nbytes=NBYTES)

    def convert(self, message: bytes) -> bytes:
        request = pb.ConvertRequest.FromString(message)
        place = request.output_memory if request.HasField("output_memory") else None
        self.places.append(place)
        given = self.answer(len(self.places), place)
        metadata = pb.TensorMetadata(name="y", dtype="uint8", shape=[NBYTES])
        output = pb.Tensor(metadata=metadata)
        if isinstance(given, bytes):
            output.data = given
        else:
            output.shared_memory.CopyFrom(given)
        response = pb.ConvertResponse(tensors=[pb.Tensor() for _ in request.arrays], outputs=[output])
        return bytes(response.SerializeToString())

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while (received := socket.recv_fds(connection, 64, 4))[0]:
                message, descriptors, _, _ = received
                _, kind, tag, nbytes = ASK.unpack_from(message)
                if kind == RELEASE:
                    self.released.put(message[ASK.size :].decode())
                    continue
                assert kind == FOR_OUTPUTS
                self.asked += 1
                if self.silence == "closes":
                    connection.close()
                elif self.silence:
                    pass
                elif self.refusal:
                    connection.send(ANSWER.pack(1, 2, tag) + self.refusal.encode())
                else:
                    name = f"sealed:{len(self.memory):032x}"
                    self.memory[name] = mmap.mmap(descriptors[0], nbytes)
                    connection.send(ANSWER.pack(1, 1, tag) + name.encode())
                for descriptor in descriptors:
                    os.close(descriptor)

    def forget(self) -> None:
        """Does what the end of a server does, in whose place there is another one."""
        for connection in self._connections:
            connection.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        self.late.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def service(self, details: Any) -> Any:
        writer = self._writer
        if details.method.endswith("/ConvertStream"):
            return grpc.stream_stream_rpc_method_handler(self._stream)
        return grpc.unary_unary_rpc_method_handler(lambda request, context: writer.convert(request))

    def _stream(self, messages: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for message in messages:
            request = pb.ConvertStreamRequest.FromString(message).request.SerializeToString()
            response = pb.ConvertResponse.FromString(self._writer.convert(request))
            yield pb.ConvertStreamResponse(response=response).SerializeToString()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Writer]:
    writer = Writer(tmp_path / "s")
    with serving(Handler(writer), f"unix:{tmp_path}/s"):
        yield writer
        writer.stop()


@pytest.fixture
def client(server: Writer, tmp_path: Path) -> Iterator[tensorferry.Client]:
    with tensorferry.Client(f"unix:{tmp_path}/s", timeout=TIMEOUT_S, verify=False) as connected:
        yield connected


def infer(client: tensorferry.Client, timeout: float | None = None) -> Any:
    return client.infer("m", {"x": np.zeros(4, np.uint8)}, timeout=timeout)["y"]


def is_all(array: Any, number: int) -> bool:
    return array.shape == (NBYTES,) and bool(np.all(array == number))


def test_memory_is_offered_once_the_size_is_known(server: Writer, client: tensorferry.Client) -> None:
    held = [infer(client) for _ in range(3)]
    first, *others = server.places
    assert first is None
    assert len({place.region for place in others if place is not None}) == 2
    assert all(place is not None and place.nbytes >= NBYTES for place in others)
    assert all(is_all(array, index + 1) for index, array in enumerate(held))
    del held
    assert is_all(infer(client), 4)
    assert server.asked == 2, "memory that no array lies in is offered again"


def test_what_a_server_writes_too_late_nobody_sees(server: Writer, client: tensorferry.Client) -> None:
    """A request is given up while the server still works at it: its memory is never offered again."""
    infer(client)
    infer(client)
    written = threading.Event()

    def late(number: int, place: pb.SharedMemoryRange | None) -> Any:
        server.late.wait(TIMEOUT_S)
        answer = server.write(number, place)
        written.set()
        return answer

    server.answer = late
    with pytest.raises(tensorferry.DeadlineError):
        infer(client, timeout=2.0)
    given_up = server.places[-1]
    assert given_up is not None
    server.answer = server.write
    held = [infer(client) for _ in range(6)]
    server.late.set()
    assert written.wait(TIMEOUT_S)
    assert given_up.region not in [place.region for place in server.places[3:] if place is not None]
    assert all(is_all(array, index + 4) for index, array in enumerate(held))
    gc.collect()  # What was raised may be in a cycle with what the request had.
    assert server.released.get(timeout=TIMEOUT_S) == given_up.region


@pytest.mark.parametrize(
    "change",
    [
        {"region": "other"},
        {"offset": 1 << 40},
        {"nbytes": 1 << 40},
        {"offset": 2**64 - 1, "nbytes": 2**64 - 1},
    ],
    ids=str,
)
def test_places_that_were_not_offered(
    change: dict[str, Any], server: Writer, client: tensorferry.Client
) -> None:
    infer(client)

    def elsewhere(number: int, place: pb.SharedMemoryRange | None) -> Any:
        answer = server.write(number, place)
        for field, value in change.items():
            setattr(answer, field, value)
        return answer

    server.answer = elsewhere
    with pytest.raises(tensorferry.ProtocolError, match="of another memory"):
        infer(client)
    server.answer = server.write
    assert is_all(infer(client), 3)


def test_a_place_where_none_was_offered(server: Writer, client: tensorferry.Client) -> None:
    server.answer = lambda number, place: pb.SharedMemoryRange(region="r", nbytes=NBYTES)
    with pytest.raises(tensorferry.ProtocolError, match="memory that was not offered"):
        infer(client)


def test_a_server_that_sends_them_all_the_same(server: Writer, client: tensorferry.Client) -> None:
    server.answer = lambda number, place: bytes([number]) * NBYTES
    for number in range(1, 6):
        assert is_all(infer(client), number)
    assert server.asked == 1


@pytest.mark.parametrize(
    ("refusal", "times"),
    [("BAD_SHARED_MEMORY has kind 3", 1), ("MEMORY_BUDGET none now", 4), ("TENSOR_TOO_LARGE ever", 4)],
)
def test_memory_that_is_refused(refusal: str, times: int, server: Writer, client: tensorferry.Client) -> None:
    """An older server is asked once, one without room each time."""
    server.refusal = refusal
    for number in range(1, 6):
        assert is_all(infer(client), number)
    assert server.places == [None] * 5
    assert server.asked == times


def test_what_is_not_taken_in_time_costs_later_calls_nothing(
    server: Writer, client: tensorferry.Client
) -> None:
    infer(client)
    server.silence = "waits"
    assert is_all(infer(client, timeout=2.0), 2), "messages bring it in the other half of the time"
    server.silence = ""
    assert is_all(infer(client), len(server.places))
    assert server.places[-1] is not None


def test_a_server_that_starts_anew_is_offered_new_memory(server: Writer, client: tensorferry.Client) -> None:
    for _ in range(2):
        assert is_all(infer(client), len(server.places))
        assert is_all(infer(client), len(server.places))
        assert server.places[-1] is not None
        server.forget()
    assert server.asked == 2


def test_where_nobody_takes_memory_for_the_time_being(
    server: Writer, client: tensorferry.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again, but not with each call."""
    infer(client)
    server.silence = "closes"
    monkeypatch.setattr("tensorferry._outputs._REST_S", 0.0)
    assert [is_all(infer(client), number) for number in (2, 3)] == [True] * 2
    assert server.asked == 2
    monkeypatch.setattr("tensorferry._outputs._REST_S", 1000.0)
    assert [is_all(infer(client), number) for number in (4, 5, 6)] == [True] * 3
    assert server.asked == 3
    server.silence = ""
    assert is_all(infer(client), 7)
    assert server.places == [None] * 7, "it rests still"


def test_pages_that_were_copied_are_not_taken_for_the_answer(
    server: Writer, client: tensorferry.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of a process that locks all of its memory are."""
    infer(client)
    infer(client)

    def copied(number: int, place: pb.SharedMemoryRange | None) -> Any:
        monkeypatch.setattr("tensorferry._outputs.was_written", lambda address, nbytes: True)
        return server.write(number, place)

    server.answer = copied
    with pytest.raises(tensorferry.ProtocolError, match="copied already"):
        infer(client)
    server.answer = server.write
    for number in range(4, 8):
        assert is_all(infer(client), number)
    assert server.places[-2:] == [None, None]
