"""Callers who ask and do not read what they are answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from google.protobuf.message import Message

from harness import TIMEOUT_S


@contextmanager
def connect_without_window(address: str) -> Iterator[grpc.Channel]:
    """A connection on which the server may send nothing of a message before somebody reads it."""
    options = [
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_receive_message_length", -1),
        ("grpc.http2.lookahead_bytes", 1),
        ("grpc.http2.bdp_probe", 0),
    ]
    with grpc.insecure_channel(address, options) as channel:
        yield channel


def ask(channel: grpc.Channel, method: str, message: Message, count: int) -> list[grpc.Call]:
    """Calls of a method, streams too, whose answers nobody reads until somebody iterates over one of them."""
    call = channel.unary_stream(method)
    return [call(message.SerializeToString(), timeout=TIMEOUT_S) for _ in range(count)]


def ended(calls: list[grpc.Call]) -> list[grpc.Call]:
    return [call for call in calls if not call.is_active()]
