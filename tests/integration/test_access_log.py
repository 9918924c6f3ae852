"""The access log: one line for a request when it ends, who called what and what became of it."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import torch
from torch import nn

import oracle
from admin import ADMIN, ask
from certificates import Authority, Files
from harness import TIMEOUT_S, Server, becomes_true, connect, connect_stub
from served_models import infer, put
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import array, convert_stream, convert_unary, request, request_part

CONVERT = "tensorferry.v1.TensorService/Convert"
GOOD = request(array("<f4", (4,), oracle.random_bytes("<f4", 4)))
BAD = request(array("<f4", (5,), b"short"))
ALL = ("--log-format", "json", "--access-log", "all")


class AddOne(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1


def lines(server: Server) -> list[dict[str, object]]:
    return [line for line in map(json.loads, server.log().splitlines()) if line.get("event") == "access"]


def first_line(server: Server) -> dict[str, object]:
    """The line of a call is written before its answer is sent, but by a thread of the log's."""
    assert becomes_true(lambda: len(lines(server)) > 0)
    return lines(server)[0]


def test_a_line_says_what_was_called_and_how_long_it_took(tmp_path: Path) -> None:
    put(tmp_path / "plus", AddOne())
    with Server("--model-dir", str(tmp_path), *ALL) as server, connect_stub(server.address) as stub:
        message = infer("plus", {"x": torch.ones(4)})
        message.request_id = "mine"
        response = stub.Convert(message, timeout=TIMEOUT_S)
        line = first_line(server)
        assert (line["level"], line["msg"], line["method"], line["code"]) == ("info", "access", CONVERT, "OK")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(line["ts"]))
        assert re.fullmatch(r"127\.0\.0\.1:\d+", str(line["peer"]))
        assert (line["model"], line["version"], line["tensors"]) == ("plus", "1", 1)
        assert (line["request_id"], line["bytes_in"]) == ("mine", message.ByteSize())
        assert line["bytes_out"] == response.ByteSize()
        stages = [float(line[f"{stage}_ms"]) for stage in ("receive", "queue", "compute")]
        assert all(stage >= 0 for stage in stages)
        assert sum(stages) <= float(line["duration_ms"])
        assert line.keys().isdisjoint({"reason", "error", "role", "certificate", "trace_id", "left_out"})


def test_a_refused_call_says_why() -> None:
    with Server(*ALL) as server, connect_stub(server.address) as stub:
        refusal = convert_unary(stub, BAD).refusal
        assert refusal is not None
        line = first_line(server)
        assert (line["code"], line["reason"], line["error"]) == ("INVALID_ARGUMENT", refusal.reason, refusal.message)


# Methods of GRPCInferenceService, a message that each refuses, and the model that the record of the refusal has.
OF_INFERENCE: list[tuple[str, bytes, str | None]] = [
    ("RepositoryModelLoad", b"\x12\x06absent", "absent"),
    ("RepositoryModelLoad", b"\x0a\x06absent", "absent"),  # KServe puts the model where others put the repository.
    ("ModelConfig", b"\x0a\x06absent\x12\x017", "absent"),
    ("ModelInfer", b"\x0a\x06absent\x12\x017", "absent"),
    ("ModelInfer", b"\x0a\x04plus\x12\x05seven", "plus"),
    ("SystemSharedMemoryRegister", b"\x0a\x06region", None),  # The name of a region is no model's.
]


