"""Speaks gRPC-Web by hand: frames of messages, and the frame of trailers behind them."""

from __future__ import annotations

import base64
import http.client
import struct
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from harness import TIMEOUT_S

BINARY = "application/grpc-web+proto"
TEXT = "application/grpc-web-text+proto"
CONVERT = "/tensorferry.v1.TensorService/Convert"
CONVERT_STREAM = "/tensorferry.v1.TensorService/ConvertStream"


def frame(message: bytes, flags: int = 0) -> bytes:
    return struct.pack(">BI", flags, len(message)) + message


def frames(*messages: Message) -> bytes:
    return b"".join(frame(message.SerializeToString()) for message in messages)


@dataclass(frozen=True)
class Answer:
    status: int
    fields: dict[str, str]
    body: bytes

    def messages(self) -> list[bytes]:
        """The messages, each whole; the frame of trailers is the last, and nothing is behind it."""
        messages, rest = [], self.body
        while rest:
            flags, nbytes = struct.unpack(">BI", rest[:5])
            assert len(rest) >= 5 + nbytes
            piece, rest = rest[5 : 5 + nbytes], rest[5 + nbytes :]
            assert flags == (0 if rest else 0x80)
            messages.append(piece)
        return messages[:-1]

    def trailers(self) -> dict[str, str]:
        text = self.body[self.body.rindex(b"\x80") + 5 :].decode("ascii")
        return dict(line.split(":", 1) for line in text.removesuffix("\r\n").split("\r\n"))


def reason_of(details: str) -> str:
    """The reason within the base64 of grpc-status-details-bin."""
    status = status_pb2.Status.FromString(base64.b64decode(details + "=" * (-len(details) % 4)))
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info.reason


def ask(address: str, path: str, body: bytes, *, method: str = "POST", **fields: Any) -> Answer:
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
    headers = {"Content-Type": BINARY, **{name.replace("_", "-"): value for name, value in fields.items()}}
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    answer = Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    connection.close()
    return answer
