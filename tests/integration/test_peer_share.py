"""One peer may take the whole memory budget while it is alone; when another one waits for room, it makes room.

Here callers over a Unix socket are one peer, and those from 127.0.0.1 another.
"""

from __future__ import annotations

import socket
from pathlib import Path

import grpc

from harness import MIB, Server, becomes_true, connect_stub
from metrics import Scrape, families_of, text_of
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from uploads import Upload
from wire import array, convert_unary, request

SMALL = request(array("<f4", (4,), bytes(16)))
BUDGET = 64 * MIB  # Of which a peer's share is 48 MiB.
PART = 16 * MIB


def flags(folder: Path, idle_timeout: str) -> list[str]:
    listen = ["--listen", f"unix:{folder}/socket", "--admin-listen", "127.0.0.1:0"]
    return [*listen, "--memory-budget", f"{BUDGET}", "--idle-timeout", idle_timeout]


def largest_peer(server: Server) -> float:
    return Scrape.of(families_of(text_of(server))).value("tensorferry_budget_largest_peer_bytes")


def take_all(server: Server, greedy: TensorServiceStub) -> list[Upload]:
    """Uploads that hold the whole budget, as each lacks its last byte."""
    uploads = [Upload(greedy, PART) for _ in range(BUDGET // PART)]
    for upload in uploads:
        upload.send(PART - 1)
    assert becomes_true(lambda: largest_peer(server) == BUDGET)
    return uploads


def outcome(upload: Upload) -> tuple[grpc.StatusCode, str]:
    """Sends the last byte, and says what has become of the upload: its code, with the error or the bytes received."""
    upload.send(1)
    try:
        return grpc.StatusCode.OK, str(upload.answer().tensors[0].metadata.numel)
    except grpc.RpcError as error:
        return error.code(), error.details()
    finally:
        upload.cancel()


def test_who_holds_more_than_its_share_has_a_second_when_others_wait(tmp_path: Path) -> None:
    with (
        Server(*flags(tmp_path, "24h")) as server,
        connect_stub(server.addresses[1]) as greedy,
        connect_stub(server.address) as other,
    ):
        uploads = take_all(server, greedy)
        assert convert_unary(other, SMALL).reason == "MEMORY_BUDGET"
        assert becomes_true(lambda: convert_unary(other, SMALL).reason == "")
        # The last ones are left alone if the second of those before them, which made room enough, was over earlier.
        (error,) = {outcome(upload) for upload in uploads} - {(grpc.StatusCode.OK, str(PART))}
        assert error[0] == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "share of the server's memory budget and others wait" in error[1]
        assert becomes_true(lambda: largest_peer(server) == 0)


def test_no_more_uploads_end_than_are_in_the_way(tmp_path: Path) -> None:
    with (
        Server(*flags(tmp_path, "0s")) as server,
        connect_stub(server.addresses[1]) as greedy,
        connect_stub(server.address) as other,
    ):
        uploads = take_all(server, greedy)
        assert convert_unary(other, SMALL).reason == "MEMORY_BUDGET"
        first, *rest = uploads
        first.send(1)
        error = first.answer().error
        assert (error.reason, error.retry_after_ms) == ("MEMORY_BUDGET", 100)
        assert f"holds {BUDGET} bytes" in error.message
        assert f"share of {BUDGET // 4 * 3} bytes" in error.message
        assert becomes_true(lambda: largest_peer(server) == BUDGET - PART)
        for upload in rest:
            upload.send(1)
            assert upload.answer().tensors[0].metadata.numel == PART
        for upload in uploads:
            upload.end()


def test_calls_and_bodies_of_an_address_are_counted_together(tmp_path: Path) -> None:
    head = f"POST /v1/convert HTTP/1.1\r\nHost: localhost\r\nContent-Length: {PART}\r\n\r\n".encode()
    with (
        Server(*flags(tmp_path, "60s"), "--http-listen", "127.0.0.1:0") as server,
        connect_stub(server.address) as stub,
    ):
        upload = Upload(stub, PART)
        upload.send(PART - 1)
        host, port = server.http.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(head + bytes(PART - 1))
            assert becomes_true(lambda: largest_peer(server) == 2 * PART)
        assert becomes_true(lambda: largest_peer(server) == PART)
        upload.cancel()
