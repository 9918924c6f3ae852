"""Callers who ask and do not read what they are answered."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from google.protobuf.message import Message

from harness import TIMEOUT_S, Server
from http_calls import connect_http


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


def connect_http_without_window(server: Server) -> http.client.HTTPConnection:
    """A connection whose system takes little that nobody reads. Left alone it would take more with each answer."""
    connection = connect_http(server)
    connection.connect()
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    return connection


def ask(channel: grpc.Channel, method: str, message: Message, count: int) -> list[grpc.Call]:
    """Calls of a method, streams too, whose answers nobody reads until somebody iterates over one of them."""
    call = channel.unary_stream(method)
    return [call(message.SerializeToString(), timeout=TIMEOUT_S) for _ in range(count)]


def ended(calls: list[grpc.Call]) -> list[grpc.Call]:
    return [call for call in calls if not call.is_active()]
