"""Bodies over HTTP in gzip and deflate (--http-gzip); Python's gzip and zlib are the oracle."""

from __future__ import annotations

import gzip
import http.client
import io
import json
import socket
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from harness import MIB, TIMEOUT_S, Server, becomes_true
from http_calls import HTTP, LENGTH, binary_body, connect_http
from metrics import Scrape, families_of, text_of
from npy_files import saved

INFER = "/v2/models/identity/infer"
CONVERT = "/v1/convert"
LIMIT = 4 * MIB
ARRAY = np.random.default_rng(0).integers(0, 9, (64, 64)).astype("<i4")
UNPACK = {"gzip": gzip.decompress, "deflate": zlib.decompress}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    flags = ("--http-gzip", "--max-message-bytes", "4MiB", "--memory-budget", "24MiB", "--admin-listen", "127.0.0.1:0")
    with Server(*HTTP, *flags) as running:
        yield running
        assert running.alive(), running.log()
        assert becomes_true(lambda: held(running) == 0)
        assert running.stop() == 0


def held(server: Server) -> float:
    return Scrape.of(families_of(text_of(server))).value("tensorferry_inflight_bytes")


def ask(
    server: Server, path: str, body: bytes | Iterator[bytes] | None, fields: dict[str, str]
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = connect_http(server)
    connection.request("GET" if body is None else "POST", path, body, {"Accept-Encoding": "identity", **fields})
    response = connection.getresponse()
    answer = response.status, response.headers, response.read()
    connection.close()
    return answer


def two_members(body: bytes) -> bytes:
    return gzip.compress(body[:100]) + gzip.compress(b"") + gzip.compress(body[100:])


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def with_name(body: bytes) -> bytes:
    """As the program gzip writes it."""
    file = io.BytesIO()
    with gzip.GzipFile("body.json", "wb", fileobj=file) as target:
        target.write(body)
    return file.getvalue()


PACKED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "GZip": ("GZip", gzip.compress),
    "x-gzip": ("x-gzip", with_name),
    "stored": ("gzip", lambda body: gzip.compress(body, 0)),
    "two-members": ("gzip", two_members),
    "deflate": ("deflate", zlib.compress),
    "identity": ("identity", bytes),
}


@pytest.mark.parametrize("case", PACKED)
def test_packed_bodies_are_taken(server: Server, case: str) -> None:
    coding, pack = PACKED[case]
    fields = {"Content-Encoding": coding}
    body, lengths = binary_body({"x": ("INT32", ARRAY)})
    status, headers, answer = ask(server, INFER, pack(body), {**fields, **lengths})
    assert (status, headers["Content-Encoding"]) == (200, None)
    assert answer.endswith(ARRAY.tobytes())
    as_json = {"inputs": [{"name": "x", "datatype": "INT32", "shape": ARRAY.shape, "data": ARRAY.tolist()}]}
    _, _, answer = ask(server, INFER, pack(json.dumps(as_json).encode()), fields)
    assert json.loads(answer)["outputs"][0]["data"] == ARRAY.ravel().tolist()
    status, _, answer = ask(server, CONVERT, pack(saved(ARRAY)), fields)
    assert (status, [each["digest_equal"] for each in json.loads(answer)["tensors"]]) == (200, [True])
    _, _, answer = ask(server, "/v2/logging", pack(b'{"log_verbose_level": 0}'), fields)
    assert json.loads(answer)["log_verbose_level"] == 0


