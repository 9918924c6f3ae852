"""Servers that are restarted or killed behind Envoy, and Envoys that leave, while callers are busy."""

from __future__ import annotations

import json
from pathlib import Path

import grpc
import numpy as np
import pytest
import torch

import tensorferry
from harness import MIB, TIMEOUT_S, becomes_true, connect_stub
from load_balancers import (
    BOTH,
    Balancer,
    balancing,
    callers,
    listens,
    port_of,
    replicas,
    restart_in_turn,
    who_answer,
)
from served_models import Echo, Gate, Gated, infer, put
from wire import array, request

SMALL, MESSAGE, CHUNKS = np.arange(3), np.zeros(60 * MIB, np.uint8), np.zeros(5 * MIB, np.uint8)


def test_a_rolling_restart_fails_no_call(tmp_path: Path) -> None:
    """The delay is longer than the time between two of Envoy's checks, so that it sees that a server leaves."""
    with (
        replicas("--drain-delay", "3s") as running,
        balancing("envoy", tmp_path, running.servers) as balancer,
        tensorferry.Client(balancer.address, timeout=TIMEOUT_S) as client,
        tensorferry.Client(balancer.address, timeout=TIMEOUT_S, retries=5) as retrying,
    ):
        # A small array, or the inputs of a model, are one call, which Envoy repeats. Larger arrays go in streams, on
        # which a server refuses each request by itself, and whose callers repeat it.
        calls = [
            lambda: client.convert(SMALL),
            lambda: client.infer("identity", {"x": SMALL}),
            lambda: retrying.convert(CHUNKS),
            lambda: retrying.convert(MESSAGE),
        ]
        with callers(calls):
            restart_in_turn(running, client)


def test_callers_who_repeat_calls_notice_no_killed_server(tmp_path: Path) -> None:
    """A call that a server had begun ends with UNAVAILABLE. Whether it may run twice is for its caller to say."""
    retry = {
        "maxAttempts": 5,
        "initialBackoff": "0.01s",
        "maxBackoff": "0.1s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    service = {"methodConfig": [{"name": [{}], "retryPolicy": retry}]}
    options = [("grpc.service_config", json.dumps(service))]
    with (
        replicas() as running,
        balancing("envoy", tmp_path, running.servers) as balancer,
        tensorferry.Client(balancer.address, timeout=TIMEOUT_S, options=options) as client,
        callers([lambda: client.convert(SMALL), lambda: client.infer("identity", {"x": SMALL})]),
    ):
        restart_in_turn(running, client, kill=True)


def test_a_call_that_was_begun_is_not_repeated(tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    put(tmp_path / "repository/gated", Gated(gate, Echo()))
    with (
        replicas("--model-dir", str(tmp_path / "repository"), "--drain-grace", "200ms") as running,
        balancing("envoy", tmp_path, running.servers) as balancer,
        connect_stub(balancer.address) as stub,
        tensorferry.Client(balancer.address, timeout=TIMEOUT_S) as client,
    ):
        assert becomes_true(lambda: who_answer(client) == BOTH)
        message = infer("gated", {"x": torch.ones(1, 4)})
        calls = []
        for number in (1, 2):  # One after the other, as two processes that count in shared memory at once miscount.
            calls.append(stub.Convert.future(message, timeout=TIMEOUT_S))
            assert becomes_true(lambda number=number: len(gate.runs()) == number)
        running.servers[0].terminate()
        assert becomes_true(lambda: any(call.done() for call in calls))
        gate.open()
        assert {call.code() for call in calls} == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
        assert len(gate.runs()) == len(calls)


def has_had_a_call(balancer: Balancer) -> bool:
    return balancer.count("http.callers.downstream_rq_completed") > 0


def test_an_envoy_that_leaves_costs_no_call(tmp_path: Path) -> None:
    """Callers of two Envoys, of which one is told to drain before it ends."""
    for name in ("leaving", "staying"):
        (tmp_path / name).mkdir()
    with (
        replicas() as running,
        balancing("envoy", tmp_path / "leaving", running.servers) as leaving,
        balancing("envoy", tmp_path / "staying", running.servers) as staying,
        tensorferry.Client(f"ipv4:{leaving.address},{staying.address}", timeout=TIMEOUT_S) as client,
    ):
        assert becomes_true(lambda: client.convert(SMALL).digest_equal and has_had_a_call(leaving))
        with callers([lambda: client.convert(SMALL), lambda: client.convert(CHUNKS)]):
            leaving.ask("/drain_listeners?graceful", "POST")
            assert becomes_true(lambda: not listens(port_of(leaving.address)))
            leaving.ask("/quitquitquit", "POST")
            assert leaving.process.wait(TIMEOUT_S) == 0
            assert client.convert(SMALL).digest_equal


def test_without_any_server_a_large_message_is_unavailable(tmp_path: Path) -> None:
    """So it is where Envoy has stopped to keep it for another try, which by default it calls UNKNOWN."""
    large = request(array("|u1", (MESSAGE.nbytes,), MESSAGE.tobytes()))
    with (
        replicas() as running,
        balancing("envoy", tmp_path, running.servers) as balancer,
        connect_stub(balancer.address) as stub,
    ):
        running.end()
        for _ in range(4):
            with pytest.raises(grpc.RpcError) as failed:
                stub.Convert(large, timeout=TIMEOUT_S)
            assert failed.value.code() == grpc.StatusCode.UNAVAILABLE
