"""The admin port beside peers that are slow, huge or speak no HTTP: what they cost is bounded, others are answered."""

from __future__ import annotations

import io
import os
import random
import resource
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from admin import ADMIN, Answer, ask, dial, is_closed, next_answer, raw
from harness import MIB, Server, becomes_true

MOST_CONNECTIONS = 64
MOST_HEAD_BYTES = 8 << 10
GET = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module")
def admin() -> Iterator[Server]:
    with Server(*ADMIN, "--self-check", "0s") as server:  # Which would have descriptors of its own now and then.
        ask(server, "/livez")
        threads, memory = server.threads(), server.rss()
        yield server
        assert server.alive(), server.log()
        assert becomes_true(lambda: server.threads() <= threads)
        assert becomes_true(lambda: server.rss() < memory + 16 * MIB)
        assert server.stop() == 0


class Received(io.BytesIO):
    """All that came on a connection, for Python's client to read one answer after the other from."""

    def makefile(self, _mode: str) -> Received:
        return self

    def close(self) -> None:
        """The client closes after each answer."""


def answers(server: Server, request: bytes, count: int) -> list[Answer]:
    """The answers on one connection to bytes that hold `count` requests, the last of which closes it."""
    with dial(server) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as stream:
            received = Received(stream.read())
    found = [next_answer(received) for _ in range(count)]  # type: ignore[arg-type]
    assert received.read() == b""
    return found


def test_slow_peers_keep_nobody_out(admin: Server) -> None:
    """200 of them send a request byte by byte."""
    before = admin.descriptors()
    with ExitStack() as stack:
        slow = []
        for _ in range(200):
            slow.append(stack.enter_context(dial(admin)))
            slow[-1].sendall(GET[:-9])
        for byte in GET[-9:-4]:
            for connection in slow:
                with suppress(OSError):  # Those that had to make room.
                    connection.sendall(bytes([byte]))
            assert ask(admin, "/livez").status == 200
        assert becomes_true(lambda: admin.descriptors() <= before + MOST_CONNECTIONS)
        assert is_closed(slow[0])
        # The last ones of them are still served.
        slow[-1].sendall(GET[-4:])
        assert next_answer(slow[-1]).status == 200


def test_peers_that_come_and_go_keep_nobody_out(admin: Server) -> None:
    ended = threading.Event()

    def flood() -> None:
        while not ended.is_set():
            with suppress(OSError), dial(admin) as connection:
                connection.sendall(GET[:7])
                # Resets the connection.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(100):
            assert ask(admin, "/livez").status == 200
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_a_peer_that_reads_no_answers_costs_the_others_nothing(admin: Server) -> None:
    with dial(admin) as connection:
        connection.setblocking(False)
        request = b"GET /configz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000
        with suppress(BlockingIOError):
            while True:
                connection.send(request)
        assert ask(admin, "/readyz").status == 200


def test_peers_wait_while_there_are_no_descriptors() -> None:
    with Server(*ADMIN, "--self-check", "0s") as server, ExitStack() as stack:
        former = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        most = 1 + max(int(name) for name in os.listdir(f"/proc/{server.pid}/fd"))
        room = most - server.descriptors()
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (most, former[1]))
        waiting = [stack.enter_context(dial(server)) for _ in range(room + 2)]
        for connection in waiting:
            connection.sendall(GET)
        assert becomes_true(lambda: server.descriptors() == most)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, former)
        for connection in waiting:
            assert next_answer(connection).status == 200


