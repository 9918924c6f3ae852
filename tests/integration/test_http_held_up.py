"""What takes long on the thread that serves the HTTP port does not keep others waiting."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from admin import ADMIN
from harness import Server, becomes_true
from http_calls import HTTP, binary_body, binary_outputs, connect_http
from metrics import Scrape, families_of, text_of
from served_models import Echo, Gate, Gated, put

SHORT = 50  # Runs after which the server knows that the model is quick, and runs it on the thread of the HTTP port.


@pytest.fixture
def server(tmp_path: Path, gate: Gate) -> Iterator[Server]:
    put(tmp_path / "models/gated", Gated(gate, Echo()))
    with Server(*ADMIN, *HTTP, "--model-dir", str(tmp_path / "models")) as server:
        yield server


def run(connection: http.client.HTTPConnection, x: float) -> float:
    """Runs the model, which waits at the gate if `x` is positive."""
    body, fields = binary_body({"x": ("FP32", np.array([x], np.float32))})
    connection.request("POST", "/v2/models/gated/infer", body, fields)
    return float(np.frombuffer(binary_outputs(connection.getresponse())["result"], np.float32)[0])


def in_flight(server: Server) -> float:
    return Scrape.of(families_of(text_of(server))).value("tensorferry_inflight_requests")


def call_while_held(server: Server, gate: Gate, runs: list[Future[float]]) -> None:
    """Calls of others begin and are answered while all of `runs` are at the gate, or wait for those that are."""
    assert becomes_true(lambda: in_flight(server) == len(runs) and len(gate.runs()) > SHORT)
    connection = connect_http(server)
    for _ in range(10):
        connection.request("GET", "/v2/health/live")
        response = connection.getresponse()
        response.read()
        assert response.status == 200
    connection.close()
    assert not any(run.done() for run in runs)


def test_a_quick_model_that_takes_long_once(server: Server, gate: Gate) -> None:
    connection = connect_http(server)
    for _ in range(SHORT):
        assert run(connection, -1) == -1
    with ThreadPoolExecutor(1) as one:
        pending = one.submit(run, connection, 1)
        call_while_held(server, gate, [pending])
        gate.open()
        assert pending.result() == 1
    assert run(connection, -1) == -1, "the port goes on as before"
    connection.close()


def test_several_at_a_time(server: Server, gate: Gate) -> None:
    """Also on the threads that stand in."""
    connections = [connect_http(server) for _ in range(3)]
    for _ in range(SHORT):
        assert run(connections[0], -1) == -1
    with ThreadPoolExecutor(len(connections)) as many:
        pending = [many.submit(run, connection, 1) for connection in connections]
        call_while_held(server, gate, pending)
        gate.open()
        assert [each.result() for each in pending] == [1] * len(connections)
    for connection in connections:
        connection.close()
