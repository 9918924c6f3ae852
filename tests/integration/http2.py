"""A caller that writes HTTP/2 by itself (RFC 9113), for headers that gRPC's own clients refuse to send."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from harness import TIMEOUT_S

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(text: str) -> bytes:
    assert len(text) < 127  # Longer ones have a length of several bytes.
    return bytes([len(text)]) + text.encode()


def header_block(headers: Iterable[tuple[str, str]]) -> bytes:
    """The headers without compression (RFC 7541, 6.2.2)."""
    return b"".join(b"\0" + literal(name) + literal(value) for name, value in headers)


class Connection:
    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._file = sock.makefile("rb")
        self._stream = 1
        sock.sendall(PREFACE + frame(SETTINGS, 0, 0))

    def frames(self) -> Iterator[tuple[int, int, int, bytes]]:
        """What the server sends: kind, flags, stream, payload. Settings and pings are acknowledged."""
        while head := self._file.read(9):
            kind, flags, stream = struct.unpack(">BBI", head[3:])
            payload = self._file.read(int.from_bytes(head[:3], "big"))
            if kind in {SETTINGS, PING} and not flags & ACK:
                self._socket.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
            yield kind, flags, stream, payload

    def wait_for_greeting(self) -> None:
        """Returns when the server has taken the connection. What it says is left unread."""
        self._socket.recv(1, socket.MSG_PEEK)

    def wait_for_end(self) -> None:
        """Returns when the server has closed the connection."""
        for _ in self.frames():
            pass

    def call(self, method: str, message: bytes, *more: tuple[str, str]) -> None:
        """Calls a unary method, and returns when the server has ended the call."""
        stream = self._stream
        self._stream += 2
        headers = [(":method", "POST"), (":scheme", "http"), (":path", method), (":authority", "localhost")]
        headers += [("content-type", "application/grpc"), ("te", "trailers"), *more]
        body = b"\0" + struct.pack(">I", len(message)) + message
        self._socket.sendall(
            frame(HEADERS, END_HEADERS, stream, header_block(headers)) + frame(DATA, END_STREAM, stream, body)
        )
        assert any(of == stream and kind == HEADERS and flags & END_STREAM for kind, flags, of, _ in self.frames())


@contextmanager
def connect_raw(address: str) -> Iterator[Connection]:
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), TIMEOUT_S) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Connection(sock)
