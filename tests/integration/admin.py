"""Asks the admin port over HTTP: by Python's own client, and byte by byte."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness import TIMEOUT_S, Server

ADMIN = ("--admin-listen", "127.0.0.1:0")


@dataclass(frozen=True)
class Answer:
    status: int
    fields: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        assert self.fields["Content-Type"] == "application/json"
        return json.loads(self.body)

    def error(self) -> dict[str, Any]:
        """What an answer other than 200 says."""
        error = self.json()["error"]
        assert error["status"] == self.status
        assert set(error) == {"status", "message", "expected", "actual"}
        assert error["message"]
        return error


def answer_of(response: http.client.HTTPResponse) -> Answer:
    return Answer(response.status, response.headers, response.read())


def ask(
    server: Server | str,
    path: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    """One request on a connection of its own."""
    address = server if isinstance(server, str) else server.admin
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
    try:
        connection.request(method, path, body, headers=dict(headers or {}))
        return answer_of(connection.getresponse())
    finally:
        connection.close()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def dial(server: Server) -> socket.socket:
    host, _, port = server.admin.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=TIMEOUT_S)


def next_answer(connection: socket.socket, method: str = "GET") -> Answer:
    """The next answer on a connection on which one request at a time is under way."""
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    return answer_of(response)


def is_closed(connection: socket.socket) -> bool:
    """Waits until the server has closed the connection; false if it sends something instead."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def raw(server: Server, request: bytes) -> Answer:
    """The answer to bytes after which the server closes the connection."""
    with dial(server) as connection:
        connection.sendall(request)
        answer = next_answer(connection)
        assert is_closed(connection)
    return answer
