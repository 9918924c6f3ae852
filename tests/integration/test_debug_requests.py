"""/debug/requests: the last refusals and the slowest requests, compared with what the test itself has sent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
import torch

import oracle
from admin import ADMIN, ask, bearer
from harness import TIMEOUT_S, Server, becomes_true, connect_stub
from served_models import Echo, Gate, Gated, infer, put
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import array, convert_stream, convert_unary, request

CONVERT = "tensorferry.v1.TensorService/Convert"
STREAM = "tensorferry.v1.TensorService/ConvertStream"
MOST_REFUSALS = 100
MOST_SLOW = 20
DATA = oracle.random_bytes("<f4", 4)
STAGES = ("receive_ms", "convert_ms", "queue_ms", "compute_ms")


def good(request_id: str) -> pb.ConvertRequest:
    return request(array("<f4", (4,), DATA), request_id=request_id)


def bad(request_id: str) -> pb.ConvertRequest:
    return request(array("<f4", (5,), DATA), request_id=request_id)


@pytest.fixture
def gate(gate: Gate, tmp_path: Path) -> Gate:
    put(tmp_path / "models/held", Gated(gate, Echo()))
    return gate


@pytest.fixture
def server(gate: Gate, tmp_path: Path) -> Iterator[Server]:
    with Server(*ADMIN, "--model-dir", str(tmp_path / "models")) as running:
        yield running
        gate.open()
        assert running.stop() == 0


@pytest.fixture
def stub(server: Server) -> Iterator[TensorServiceStub]:
    with connect_stub(server.address) as connected:
        yield connected


def recorded(server: Server, kind: str) -> list[dict[str, Any]]:
    page = ask(server, "/debug/requests").json()
    assert list(page) == ["refusals", "slowest"]
    return page[kind]


def time_of(entry: dict[str, Any]) -> datetime:
    return datetime.strptime(entry["time"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def test_refusals_are_told_with_what_their_callers_were_told(server: Server, stub: TensorServiceStub) -> None:
    assert ask(server, "/debug/requests").json() == {"refusals": [], "slowest": []}
    sent = [
        (CONVERT, bad("first"), convert_unary),
        (STREAM, bad("second"), convert_stream),
        (CONVERT, request(array("<f4", (4,), DATA), model_name="absent", request_id="third"), convert_unary),
    ]
    begin = datetime.now(UTC).replace(microsecond=0)
    told = [convert(stub, message).refusal for _, message, convert in sent]
    assert becomes_true(lambda: len(recorded(server, "refusals")) == len(sent))
    for (method, message, _), refusal, entry in zip(sent, told, reversed(recorded(server, "refusals")), strict=True):
        assert refusal is not None
        assert (entry["reason"], entry["message"]) == (refusal.reason, refusal.message)
        assert (entry["method"], entry["request_id"]) == (method, message.request_id)
        assert entry["peer"].startswith("127.0.0.1:")
        assert begin <= time_of(entry) <= datetime.now(UTC)
        assert entry["duration_ms"] > 0
        assert entry["bytes_in"] == message.ByteSize() or method == STREAM


def test_the_last_refusals_are_kept(server: Server, stub: TensorServiceStub) -> None:
    for number in range(MOST_REFUSALS + 20):
        assert convert_unary(stub, bad(str(number))).refusal is not None
    newest = [str(number) for number in reversed(range(20, MOST_REFUSALS + 20))]
    assert becomes_true(lambda: [entry["request_id"] for entry in recorded(server, "refusals")] == newest)
    assert recorded(server, "slowest") == []


def test_the_slowest_requests_are_kept(gate: Gate, server: Server, stub: TensorServiceStub) -> None:
    """One request begins before all others and ends after them: it is the slowest."""
    held = infer("held", {"x": torch.ones(1, 4)}, request_id="held")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(convert_unary, stub, held)
        assert becomes_true(lambda: len(gate.runs()) == 1)
        begin = time.monotonic()
        for number in range(2 * MOST_SLOW):
            assert convert_unary(stub, good(str(number))).refusal is None
        passed_ms = (time.monotonic() - begin) * 1000
        gate.open()
        assert slow.result(TIMEOUT_S).refusal is None
    assert becomes_true(lambda: recorded(server, "slowest")[0].get("request_id") == "held")
    slowest = recorded(server, "slowest")
    assert len(slowest) == MOST_SLOW
    assert [entry["duration_ms"] for entry in slowest] == sorted((e["duration_ms"] for e in slowest), reverse=True)
    first = slowest[0]
    assert (first["method"], first["model"], first["model_version"]) == (CONVERT, "held", "1")
    assert first["duration_ms"] >= first["compute_ms"] >= passed_ms
    assert first["bytes_in"] == held.ByteSize()
    assert first["bytes_out"] > 0
    for entry in slowest:
        assert all(entry[stage] >= 0 for stage in STAGES)
        assert "reason" not in entry
    assert recorded(server, "refusals") == []


def test_texts_of_callers_are_short_and_printable(server: Server, stub: TensorServiceStub) -> None:
    long = "\x1b[2J\n" + "é" * 1000
    message = request(array("\x1b" * 1000, (4,), DATA), request_id=long, model_name="<script>" + "m" * 1000)
    assert convert_unary(stub, message).refusal is not None
    assert becomes_true(lambda: len(recorded(server, "refusals")) == 1)
    (entry,) = recorded(server, "refusals")
    assert entry["request_id"].endswith("...")
    assert len(entry["request_id"].encode()) <= 128
    assert len(entry["message"].encode()) <= 512
    assert all(text.isprintable() for text in entry.values() if isinstance(text, str))


def test_calls_that_were_cancelled_are_refusals(gate: Gate, server: Server, stub: TensorServiceStub) -> None:
    call = stub.Convert.future(infer("held", {"x": torch.ones(1, 4)}, request_id="gone"), timeout=TIMEOUT_S)
    assert becomes_true(lambda: len(gate.runs()) == 1)
    call.cancel()
    stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=TIMEOUT_S)  # The server has seen what came before it.
    gate.open()
    assert becomes_true(lambda: [entry["reason"] for entry in recorded(server, "refusals")] == ["CANCELLED"])


def test_no_token_is_kept(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("admin tf-admin-77d1\ninfer tf-infer-2f9c\n")
    with Server(*ADMIN, "--auth-token-file", str(tokens)) as server, connect_stub(server.address) as stub:
        for token in ("tf-infer-2f9c", "tf-nobody-11aa"):
            with pytest.raises(grpc.RpcError):
                stub.Convert(bad(""), metadata=[("authorization", f"Bearer {token}")], timeout=TIMEOUT_S)

        def reasons() -> list[str]:
            page = ask(server, "/debug/requests", headers=bearer("tf-admin-77d1"))
            assert b"tf-" not in page.body
            return [entry["reason"] for entry in page.json()["refusals"]]

        assert becomes_true(lambda: reasons() == ["UNAUTHENTICATED", "SIZE_MISMATCH"])
