"""The command beside servers that are busy, not there yet, or take small messages alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2

import cli
from admin import ADMIN
from cli import DEADLINE, OK, REFUSED, UNREACHABLE, started
from harness import MIB, TIMEOUT_S, Server, becomes_true, connect_stub
from metrics import scrape
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import (
    TensorServiceServicer,
    TensorServiceStub,
    add_TensorServiceServicer_to_server,
)
from uploads import Upload
from wire import array, request

ARRAY = np.arange(8, dtype=np.float32)
BUDGET = 16 * MIB


@contextmanager
def full_server() -> Iterator[tuple[Server, TensorServiceStub, Upload]]:
    """A server whose budget an upload holds, which lacks its last byte."""
    flags = (*ADMIN, "--memory-budget", f"{BUDGET}", "--peer-share", "100", "--idle-timeout", "0s")
    with Server(*flags) as server, connect_stub(server.address) as stub:
        upload = Upload(stub, BUDGET)
        upload.send(BUDGET - 1)
        assert becomes_true(lambda: scrape(server).value("tensorferry_inflight_bytes") == BUDGET)
        yield server, stub, upload


@pytest.mark.parametrize("members", [1, 3])
def test_what_is_refused_for_now_is_sent_again(members: int, tmp_path: Path) -> None:
    """By a call, and by the arrays of an archive, which share a stream."""
    file = tmp_path / "x.npz"
    np.savez(file, **{f"x{i}": ARRAY for i in range(members)})
    with full_server() as (server, _, upload):
        assert cli.run("convert", file, server=server.address).code == REFUSED
        refused = scrape(server).value("tensorferry_rejected_total", reason="MEMORY_BUDGET")
        with started("convert", file, "--retries", "1000", "--json", server=server.address) as process:
            assert becomes_true(
                lambda: scrape(server).value("tensorferry_rejected_total", reason="MEMORY_BUDGET") >= refused + 2
            )
            upload.cancel()
            out, error = process.communicate(timeout=TIMEOUT_S)
        assert (process.returncode, error) == (OK, b"")
        assert [tensor["digest_equal"] for tensor in json.loads(out)["tensors"]] == [True] * members


class Full(TensorServiceServicer):
    """Refuses what comes on a stream for `retry_after_ms`, and notes the seconds that each call has left."""

    def __init__(self) -> None:
        self.retry_after_ms = 500
        self.left: list[float] = []

    def ConvertStream(  # noqa: N802
        self, parts: Iterator[pb.ConvertStreamRequest], _: grpc.ServicerContext
    ) -> Iterator[pb.ConvertStreamResponse]:
        for part in parts:
            error = pb.Error(code=8, reason="QUEUE_FULL", message="full", retry_after_ms=self.retry_after_ms)
            yield pb.ConvertStreamResponse(response=pb.ConvertResponse(request_id=part.request.request_id, error=error))

    def Convert(self, _: pb.ConvertRequest, context: grpc.ServicerContext) -> pb.ConvertResponse:  # noqa: N802
        self.left.append(context.time_remaining())
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "enough")


def test_all_tries_share_the_timeout(tmp_path: Path) -> None:
    file = tmp_path / "x.npz"
    np.savez(file, a=ARRAY, b=ARRAY)
    full = Full()
    server = grpc.server(ThreadPoolExecutor(4))
    add_TensorServiceServicer_to_server(full, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        full.retry_after_ms = 3_600_000
        assert cli.run("convert", file, "--retries", "1", "--timeout", "30s", server=address).code == REFUSED
        assert full.left == [], "the server does not want to be asked again in that time"
        full.retry_after_ms = 500
        assert cli.run("convert", file, "--retries", "1", "--timeout", "9s", server=address).code == REFUSED
    finally:
        server.stop(grace=None).wait()
    first, second = full.left
    rounding = 0.05  # gRPC tells hundredths of a second.
    assert first <= 9 - 0.5 + rounding
    assert second <= 9 - 2 * 0.5 + rounding


def test_grpc_is_told_when_to_try_again() -> None:
    """By RetryInfo for those who read it, and by the metadata that gRPC's own retries follow."""
    with full_server() as (_, stub, upload):
        with pytest.raises(grpc.RpcError) as raised:
            stub.Convert(request(array("<f4", (8,), ARRAY.tobytes())), timeout=TIMEOUT_S)
        trailers = dict(raised.value.trailing_metadata())
        details = status_pb2.Status.FromString(trailers["grpc-status-details-bin"]).details
        retry = error_details_pb2.RetryInfo()
        assert any(detail.Unpack(retry) for detail in details)
        assert int(trailers["grpc-retry-pushback-ms"]) == retry.retry_delay.ToMilliseconds() > 0
        with pytest.raises(grpc.RpcError) as raised:
            stub.Convert(request(array("<f4", (9,), ARRAY.tobytes())), timeout=TIMEOUT_S)
        assert "grpc-retry-pushback-ms" not in dict(raised.value.trailing_metadata())
        upload.cancel()


