"""gRPC-Web on the HTTP port, by the clients of others in Node.js, and by frames that are made by hand."""

from __future__ import annotations

import base64
import json
import math
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import xxhash

import grpc_web
import oracle
from grpc_web import BINARY, CONVERT, CONVERT_STREAM, TEXT, Answer, ask, frame, frames, reason_of
from harness import MIB, REPO_ROOT, TIMEOUT_S, Server
from tensorferry.v1 import tensor_service_pb2 as pb
from test_tokens import ALLOWED, CALLERS, EVERYBODY, TOKENS, methods_of, write_tokens
from wire import array, request

NODE_MODULES = Path(os.environ.get("TENSORFERRY_NODE_MODULES", REPO_ROOT / "build/node/node_modules"))
PROGRAM = Path(__file__).parent / "node/grpc_web.mjs"
SERVICE = "tensorferry.v1.TensorService"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server("--http-listen", "127.0.0.1:0", "--max-message-bytes", "4MiB") as running:
        yield running
        assert running.alive(), running.log()
        assert running.stop() == 0


@pytest.fixture(scope="module")
def address(server: Server) -> str:
    assert server.http is not None
    return server.http


@pytest.fixture(scope="module")
def descriptors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What protoc makes of the published files."""
    made = tmp_path_factory.mktemp("descriptors") / "descriptors.bin"
    published = ["tensorferry/v1/tensor_service.proto", "grpc/health/v1/health.proto"]
    proto = REPO_ROOT / "proto"
    subprocess.run(["protoc", "-I", proto, "--include_imports", f"--descriptor_set_out={made}", *published], check=True)
    return made


def node(client: str, address: str, descriptors: Path, *call: str, given: object, **environment: str) -> dict:
    done = subprocess.run(
        ["node", str(PROGRAM), client, address, str(descriptors), *call],
        env={**os.environ, "TENSORFERRY_NODE_MODULES": str(NODE_MODULES), **environment},
        input=json.dumps(given).encode(),
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.mark.parametrize("client", ["connect", "binary", "text"])
def test_other_peoples_clients_convert(client: str, address: str, descriptors: Path) -> None:
    data = oracle.random_bytes("bfloat16", 3 * 40_000)
    expected = oracle.expect("bfloat16", (3, 40_000), data)
    given = {
        "digest": "DIGEST_ALGORITHM_XXH3_128",
        "returnData": True,
        "arrays": [
            {"name": "x", "dtype": "bfloat16", "shape": ["3", "40000"], "data": base64.b64encode(data).decode()}
        ],
    }
    answer = node(client, address, descriptors, SERVICE, "Convert", given=given)
    assert answer["error"] is None
    tensor = answer["messages"][0]["tensors"][0]
    receipt = tensor["metadata"]["receipt"]
    assert (receipt["dtypeEqual"], tensor["metadata"]["dtype"]) == (True, expected.torch_dtype)
    assert base64.b64decode(receipt["digest"]).hex() == xxhash.xxh3_128(expected.data).hexdigest()
    assert base64.b64decode(tensor["data"]) == expected.data


@pytest.mark.parametrize("client", ["connect", "binary", "text"])
def test_other_peoples_clients_read_the_refusal(client: str, address: str, descriptors: Path) -> None:
    given = {
        "arrays": [{"name": "x", "dtype": "<f4", "shape": ["2", "3"], "data": base64.b64encode(bytes(23)).decode()}]
    }
    answer = node(client, address, descriptors, SERVICE, "Convert", given=given)
    assert answer["messages"] == []
    assert answer["error"]["code"] == 3
    assert "needs 24 bytes, got 23" in answer["error"]["message"]
    assert reason_of(answer["error"]["metadata"]["grpc-status-details-bin"]) == "SIZE_MISMATCH"


def test_a_stream_of_answers_goes_on_until_its_reader_leaves(server: Server, address: str, descriptors: Path) -> None:
    answer = node("connect", address, descriptors, "grpc.health.v1.Health", "Watch", given={}, ENOUGH="1")
    assert answer == {"messages": [{"status": "SERVING"}], "error": None}


def test_many_messages_in_one_body(address: str) -> None:
    """A stream of both directions: its requests are all in the body, and the answers come one by one."""
    datas = [oracle.random_bytes("<f4", 1000) for _ in range(20)]
    asked = [
        pb.ConvertStreamRequest(request=request(array("<f4", (1000,), data), return_data=True, request_id=f"{i}"))
        for i, data in enumerate(datas)
    ]
    answer = ask(address, CONVERT_STREAM, frames(*asked))
    assert (answer.status, answer.fields["content-type"]) == (200, BINARY)
    assert answer.trailers()["grpc-status"] == "0"
    got = [pb.ConvertStreamResponse.FromString(message) for message in answer.messages()]
    found = {each.response.request_id: each.response.tensors[0].data for each in got if each.HasField("response")}
    assert found == {f"{i}": data for i, data in enumerate(datas)}


def test_no_answer_is_lost(address: str) -> None:
    """gRPC's in-process transport loses answers of calls that ask for the status too early, some four of a hundred."""
    wanted = frames(request(array("|u1", (3,), b"abc")))
    for _ in range(300):
        answer = ask(address, CONVERT, wanted)
        assert (len(answer.messages()), answer.trailers()["grpc-status"]) == (1, "0")


@pytest.mark.parametrize("shape", [(), (0,), (MIB,)])
def test_the_text_form_is_base64(shape: tuple[int, ...], address: str) -> None:
    data = oracle.random_bytes("|u1", math.prod(shape))
    wanted = request(array("|u1", shape, data), return_data=True)
    answer = ask(address, CONVERT, base64.b64encode(frames(wanted)), Content_Type=TEXT)
    assert answer.fields["content-type"] == TEXT
    # Pieces are padded each by itself.
    decoded = b"".join(
        base64.b64decode(part + b"=" * (-len(part) % 4)) for part in answer.body.replace(b"=", b" ").split()
    )
    told = Answer(answer.status, answer.fields, decoded)
    assert told.trailers()["grpc-status"] == "0"
    assert pb.ConvertResponse.FromString(told.messages()[0]).tensors[0].data == data


