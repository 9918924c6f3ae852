"""The HTTP port for callers beside requests that are damaged, ambiguous or forged; and who may call there."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import MIB, TIMEOUT_S, Server, becomes_true

POST = b"POST /v2/repository/index HTTP/1.1\r\nHost: localhost\r\n"
LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n"
CLOSE = b"Connection: close\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server("--http-listen", "127.0.0.1:0", "--max-message-bytes", "1MiB", "--access-log", "all") as running:
        ask(running, LIVE + CLOSE)
        memory = running.rss()
        yield running
        assert running.alive(), running.log()
        assert running.rss() < memory + 16 * MIB
        assert running.stop() == 0


def ask(server: Server, request: bytes, ends: bool = False) -> bytes:
    """All that the server answers until it closes the connection. With `ends` it is told that no more comes."""
    assert server.http is not None
    host, port = server.http.rsplit(":", 1)
    answer = b""
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as connection:
        connection.sendall(request)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(65536):
            answer += piece
    return answer


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answer)]


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        (POST + b"Content-Length: 2\r\n" + CHUNKED + b"\r\n0\r\n\r\n", [400]),
        (POST + CHUNKED + b"Content-Length: 2\r\n\r\n0\r\n\r\n", [400]),
        (POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", [400]),
        (POST + b"Content-Length: -2\r\n\r\n{}", [400]),
        (POST + b"Content-Length: 99999999999999999999999\r\n\r\n{}", [400]),
        (POST + b"Content-Length: 1048577\r\n\r\n", [413]),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", [400]),
        (POST + CHUNKED + b"\r\nzz\r\n", [400]),
        (POST + CHUNKED + b"\r\n" + (b"10000\r\n" + bytes(65536) + b"\r\n") * 17 + b"0\r\n\r\n", [413]),
        (POST + CHUNKED + b"\r\n64\r\n{}", [400]),
        (POST + b"Content-Length: 100\r\n\r\n{}", []),
        (POST + b"Expect: tea\r\nContent-Length: 2\r\n\r\n", [417]),
        (POST + b"Content-Length: 2\r\n\r\n{}" + LIVE + b"\r\n" + LIVE + CLOSE, [200, 200, 200]),
        (POST + CHUNKED + b"\r\n2\r\n{}\r\n0\r\n\r\n" + LIVE + CLOSE, [200, 200]),
        (POST + b"Content-Length: 0\r\n" + CLOSE, [200]),
        (LIVE + b"X-Request-Id: \xff\xfe\r\n" + CLOSE, [200]),
        (b"GET /v2/models/%zz HTTP/1.1\r\nHost: localhost\r\n" + CLOSE, [404]),
        (b"GET /v2/models/%00%ff HTTP/1.1\r\nHost: localhost\r\n" + CLOSE, [400]),
        (b"GET /v2/models/identity/infer HTTP/1.1\r\nHost: localhost\r\n" + CLOSE, [405]),
    ],
)  # fmt: skip
def test_damaged_and_ambiguous_requests(server: Server, request_bytes: bytes, expected: list[int]) -> None:
    is_whole = request_bytes.endswith(CLOSE)  # Its call would be cancelled if the peer seemed to go.
    ends = not is_whole and expected in ([], [400])
    assert statuses(ask(server, request_bytes, ends)) == expected


@pytest.mark.parametrize(("framing", "body"), [(b"Content-Length: 2\r\n", b"{}"), (CHUNKED, b"2\r\n{}\r\n0\r\n\r\n")])
def test_a_peer_that_asks_first_is_told_to_send_its_body(server: Server, framing: bytes, body: bytes) -> None:
    assert server.http is not None
    host, port = server.http.rsplit(":", 1)
    head = POST + framing + b"Expect: 100-Continue\r\n" + CLOSE
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as peer:
        peer.sendall(head)
        with peer.makefile("rb") as answer:
            assert [answer.readline(), answer.readline()] == [b"HTTP/1.1 100 Continue\r\n", b"\r\n"]
            peer.sendall(body)
            assert statuses(answer.read()) == [200]
    assert statuses(ask(server, head + body)) == [200]  # It has not waited.
    assert ask(server, head.replace(b"HTTP/1.1", b"HTTP/1.0").replace(CHUNKED, b"") + body).startswith(b"HTTP/1.0 200 ")


def test_nobody_forges_the_peer_of_the_access_log(server: Server) -> None:
    assert statuses(ask(server, LIVE + b"tensorferry-peer: 192.0.2.1:5\r\n" + CLOSE)) == [200]

    def lines() -> list[str]:
        return [line for line in server.log().splitlines() if "GRPCInferenceService/ServerLive" in line]

    assert becomes_true(lambda: lines() != [])
    assert all("peer=127.0.0.1:" in line for line in lines())


def test_tokens(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("infer caller-0123456789abcdef\nadmin admin-0123456789abcdef\n")
    tokens.chmod(0o600)
    with Server("--http-listen", "127.0.0.1:0", "--auth-token-file", str(tokens)) as server:

        def told(path: str, token: str = "") -> int:
            field = f"Authorization: Bearer {token}\r\n" if token else ""
            answer = ask(server, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{field}".encode() + CLOSE)
            [status] = statuses(answer)
            if status >= 400:
                body = json.loads(answer.partition(b"\r\n\r\n")[2])
                assert isinstance(body["error"], str)
                assert body["reason"] == {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED"}[status]
            return status

        assert told("/v2/health/live") == 200
        assert told("/v2") == 401
        assert told("/v2", "another-0123456789abcdef") == 401
        assert told("/v2", "caller-0123456789abcdef") == 200
        assert told("/v2/logging", "caller-0123456789abcdef") == 403
        assert told("/v2/logging", "admin-0123456789abcdef") == 200