RETRIES = {
    "methodConfig": [
        {
            "name": [{"service": "tensorferry.v1.TensorService"}],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "3600s",
                "maxBackoff": "3600s",
                "backoffMultiplier": 1,
                "retryableStatusCodes": ["RESOURCE_EXHAUSTED"],
            },
        }
    ]
}


def test_grpcs_own_retries_come_when_the_server_says() -> None:
    """Left to themselves, they would wait for an hour. gRPC makes five attempts at most: where they all come before the
    budget is free, another call is made."""
    options = [("grpc.service_config", json.dumps(RETRIES)), ("grpc.enable_retries", 1)]
    good = request(array("<f4", (8,), ARRAY.tobytes()))

    def succeeds_after_a_refusal() -> bool:
        with full_server() as (server, _, upload), grpc.insecure_channel(server.address, options) as channel:
            call = TensorServiceStub(channel).Convert.future(good, timeout=TIMEOUT_S)
            assert becomes_true(lambda: scrape(server).value("tensorferry_rejected_total", reason="MEMORY_BUDGET") >= 1)
            upload.cancel()
            assert call.code() in {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
            return call.code() == grpc.StatusCode.OK and call.result().tensors[0].metadata.numel == 8

    assert becomes_true(succeeds_after_a_refusal, 5 * TIMEOUT_S)


def test_a_server_that_is_waited_for(tmp_path: Path) -> None:
    file, address = cli.save(tmp_path / "x.npy", ARRAY), f"unix:{tmp_path}/socket"
    assert cli.run("convert", file, server=address).code == UNREACHABLE
    assert cli.run("convert", file, "--wait", "--timeout", "50ms", server=address).code == DEADLINE
    with (
        started("convert", file, "--wait", server=address) as process,
        started("ping", "--wait", "--timeout", "1m", server=address) as ping,
        Server("--listen", address),
    ):
        assert process.wait(TIMEOUT_S) == OK
        assert ping.wait(TIMEOUT_S) == OK


@pytest.mark.parametrize("limit", ["64KiB", "1MiB"])
def test_messages_that_the_server_takes(limit: str, tmp_path: Path) -> None:
    """Arrays that would go in one message elsewhere, of one file and of an archive, and back."""
    arrays = {name: np.random.default_rng(1).bytes(size) for name, size in (("a", 3 * MIB), ("b", 700_000), ("c", 9))}
    file = tmp_path / "x.npz"
    np.savez(file, **{name: np.frombuffer(data, np.uint8) for name, data in arrays.items()})
    single = cli.save(tmp_path / "a.npy", np.frombuffer(arrays["a"], np.uint8))
    with Server("--max-message-bytes", limit) as server:
        for words in ((single,), (file,), (single, "-o", tmp_path / "out.npz"), (single, "--model", "identity")):
            ran = cli.run("convert", *words, server=server.address)
            assert (ran.code, ran.stderr) == (OK, ""), words
    assert np.load(tmp_path / "out.npz")["a"].tobytes() == arrays["a"]
