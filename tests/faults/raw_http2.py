"""As much HTTP/2 as a call with headers of one's own choice needs; the clients of gRPC would refuse to send them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping

HEADERS, SETTINGS = 1, 4
END_STREAM, END_HEADERS = 1, 4
MESSAGE = b"\0\0\0\0\0"  # A message without content, as gRPC frames it.


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(SETTINGS, 0, 0)


def _text(text: str) -> bytes:
    """A string literal of HPACK: its length, of seven bits and then of seven more each, and its bytes."""
    raw = text.encode()
    if len(raw) < 127:
        return bytes([len(raw)]) + raw
    length, rest = bytearray([127]), len(raw) - 127
    while rest >= 128:
        length.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*length, rest]) + raw


def call_with_headers(connection: socket.socket, headers: Mapping[str, str]) -> str:
    """Makes a call on a new connection: whether the server answered with headers, or closed the connection."""
    never_indexed = b"".join(b"\x10" + _text(name) + _text(value) for name, value in headers.items())
    call = _frame(HEADERS, END_HEADERS, 1, never_indexed) + _frame(0, END_STREAM, 1, MESSAGE)
    connection.sendall(PREFACE + call)
    received = b""
    while more := connection.recv(1 << 16):
        received += more
        if 1 in _streams(received):
            return "answered"
    return "closed"


def _streams(received: bytes) -> set[int]:
    """The streams of the frames that were received whole."""
    streams, at = set(), 0
    while at + 9 <= len(received):
        length, stream = int.from_bytes(received[at : at + 3], "big"), int.from_bytes(received[at + 5 : at + 9], "big")
        at += 9 + length
        if at <= len(received):
            streams.add(stream)
    return streams
