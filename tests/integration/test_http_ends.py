"""How calls over HTTP end whose peer goes away, or whose server stops."""

from __future__ import annotations

import http.client
import json
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pytest

from admin import ADMIN, ask
from certificates import Authority, Files
from harness import MIB, TIMEOUT_S, Server, becomes_true
from http_calls import HTTP, binary_body, binary_outputs, connect_http
from metrics import Scrape, families_of, text_of
from served_models import Echo, Gate, Gated, put

PATH = "/v2/models/held/infer"


@pytest.fixture
def gate(gate: Gate, tmp_path: Path) -> Gate:
    put(tmp_path / "models/held", Gated(gate, Echo()))
    return gate


@pytest.fixture
def flags(gate: Gate, tmp_path: Path) -> tuple[str, ...]:
    return (*ADMIN, *HTTP, "--model-dir", str(tmp_path / "models"), "--model-threads", "1")


def ask_held(connection: http.client.HTTPConnection, elements: int = 1) -> np.ndarray:
    """Sends a request that waits at the gate."""
    x = np.ones((1, elements), np.float32)
    body, fields = binary_body({"x": ("FP32", x)})
    connection.request("POST", PATH, body, fields)
    return x


def in_flight(server: Server) -> float:
    return Scrape.of(families_of(text_of(server))).value("tensorferry_inflight_requests")


def reasons(server: Server) -> list[str]:
    return [entry["reason"] for entry in ask(server, "/debug/requests").json()["refusals"]]


def test_a_peer_that_goes_away_cancels_its_call(gate: Gate, flags: tuple[str, ...]) -> None:
    with Server(*flags) as server:
        connections = [connect_http(server) for _ in range(3)]
        for connection in connections:
            ask_held(connection)
            assert becomes_true(lambda: len(gate.runs()) == 1)
        assert becomes_true(lambda: in_flight(server) == len(connections))
        for connection in connections[:2]:  # The call of one runs, and that of the other waits for it.
            connection.close()
        assert becomes_true(lambda: server.connections(str(server.http)) == 1)
        gate.open()
        assert connections[2].getresponse().status == 200
        assert gate.runs() == [1, 1]
        assert becomes_true(lambda: reasons(server) == ["CANCELLED", "CANCELLED"])
        assert becomes_true(lambda: in_flight(server) == 0)
        connections[2].close()


def test_a_peer_that_sends_no_more_is_told(gate: Gate, flags: tuple[str, ...]) -> None:
    """It cannot be told from one that has gone."""
    with Server(*flags) as server:
        connection = connect_http(server)
        ask_held(connection)
        assert becomes_true(lambda: len(gate.runs()) == 1)
        connection.sock.shutdown(1)
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())["reason"]) == (499, "CANCELLED")
        connection.close()


@pytest.mark.parametrize("announced", [True, False])
def test_a_peer_that_goes_away_from_tls(gate: Gate, flags: tuple[str, ...], tmp_path: Path, announced: bool) -> None:
    """Whether or not it says before that TLS ends."""
    authority = Authority(tmp_path / "authority")
    context = ssl.create_default_context(cafile=str(authority.certificate))
    with Server(*flags, *Files(tmp_path, authority.sign("good")).flags) as server:
        assert server.http is not None
        connection = http.client.HTTPSConnection(server.http, timeout=TIMEOUT_S, context=context)
        ask_held(connection)
        assert becomes_true(lambda: len(gate.runs()) == 1)
        assert server.connections(server.http) == 1
        if announced:
            connection.sock.setblocking(False)
            with suppress(ssl.SSLError):  # The server has not said its own end yet, or has answered before.
                connection.sock.unwrap()
        connection.close()
        assert becomes_true(lambda: server.connections(str(server.http)) == 0)


def test_a_deadline_ends_a_call(gate: Gate, flags: tuple[str, ...]) -> None:
    with Server(*flags) as server:
        connection = connect_http(server)
        body, fields = binary_body({"x": ("FP32", np.ones((1, 1), np.float32))})
        connection.request("POST", PATH, body, {**fields, "grpc-timeout": "100m"})
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())["reason"]) == (504, "DEADLINE")
        gate.open()
        assert becomes_true(lambda: reasons(server) == ["DEADLINE"])
        connection.request("GET", "/v2/health/live")  # The connection goes on.
        assert connection.getresponse().status == 200
        connection.close()


def test_a_request_that_comes_early_waits_for_its_turn(gate: Gate, flags: tuple[str, ...]) -> None:
    with Server(*flags) as server:
        connection = connect_http(server)
        x = ask_held(connection)
        assert becomes_true(lambda: len(gate.runs()) == 1)
        connection.sock.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        gate.open()
        assert binary_outputs(connection.getresponse())["result"] == x.tobytes()


def test_the_last_answers_arrive_whole(gate: Gate, flags: tuple[str, ...]) -> None:
    """No answer of this size fits into the memory of sockets, and the process ends after the last one."""
    with Server(*flags) as server, ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(1))
        connection = connect_http(server)
        x = ask_held(connection, 16 * MIB // 4)
        assert becomes_true(lambda: len(gate.runs()) == 1)
        server.terminate()
        assert becomes_true(lambda: ask(server, "/readyz").status != 200)
        ended = pool.submit(server.wait)
        gate.open()
        response = connection.getresponse()
        assert response.headers["Connection"] == "close"
        assert binary_outputs(response)["result"] == x.tobytes()
        connection.close()
        assert ended.result(TIMEOUT_S) == 0


def test_what_comes_while_the_server_drains_is_refused(gate: Gate, flags: tuple[str, ...]) -> None:
    with Server(*flags) as server:
        held = connect_http(server)
        ask_held(held)
        assert becomes_true(lambda: len(gate.runs()) == 1)
        open_before = connect_http(server)
        open_before.request("GET", "/v2/health/live")
        assert open_before.getresponse().read() == b'{"live":true}'
        server.terminate()

        def is_refused() -> bool:
            late = connect_http(server)
            body, fields = binary_body({"x": ("FP32", np.zeros((1, 1), np.float32))})
            late.request("POST", "/v2/models/identity/infer", body, fields)
            response = late.getresponse()
            told = response.read()
            return response.status == 503 and json.loads(told)["reason"] == "DRAINING"

        assert becomes_true(is_refused)
        open_before.request("GET", "/v2/health/live")
        assert open_before.getresponse().headers["Connection"] == "close"
        gate.open()
        assert held.getresponse().status == 200
        held.close()
        assert server.wait() == 0