def test_requests_of_one_connection_are_answered_in_order(admin: Server) -> None:
    paths = ["/livez", "/version", "/nothing"] * 20
    request = "".join(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n" for path in paths)
    found = answers(admin, request.encode()[:-2] + b"Connection: close\r\n\r\n", len(paths))
    assert [answer.status for answer in found] == [200, 200, 404] * 20
    assert [answer.fields["Content-Type"] for answer in found[:2]] == ["text/plain; charset=utf-8", "application/json"]


@pytest.mark.parametrize("nbytes", [MOST_HEAD_BYTES, MIB, 8 * MIB])
def test_a_head_that_is_too_long(admin: Server, nbytes: int) -> None:
    for request in (b"GET /" + b"a" * nbytes, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * nbytes):
        answer = raw(admin, request + b"\r\n\r\n")
        assert answer.status == 431
        assert answer.error()["expected"] == f"at most {MOST_HEAD_BYTES} bytes"


def send_for_ever(connection: socket.socket, piece: bytes) -> None:
    while True:
        connection.sendall(piece)


def test_a_head_that_never_ends(admin: Server) -> None:
    with dial(admin) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
        with pytest.raises(ConnectionError):
            send_for_ever(connection, b"X: a\r\n" * 10_000)


def test_the_longest_head(admin: Server) -> None:
    padding = b"a" * (MOST_HEAD_BYTES - len(GET) - len(b"X: \r\n"))
    assert raw_ok(admin, GET[:-2] + b"X: " + padding + b"\r\n\r\n").status == 200


def raw_ok(server: Server, request: bytes, method: str = "GET") -> Answer:
    with dial(server) as connection:
        connection.sendall(request)
        return next_answer(connection, method)


BODIES = {
    "length": b"Content-Length: 1\r\n\r\nx",
    "huge length": b"Content-Length: 18446744073709551615\r\n\r\n",
    "chunks": b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    "a huge chunk": b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    "expectation": b"Content-Length: 1\r\nExpect: 100-continue\r\n\r\n",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_bodies_are_not_taken(admin: Server, body: bytes) -> None:
    answer = raw(admin, GET[:-2] + body)
    assert answer.status == 413
    assert answer.error()["expected"] == "at most 0 bytes"


def test_an_empty_body_is_none(admin: Server) -> None:
    for body in (b"Content-Length: 0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"):
        assert raw_ok(admin, GET[:-2] + body).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PURGE", "NONSENSE", "get"])
def test_other_methods(admin: Server, method: str) -> None:
    answer = ask(admin, "/livez", method=method)
    assert answer.status == 405
    assert answer.fields["Allow"] == "GET, HEAD"
    assert answer.error()["actual"] == method


def test_http_1_0(admin: Server) -> None:
    with dial(admin) as connection:
        connection.sendall(b"GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert next_answer(connection).status == 200
        connection.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        assert next_answer(connection).status == 200
        assert is_closed(connection)


def test_a_connection_is_kept_until_its_peer_says_otherwise(admin: Server) -> None:
    with dial(admin) as connection:
        for method in ("GET", "HEAD", "POST", "GET"):
            connection.sendall(GET.replace(b"GET", method.encode()))
            assert next_answer(connection, method).status == (405 if method == "POST" else 200)
        connection.sendall(GET[:-2] + b"Connection: close\r\n\r\n")
        assert next_answer(connection).fields["Connection"] == "close"
        assert is_closed(connection)


def test_a_peer_that_sends_no_more_is_answered(admin: Server) -> None:
    with dial(admin) as connection:
        connection.sendall(GET)
        connection.shutdown(socket.SHUT_WR)
        assert next_answer(connection).status == 200
        assert is_closed(connection)


MALFORMED = {
    "no HTTP": b"hello\r\n\r\n",
    "HTTP/0.9": b"GET /livez\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1.2": b"GET /livez HTTP/1.2\r\nHost: a\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n",
    "no host": b"GET /livez HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a field without colon": b"GET /livez HTTP/1.1\r\nHost: a\r\nfield\r\n\r\n",
    "a blank before the colon": b"GET /livez HTTP/1.1\r\nHost : a\r\n\r\n",
    "a zero in a field": b"GET /livez HTTP/1.1\r\nHost: a\0b\r\n\r\n",
    "a zero in the target": b"GET /livez\0 HTTP/1.1\r\nHost: a\r\n\r\n",
    "two lengths": GET[:-2] + b"Content-Length: 0\r\nContent-Length: 1\r\n\r\n",
    "a length below zero": GET[:-2] + b"Content-Length: -1\r\n\r\n",
    "a length that is no number": GET[:-2] + b"Content-Length: many\r\n\r\n",
    "length and chunks": GET[:-2] + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an encoding that is not known": GET[:-2] + b"Transfer-Encoding: gzip\r\n\r\n",
    "chunks within an encoding": GET[:-2] + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a chunk without a size": GET[:-2] + b"Transfer-Encoding: chunked\r\n\r\nx\r\n\r\n",
    "no path": b"GET livez HTTP/1.1\r\nHost: a\r\n\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tunnel": b"CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n",
}


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
def test_malformed_requests(admin: Server, request_: bytes) -> None:
    answer = raw(admin, request_)
    assert answer.status == 400
    assert answer.error()["expected"]


def test_a_request_that_ends_within_its_head(admin: Server) -> None:
    with dial(admin) as connection:
        connection.sendall(GET[:10])
        connection.shutdown(socket.SHUT_WR)
        assert next_answer(connection).status == 400
        assert is_closed(connection)


@pytest.mark.parametrize("target", ["http://other/livez", "/livez?verbose", "http://other:1/livez?x=/y"])
def test_targets_with_host_and_query(admin: Server, target: str) -> None:
    assert raw_ok(admin, f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()).status == 200


@pytest.mark.parametrize("seed", range(20))
def test_any_bytes_at_all(admin: Server, seed: int) -> None:
    """Requests of which some bytes were changed, in pieces: an answer or none, and the next peer is answered."""
    source = random.Random(seed)
    request = bytearray(GET[:-2] + b"Accept: */*\r\nContent-Length: 0\r\n\r\n" + GET)
    for _ in range(source.randrange(1, 8)):
        request[source.randrange(len(request))] = source.randrange(256)
    with dial(admin) as connection, suppress(ConnectionError):
        while request:
            size = source.randrange(1, 40)
            connection.sendall(request[:size])
            del request[:size]
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
    assert ask(admin, "/livez").status == 200