def test_a_refused_request_names_the_model_that_it_asked_for(tmp_path: Path) -> None:
    put(tmp_path / "plus", AddOne())
    flags = (*ALL, *ADMIN, "--model-dir", str(tmp_path), "--model-control", "explicit")
    with Server(*flags) as server, connect_stub(server.address) as stub:
        unfit = request(array("<f4", (5,), b"short"), model_name="plus")
        absent = infer("absent", {"x": torch.ones(4)}, model_version="7")
        for message in (absent, unfit):
            for convert in (convert_unary, convert_stream):
                assert convert(stub, message).refusal is not None
        with connect(server.address) as channel:
            for method, message, _ in OF_INFERENCE:
                with pytest.raises(grpc.RpcError):
                    channel.unary_unary(f"/inference.GRPCInferenceService/{method}")(message, timeout=TIMEOUT_S)
        expected = ["absent", "absent", "plus", "plus", *(model for _, _, model in OF_INFERENCE)]
        assert becomes_true(lambda: len(lines(server)) == len(expected))
        assert [line.get("model") for line in lines(server)] == expected
        assert [line["version"] for line in lines(server)[:2]] == ["7", "7"]
        refusals = ask(server, "/debug/requests").json()["refusals"]
        assert [entry.get("model") for entry in reversed(refusals)] == expected


def test_the_name_of_a_model_is_short_and_printable_in_the_log() -> None:
    with Server(*ALL) as server, connect_stub(server.address) as stub:
        name = "\x1b[2J\n\u202e" + "é" * 1000
        assert convert_unary(stub, infer(name, {"x": torch.ones(4)})).refusal is not None
        model = str(first_line(server)["model"])
        assert model.startswith("?[2J?")
        assert model.endswith("é...")
        assert len(model.encode()) <= 128
        assert "\u202e" not in server.log()


def test_the_requests_of_a_stream_have_a_line_each() -> None:
    with Server(*ALL) as server, connect_stub(server.address) as stub:
        list(stub.ConvertStream(map(request_part, [GOOD, BAD, GOOD]), timeout=TIMEOUT_S))
        assert becomes_true(lambda: len(lines(server)) == 3)
        assert [line["code"] for line in lines(server)] == ["OK", "INVALID_ARGUMENT", "OK"]
        assert {line["method"] for line in lines(server)} == {"tensorferry.v1.TensorService/ConvertStream"}


def test_the_callers_names_are_in_the_lines() -> None:
    trace_id = secrets.token_hex(16)
    metadata = [("x-request-id", "from the header"), ("traceparent", f"00-{trace_id}-{'1' * 16}-00")]
    with Server(*ALL, "--log-level", "debug") as server, connect_stub(server.address) as stub:
        with pytest.raises(grpc.RpcError):
            stub.Convert(BAD, metadata=metadata, timeout=TIMEOUT_S)
        line = first_line(server)
        errors = [line for line in map(json.loads, server.log().splitlines()) if line.get("event") == "error"]
        assert (line["request_id"], line["trace_id"]) == ("from the header", trace_id)
        assert [(each["request_id"], each["trace_id"]) for each in errors] == [("from the header", trace_id)]