@pytest.mark.parametrize(
    ("path", "body", "fields", "status"),
    [
        (CONVERT, frame(b""), {"Content_Type": "application/grpc+proto"}, 415),
        (CONVERT, frame(b""), {"Content_Type": "application/json"}, 415),
        (CONVERT, b"", {}, 400),
        (CONVERT, frame(b"") * 2, {}, 400),
        (CONVERT, frame(b"", flags=1), {}, 400),
        (CONVERT, frame(b"", flags=0x80), {}, 400),
        (CONVERT, b"\0\0\0\0", {}, 400),
        (CONVERT, b"\0\xff\xff\xff\xff", {}, 400),
        (CONVERT_STREAM, frame(b"") * 3 + b"\0\0\0\0\2a", {}, 400),
        (CONVERT, frame(b""), {"Content_Type": TEXT}, 400),
        (CONVERT, b"AAAA*", {"Content_Type": TEXT}, 400),
        ("/tensorferry.v1.TensorService/Nothing", frame(b""), {}, 404),
        ("/tensorferry.v1.TensorService", frame(b""), {}, 404),
        ("/tensorferry.v1.TensorService/Convert/", frame(b""), {}, 404),
    ],
)
def test_what_is_no_grpc_web_is_refused(
    path: str, body: bytes, fields: dict[str, str], status: int, address: str
) -> None:
    answer = ask(address, path, body, **fields)
    assert answer.status == status
    assert json.loads(answer.body)["status"] == status


def test_what_grpc_refuses_is_told_behind_the_head(address: str) -> None:
    """A message that cannot be parsed, and none at all where there may be any number."""
    answer = ask(address, CONVERT, frame(b"\xff\xff\xff"))
    assert (answer.status, answer.messages()) == (200, [])
    assert answer.trailers()["grpc-status"] == "3"
    assert ask(address, CONVERT_STREAM, b"").trailers()["grpc-status"] == "0"


def test_a_deadline_ends_the_call(address: str) -> None:
    answer = ask(address, "/grpc.health.v1.Health/Watch", frame(b""), grpc_timeout="500m")
    assert len(answer.messages()) == 1
    assert answer.trailers()["grpc-status"] == "4"


def test_streams_that_nobody_reads_end_with_the_server(descriptors: Path) -> None:
    with Server("--http-listen", "127.0.0.1:0") as server:
        assert server.http is not None
        host, port = server.http.rsplit(":", 1)
        head = f"POST /grpc.health.v1.Health/Watch HTTP/1.1\r\nHost: {server.http}\r\n"
        head += f"Content-Type: {BINARY}\r\nContent-Length: 5\r\n\r\n"
        with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as peer:
            peer.sendall(head.encode() + frame(b""))
            while b"\r\n\r\n" not in peer.recv(65536):
                pass
            assert server.stop() == 0


def test_http_1_0_reads_up_to_the_end(address: str) -> None:
    host, port = address.rsplit(":", 1)
    body = frames(request(array("|u1", (3,), b"abc")))
    head = f"POST {CONVERT} HTTP/1.0\r\nContent-Type: {BINARY}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    answer = b""
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as peer:
        peer.sendall(head + body)
        while piece := peer.recv(65536):
            answer += piece
    fields, _, rest = answer.partition(b"\r\n\r\n")
    assert b"chunked" not in fields and b"Content-Length" not in fields
    assert Answer(200, {}, rest).trailers()["grpc-status"] == "0"


def test_roles(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("infer caller-0123456789abcdef\n")
    tokens.chmod(0o600)
    body = frames(request(array("|u1", (3,), b"abc")))
    with Server("--http-listen", "127.0.0.1:0", "--auth-token-file", str(tokens)) as server:
        assert server.http is not None
        assert ask(server.http, CONVERT, body).status == 401
        caller = {"Authorization": "Bearer caller-0123456789abcdef"}
        assert ask(server.http, CONVERT, body, **caller).trailers()["grpc-status"] == "0"
        assert ask(server.http, "/inference.GRPCInferenceService/LogSettings", frame(b""), **caller).status == 403
        assert ask(server.http, "/grpc.health.v1.Health/Check", frame(b"")).trailers()["grpc-status"] == "0"


def test_every_method_for_every_role(tmp_path: Path) -> None:
    """The rules are those of the gRPC port."""
    tokens = write_tokens(tmp_path / "tokens")
    with Server("--http-listen", "127.0.0.1:0", "--auth-token-file", str(tokens)) as server:
        assert server.http is not None
        for name in methods_of(server):
            path = "/{}/{}".format(*name.rsplit(".", 1))
            for role in sorted(EVERYBODY):
                token = {"Authorization": f"Bearer {TOKENS[role]}"} if role in TOKENS else {}
                status = ask(server.http, path, frame(b"\x0a\x00"), grpc_timeout="100m", **token).status
                allowed = role in ALLOWED.get(name, CALLERS)
                assert status == (200 if allowed else 401 if role == "none" else 403), (name, role)


def test_every_method_has_a_path(address: str) -> None:
    paths = {route["path"] for route in json.loads(ask(address, "/", b"", method="GET").body)["routes"]}
    for service in (pb.DESCRIPTOR.services_by_name["TensorService"],):
        assert {f"/{service.full_name}/{method.name}" for method in service.methods} <= paths
    assert grpc_web.CONVERT in paths