def test_a_body_in_chunks(server: Server) -> None:
    body, lengths = binary_body({"x": ("INT32", ARRAY)})
    packed = gzip.compress(body)
    pieces = iter([packed[:10], packed[10:500], packed[500:]])
    status, _, answer = ask(server, INFER, pieces, {"Content-Encoding": "gzip", **lengths})
    assert (status, answer[-ARRAY.nbytes :]) == (200, ARRAY.tobytes())


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 2 * MIB - 1, 2 * MIB, 2 * MIB + 1, LIMIT - 400])
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_bodies_of_every_size(server: Server, coding: str, size: int) -> None:
    """Around the steps in which memory is admitted; what hardly shrinks, and what shrinks as far as it can."""
    for array in (np.random.default_rng(1).integers(0, 256, size).astype(np.uint8), np.zeros(size, np.uint8)):
        body, lengths = binary_body({"x": ("UINT8", array)})
        packed = {"gzip": gzip.compress, "deflate": zlib.compress}[coding](body, 1)
        if len(packed) > LIMIT:
            continue
        status, _, answer = ask(server, INFER, packed, {"Content-Encoding": coding, **lengths})
        assert status == 200, answer
        assert answer[len(answer) - size :] == array.tobytes()


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br", "gzip"),
        ("br, GZIP;q=0.4, deflate;q=0.5", "deflate"),
        ("*", None),
        ("identity, gzip;q=0.5", None),
        ("gzip;q=0, *;q=0", None),
        ("br", None),
        ("", None),
    ],
)
def test_answers_are_packed_for_those_who_ask(server: Server, accepted: str, coding: str | None) -> None:
    body, lengths = binary_body({"x": ("INT32", ARRAY)})
    members = io.BytesIO()
    np.savez(members, **{f"x{i}": ARRAY for i in range(8)})
    for path, sent, fields in (
        (INFER, body, lengths),
        (INFER, body.replace(b'"binary_data_output": true', b'"binary_data_output":false'), lengths),
        (CONVERT, members.getvalue(), {}),
        (CONVERT, members.getvalue(), {"Accept": "application/x-npz"}),
    ):
        _, plain, expected = ask(server, path, sent, fields)
        status, headers, answer = ask(server, path, sent, {**fields, "Accept-Encoding": accepted})
        assert (status, headers["Content-Encoding"]) == (200, coding)
        assert int(headers["Content-Length"]) == len(answer)
        assert headers["Vary"] == plain["Vary"] == "Accept-Encoding"
        assert headers[LENGTH] == plain[LENGTH]
        unpacked = UNPACK[coding](answer) if coding else answer
        assert len(answer) < len(unpacked) if coding else answer == unpacked
        if path == INFER or "Accept" in fields:
            assert unpacked == expected
        else:  # Receipts come with times.
            assert json.loads(unpacked)["tensors"] == json.loads(expected)["tensors"]


def test_answers_that_stay_as_they_are(server: Server) -> None:
    asked = {"Accept-Encoding": "gzip"}
    noise = np.random.default_rng(1).integers(0, 256, MIB).astype(np.uint8)
    for array in (np.zeros(4, np.uint8), noise):  # Too short; and longer if it were packed.
        body, lengths = binary_body({"x": ("UINT8", array)})
        status, headers, answer = ask(server, INFER, body, {**lengths, **asked})
        assert (status, headers["Content-Encoding"]) == (200, None)
        assert answer.endswith(array.tobytes())
    for path in ("/", "/v2", "/v2/models/identity/config", "/page/page.css"):  # Clients of Triton's unpack no others.
        assert ask(server, path, None, asked)[1]["Content-Encoding"] is None


def flipped(body: bytes) -> bytes:
    return body[:200] + bytes([body[200] ^ 1]) + body[201:]


def lying(body: bytes) -> bytes:
    """A member that states other sizes than its own."""
    return body[:-4] + struct.pack("<I", 5)