def test_a_token_shows_its_role_alone(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("infer tf-secret-infer\nmetrics tf-secret-both\ninfer tf-secret-both\n")
    with Server(*ALL, "--auth-token-file", str(tokens)) as server, connect_stub(server.address) as stub:
        for token in ("tf-secret-infer", "tf-secret-both"):
            stub.Convert(GOOD, metadata=[("authorization", f"Bearer {token}")], timeout=TIMEOUT_S)
        with pytest.raises(grpc.RpcError):
            stub.Convert(GOOD, metadata=[("authorization", "Bearer tf-secret-wrong")], timeout=TIMEOUT_S)
        assert becomes_true(lambda: len(lines(server)) == 3)
        assert [line.get("role") for line in lines(server)] == ["infer", "infer, metrics", None]
        assert lines(server)[2]["reason"] == "UNAUTHENTICATED"
        assert "tf-secret" not in server.log()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture
def tls_server(authority: Authority, tmp_path: Path) -> Iterator[Server]:
    files = Files(tmp_path, authority.sign("server-of-the-log"))
    with Server(*ALL, *files.flags, "--tls-client-ca", str(authority.certificate)) as server:
        yield server


@pytest.mark.parametrize(
    ("kind", "name"),
    [("client", "caller"), ("client_dns", "caller.example"), ("client_uri", "spiffe://example.org/caller")],
)
def test_a_certificate_names_its_owner(authority: Authority, tls_server: Server, kind: str, name: str) -> None:
    pair = authority.sign(f"of-{kind}", kind=kind, subject="/CN=caller")
    credentials = grpc.ssl_channel_credentials(
        authority.certificate.read_bytes(), pair.key.read_bytes(), pair.certificate.read_bytes()
    )
    address = tls_server.address.replace("127.0.0.1", "localhost")
    with grpc.secure_channel(address, credentials) as channel:
        TensorServiceStub(channel).GetServerInfo(pb.GetServerInfoRequest(), timeout=TIMEOUT_S)
    assert first_line(tls_server)["certificate"] == name


def test_a_unix_socket_has_lines_too(tmp_path: Path) -> None:
    with Server(*ALL, "--listen", f"unix:{tmp_path}/socket") as server:
        with connect_stub(f"unix:{tmp_path}/socket") as stub:
            stub.Convert(GOOD, timeout=TIMEOUT_S)
        assert str(first_line(server)["peer"]).startswith("unix:")


def test_sampled_lines_tell_how_many_were_left_out() -> None:
    """Ten of a second have lines. The next second's first line counts the others."""
    calls = 300
    with Server("--log-format", "json") as server, connect_stub(server.address) as stub:
        for _ in range(calls):
            stub.Convert(GOOD, timeout=TIMEOUT_S)

        def accounted() -> bool:
            stub.Convert(GOOD, timeout=TIMEOUT_S)
            return sum(int(line.get("left_out", 0)) for line in lines(server)) > calls // 2

        assert becomes_true(accounted)
        seconds = [str(line["ts"])[:19] for line in lines(server)]
        # The log's seconds are not the server's: one of them may see the lines of two.
        assert max(map(seconds.count, seconds)) <= 20


def test_refused_calls_do_not_fill_a_sampled_log() -> None:
    with Server("--log-format", "json") as server, connect_stub(server.address) as stub:
        for _ in range(100):
            assert convert_unary(stub, BAD).reason == "SIZE_MISMATCH"
        assert server.stop() == 0
        assert 1 <= len(lines(server)) <= 20  # Two minutes' worth.


def test_off_is_off() -> None:
    with Server("--log-format", "json", "--access-log", "off") as server, connect_stub(server.address) as stub:
        stub.Convert(GOOD, timeout=TIMEOUT_S)
        assert server.stop() == 0
        assert lines(server) == []


def test_a_line_of_text_can_be_read() -> None:
    with Server("--access-log", "all") as server, connect_stub(server.address) as stub:
        message = request(array("<f4", (5,), b"short"), request_id='two words "quoted"')
        assert convert_unary(stub, message).reason == "SIZE_MISMATCH"
        assert becomes_true(lambda: " access " in server.log())
        (line,) = [line for line in server.log().splitlines() if " access " in line]
        assert re.fullmatch(
            r"\S+Z info +access method=tensorferry\.v1\.TensorService/Convert code=INVALID_ARGUMENT "
            r"reason=SIZE_MISMATCH peer=127\.0\.0\.1:\d+ request_id=\"two words \\\"quoted\\\"\" tensors=0 "
            r'bytes_in=\d+ bytes_out=0 duration_ms=\d+\.\d{3} error="array .*"',
            line,
        )


def test_a_name_cannot_turn_a_line_around() -> None:
    name = "a\u202egnp.exe\u2028b"
    for flags in (ALL, ("--access-log", "all")):
        with Server(*flags, "--log-level", "debug") as server, connect_stub(server.address) as stub:
            outcome = convert_unary(stub, request(array("<f4", (5,), b"short", name=name)))
            assert outcome.reason == "SIZE_MISMATCH"
            assert server.stop() == 0
            log = server.log()
            assert "\\u202egnp.exe\\u2028b" in log.replace("\\\\", "\\")  # JSON doubles what the error has escaped.
            assert not set(log) & set("\u202e\u2028")
