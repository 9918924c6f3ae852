"""What takes long on the thread that serves the HTTP port does not keep others waiting."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor, nn

from admin import ADMIN
from harness import Server, becomes_true
from http_calls import HTTP, binary_body, binary_outputs, connect_http
from metrics import Scrape, families_of, text_of
from served_models import put

SHORT = 50  # Runs after which the server knows that the model is quick, and runs it on the thread of the HTTP port.


class Loop(nn.Module):
    def forward(self, x: Tensor, times: Tensor) -> Tensor:
        for _ in range(int(times)):
            x = x + 1
        return x


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    put(tmp_path / "loop", Loop())
    with Server(*ADMIN, *HTTP, "--model-dir", str(tmp_path)) as server:
        yield server


def run_loop(connection: http.client.HTTPConnection, times: int) -> float:
    x = np.zeros((1,), np.float32)
    body, fields = binary_body({"x": ("FP32", x), "times": ("INT64", np.array([times], np.int64))})
    connection.request("POST", "/v2/models/loop/infer", body, fields)
    (elements,) = binary_outputs(connection.getresponse()).values()
    return float(np.frombuffer(elements, np.float32)[0])


def in_flight(server: Server) -> float:
    return Scrape.of(families_of(text_of(server))).value("tensorferry_inflight_requests")


def answers_while(server: Server, runs: list[Future[float]]) -> int:
    """Counts the calls of others that begin and are answered while all of `runs` are computed."""
    assert becomes_true(lambda: in_flight(server) == len(runs))
    connection = connect_http(server)
    count = 0
    while not any(run.done() for run in runs):
        connection.request("GET", "/v2/health/live")
        response = connection.getresponse()
        response.read()
        assert response.status == 200
        count += 1
    connection.close()
    return count


def test_a_quick_model_that_takes_long_once(server: Server) -> None:
    times = 1 << 20
    connection = connect_http(server)
    for _ in range(SHORT):
        assert run_loop(connection, 1) == 1
    with ThreadPoolExecutor(1) as one:
        pending = one.submit(run_loop, connection, times)
        assert answers_while(server, [pending]) > 1
        assert pending.result() == times
    assert run_loop(connection, 1) == 1, "the port goes on as before"
    connection.close()


def test_several_at_a_time(server: Server) -> None:
    """Also on the threads that stand in."""
    connections = [connect_http(server) for _ in range(3)]
    for _ in range(SHORT):
        assert run_loop(connections[0], 1) == 1
    with ThreadPoolExecutor(len(connections)) as many:
        pending = [many.submit(run_loop, connection, 1 << 20) for connection in connections]
        assert answers_while(server, pending) > 1
        assert [run.result() for run in pending] == [1 << 20] * len(connections)
    for connection in connections:
        connection.close()