NPY = saved(ARRAY)
BOMB = gzip.compress(bytes(64 * MIB))
# Each case is a coding, a body, the status, and a part of what the answer says.
REFUSED = {
    "cut-head": ("gzip", gzip.compress(NPY)[:5], 400, "ends too early"),
    "cut": ("gzip", gzip.compress(NPY)[:-9], 400, "ends too early"),
    "cut-trailer": ("gzip", gzip.compress(NPY)[:-1], 400, "cannot be unpacked"),
    "cut-deflate": ("deflate", zlib.compress(NPY)[:-1], 400, "ends too early"),
    "flipped": ("gzip", flipped(gzip.compress(NPY)), 400, "cannot be unpacked"),
    "flipped-deflate": ("deflate", flipped(zlib.compress(NPY)), 400, "cannot be unpacked"),
    "lying": ("gzip", lying(gzip.compress(NPY)), 400, "was changed"),
    "trailing": ("gzip", gzip.compress(NPY) + b"x", 400, "cannot be unpacked"),
    "trailing-deflate": ("deflate", zlib.compress(NPY) + b"x", 400, "other bytes follow"),
    "second-cut": ("gzip", gzip.compress(NPY) + gzip.compress(NPY)[:-9], 400, "ends too early"),
    "other": ("gzip", zlib.compress(NPY), 400, "it is none"),
    "raw": ("deflate", raw_deflate(NPY), 400, "it is none"),
    "plain": ("gzip", NPY, 400, "it is none"),
    "unknown": ("br", NPY, 415, "one of two codings"),
    "twice": ("gzip, gzip", gzip.compress(gzip.compress(NPY)), 415, "one of two codings"),
    "one-more": ("gzip", gzip.compress(bytes(LIMIT + 1)), 413, "at most 4194304 bytes"),
    "one-more-deflate": ("deflate", zlib.compress(bytes(LIMIT + 1)), 413, "at most 4194304 bytes"),
    "bomb": ("gzip", BOMB, 413, "too long when it is unpacked"),
    "lying-bomb": ("gzip", lying(BOMB), 413, "too long when it is unpacked"),
    "bomb-deflate": ("deflate", zlib.compress(bytes(64 * MIB)), 413, "too long when it is unpacked"),
    "members": ("gzip", gzip.compress(bytes(MIB)) * 64, 413, "too long when it is unpacked"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bodies_that_are_refused(server: Server, case: str) -> None:
    coding, body, status, message = REFUSED[case]
    assert becomes_true(lambda: held(server) == 0)
    before = server.peak_rss()
    got, headers, answer = ask(server, CONVERT, body, {"Content-Encoding": coding})
    told = json.loads(answer)
    assert (got, told["status"]) == (status, status), told
    assert message in told["error"] + told["details"]["expected"]
    assert told.get("reason") == {400: "BAD_HEADER", 413: "TENSOR_TOO_LARGE"}.get(status)
    assert headers["Accept-Encoding"] == ("gzip, deflate" if status == 415 else None)
    assert becomes_true(lambda: held(server) == 0)
    assert server.peak_rss() < before + 3 * LIMIT


def test_every_end_that_comes_too_early(server: Server) -> None:
    """On one connection, which a damaged body does not end."""
    packed = gzip.compress(b'{"ready": false}')
    connection = connect_http(server)
    for end in (*range(1, len(packed)), len(packed)):
        connection.request("POST", "/v2/repository/index", packed[:end], {"Content-Encoding": "gzip"})
        response = connection.getresponse()
        assert (response.status, bool(response.read())) == (200 if end == len(packed) else 400, True), end
    connection.close()


def test_what_others_hold_is_refused_for_now() -> None:
    """What is unpacked is admitted by the memory budget, too, as it grows."""
    with Server(*HTTP, "--http-gzip", "--memory-budget", "12MiB", "--max-message-bytes", "9MiB") as server:
        big = gzip.compress(saved(np.zeros(8 * MIB, np.uint8)))
        status, _, answer = ask(server, CONVERT, big, {"Content-Encoding": "gzip"})  # The tensor has no room beside it.
        assert json.loads(answer)["error"]["reason"] == "TENSOR_TOO_LARGE", (status, answer)
        assert server.http is not None
        host, port = server.http.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as upload:
            upload.sendall(f"POST {CONVERT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {8 * MIB}\r\n\r\n".encode())
            upload.sendall(bytes(7 * MIB))

            def refused() -> bool:
                status, headers, _ = ask(server, CONVERT, big, {"Content-Encoding": "gzip"})
                return status == 429 and headers["Retry-After"] == "1"

            assert becomes_true(refused)
        assert server.stop() == 0


def test_without_the_flag_the_head_is_refused() -> None:
    with Server(*HTTP) as server:
        assert server.http is not None
        host, port = server.http.rsplit(":", 1)
        for path in (INFER, CONVERT, "/v2/repository/index", "/tensorferry.v1.TensorService/Convert"):
            with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as peer:
                head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n"
                peer.sendall(head.encode())  # The body never comes.
                answer = b""
                while piece := peer.recv(65536):
                    answer += piece
            head, _, body = answer.decode().partition("\r\n\r\n")
            assert head.startswith("HTTP/1.1 415 ") and "\r\nAccept-Encoding: identity" in head
            assert "--http-gzip" in json.loads(body)["error"]
        body, lengths = binary_body({"x": ("INT32", ARRAY)})
        _, headers, answer = ask(server, INFER, body, {**lengths, "Accept-Encoding": "gzip"})
        assert (headers["Content-Encoding"], headers["Vary"]) == (None, None)
        assert answer.endswith(ARRAY.tobytes())
        assert server.stop() == 0
