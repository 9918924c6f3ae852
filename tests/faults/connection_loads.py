"""Loads of callers that begin something and leave it, or never spoke the protocol."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from itertools import cycle
from multiprocessing import get_context
from urllib.parse import urlsplit

import grpc

from call_loads import STREAM
from harness import MIB, connect
from pressure import Load, Pressure
from raw_http2 import PREFACE, call_with_headers
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import array, chunk_part, request, request_part

IDLE = ("--idle-timeout", "2s")
UPLOAD = 256 * MIB


def _announced(nbytes: int) -> pb.ConvertStreamRequest:
    return request_part(request(pb.Array(name="x", dtype="|u1", shape=[nbytes], chunked_nbytes=nbytes)))


def stalled_uploads(pressure: Pressure) -> None:
    """64 streams announce a quarter of the budget each, send 1,000 bytes, and fall silent until they are ended."""
    ended = threading.Event()

    def silent() -> Iterator[bytes]:
        yield _announced(UPLOAD).SerializeToString()
        yield chunk_part(bytes(1000)).SerializeToString()
        ended.wait()

    def stall(channel: grpc.Channel) -> None:
        stream = channel.stream_stream(STREAM)(silent())
        while pressure.goes_on() and stream.is_active():
            pressure.wait(0.1)
        stream.cancel()
        pressure.count(stream.code().name)

    pressure.repeat(stall, callers=64)
    ended.set()


def unread_answers(pressure: Pressure) -> None:
    """32 streams ask for their 8 MiB back, and read none of it."""
    data = bytes(8 * MIB)
    part = request_part(request(array("|u1", (len(data),), data))).SerializeToString()

    def ask(channel: grpc.Channel) -> None:
        stream = channel.stream_stream(STREAM)(iter([part]))
        pressure.wait(3)  # A second more than the server waits.
        stream.cancel()
        pressure.count("left")

    pressure.repeat(ask, callers=32)


def _die_in_mid_upload(address: str) -> None:
    def parts() -> Iterator[pb.ConvertStreamRequest]:
        yield _announced(32 * MIB)
        for _ in range(16):
            yield chunk_part(bytes(MIB))
        os.kill(os.getpid(), signal.SIGKILL)

    with connect(address) as channel:
        list(TensorServiceStub(channel).ConvertStream(parts()))


def dying_clients(pressure: Pressure) -> None:
    """Processes that are killed half way through an upload, two at a time."""
    context = get_context("fork")  # gRPC has not begun in this process, so its children may.
    while pressure.goes_on():
        clients = [context.Process(target=_die_in_mid_upload, args=[pressure.address]) for _ in range(2)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
            pressure.count(f"exit code {client.exitcode}")


def _connected(address: str) -> socket.socket:
    parts = urlsplit(f"//{address}")
    return socket.create_connection((parts.hostname, parts.port), timeout=10)


def _sockets(pressure: Pressure, use: Callable[[socket.socket], str]) -> None:
    def run() -> None:
        while pressure.goes_on():
            try:
                with _connected(pressure.address) as connection:
                    pressure.count(use(connection))
            except OSError as error:
                pressure.count(type(error).__name__)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


BEGINNINGS = [b"", PREFACE[:10], PREFACE, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"]


def dropped_connections(pressure: Pressure) -> None:
    """Connections that are dropped in silence, in the preface, behind it, and by those who speak something else."""
    beginnings = cycle(BEGINNINGS)

    def drop(connection: socket.socket) -> str:
        connection.sendall(next(beginnings))
        pressure.wait(0.005)
        return "dropped"

    _sockets(pressure, drop)


GOOD = {
    ":method": "POST",
    ":scheme": "http",
    ":path": "/tensorferry.v1.TensorService/GetServerInfo",
    ":authority": "localhost",
    "content-type": "application/grpc",
    "te": "trailers",
}
BAD = [
    {"content-type": "text/html"},
    {"grpc-timeout": "soon"},
    {"grpc-timeout": "99999999999S"},
    {"grpc-encoding": "nobodys"},
    {":path": "/no.such.Service/Method"},
    {":path": "/"},
    {":method": "GET"},
    {"x-long": "x" * 4096},
]


def bad_headers(pressure: Pressure) -> None:
    """Calls whose headers gRPC or the server refuses, on a connection each."""
    requests = cycle(BAD)

    def send(connection: socket.socket) -> str:
        return call_with_headers(connection, {**GOOD, **next(requests)})

    _sockets(pressure, send)


CONNECTION_LOADS = [
    Load("stalled uploads", stalled_uploads, (*IDLE, "--memory-budget", "1GiB")),
    Load("answers that nobody reads", unread_answers, IDLE),
    Load("clients that are killed in mid-upload", dying_clients),
    Load("connections opened and dropped", dropped_connections),
    Load("bad headers", bad_headers),
]
