"""Connections that a server ends by itself, how many it may have, and a server that takes none any more."""

from __future__ import annotations

import resource
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

import oracle
from admin import ADMIN
from harness import TIMEOUT_S, Server, becomes_true, connect_stub
from http2 import connect_raw
from metrics import scrape
from tensorferry.v1 import tensor_service_pb2 as pb
from wire import array, chunked_parts, converse, convert_unary, request, request_part

DATA = oracle.random_bytes("<f4", 4)
GOOD = request(array("<f4", (4,), DATA))
EXPECTED = oracle.expect("<f4", (4,), DATA)
HEALTH = "/grpc.health.v1.Health/Check"
DEAF = 7


def test_the_limit_of_files_is_raised() -> None:
    """The server inherits the limits that this process has while it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    try:
        with Server() as server:
            assert resource.prlimit(server.pid, resource.RLIMIT_NOFILE) == (hard, hard)
            assert f"at most {hard} open files" in server.log()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_idle_connection_is_closed_and_a_busy_one_is_not() -> None:
    midway = threading.Event()

    def parts() -> Iterator[pb.ConvertStreamRequest]:
        yield request_part(GOOD)
        assert midway.wait(TIMEOUT_S)
        yield request_part(GOOD)

    with Server("--max-connection-idle", "2s") as server, ThreadPoolExecutor() as pool:
        with connect_stub(server.address) as stub:
            busy = pool.submit(converse, stub, parts())
            with connect_raw(server.address) as idle:
                idle.call(HEALTH, b"")  # At once, as it is not to be idle before.
                idle.wait_for_end()
            midway.set()
            outcomes, ended = busy.result()
            assert ended is None
            for outcome in outcomes:
                oracle.check_converted(outcome, EXPECTED)
        with connect_stub(server.address) as stub:
            oracle.check_converted(convert_unary(stub, GOOD), EXPECTED)


def test_a_peer_that_does_nothing_is_closed() -> None:
    """It has shaken hands, and neither reads nor answers: the server gives its descriptor back."""
    answered = threading.Event()

    def parts() -> Iterator[pb.ConvertStreamRequest]:
        yield request_part(GOOD)
        assert answered.wait(TIMEOUT_S)

    with Server("--max-connection-idle", "500ms", "--self-check", "0s") as server, connect_stub(server.address) as stub:
        stream = stub.ConvertStream(parts(), timeout=TIMEOUT_S)
        next(stream)  # Its connection is busy, and stays.
        with connect_raw(server.address) as peer:
            peer.wait_for_greeting()
            assert becomes_true(lambda: server.connections(server.address) == 1)
        answered.set()
        assert list(stream) == []


def test_peers_that_never_shake_hands_are_closed() -> None:
    """Half of them say nothing, and the others begin HTTP/2's preface. Callers are served meanwhile."""
    with Server("--self-check", "0s") as server, connect_stub(server.address) as stub, ExitStack() as stack:
        oracle.check_converted(convert_unary(stub, GOOD), EXPECTED)
        host, port = server.address.rsplit(":", 1)
        for index in range(100):
            peer = stack.enter_context(socket.create_connection((host, int(port))))
            peer.sendall(b"PRI * HTTP/2.0\r\n" if index % 2 else b"")
        assert becomes_true(lambda: server.connections(server.address) == 1 + 100)
        oracle.check_converted(convert_unary(stub, GOOD), EXPECTED)
        assert becomes_true(lambda: server.connections(server.address) == 1)
        oracle.check_converted(convert_unary(stub, GOOD), EXPECTED)


def is_stopped(server: Server) -> bool:
    """Whether none of its threads runs any more, as happens a little after the signal."""
    states = {task.read_text().rpartition(") ")[2][0] for task in Path(f"/proc/{server.pid}/task").glob("*/stat")}
    return states == {"T"}


def test_a_server_that_did_not_run_for_a_while_serves_on() -> None:
    """As in a virtual machine that is moved: a call whose deadline passed meanwhile is late, and the others are not."""
    with Server() as server, connect_stub(server.address) as stub:
        oracle.check_converted(convert_unary(stub, GOOD), EXPECTED)
        server.terminate(signal.SIGSTOP)
        assert becomes_true(lambda: is_stopped(server))
        patient = stub.Convert.future(GOOD, timeout=TIMEOUT_S)
        with pytest.raises(grpc.RpcError) as raised:
            stub.Convert(GOOD, timeout=0.2)
        assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        server.terminate(signal.SIGCONT)
        oracle.check_tensor(patient.result().tensors[0], EXPECTED, "x")
        for _ in range(100):
            oracle.check_converted(convert_unary(stub, GOOD), EXPECTED)
        assert server.stop() == 0


def test_an_old_connection_is_ended_without_losing_a_call() -> None:
    flags = ("--max-connection-age", "100ms", "--max-connection-age-grace", "1m")
    with Server(*flags) as server, connect_raw(server.address) as old:
        old.wait_for_end()
        with connect_stub(server.address) as stub:
            for _ in range(200):
                oracle.check_converted(convert_unary(stub, GOOD), EXPECTED)


def held(server: Server) -> float:
    return scrape(server).value("tensorferry_inflight_bytes")


@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "busy"])
def test_a_server_that_takes_no_connections_ends(is_busy: bool, tmp_path: Path) -> None:
    """Its path is gone. What is in progress is finished."""
    path = tmp_path / "socket"
    gone = threading.Event()

    def parts() -> Iterator[pb.ConvertStreamRequest]:
        header, first, rest = chunked_parts(GOOD, len(DATA) // 2)
        yield header
        yield first
        assert gone.wait(TIMEOUT_S)
        yield rest

    with (
        Server(*ADMIN, "--listen", f"unix:{path}", "--self-check", "50ms") as server,
        ThreadPoolExecutor() as pool,
        connect_stub(server.address) as stub,
    ):
        oracle.check_converted(convert_unary(stub, GOOD), EXPECTED)
        assert becomes_true(lambda: held(server) == 0)
        running = pool.submit(converse, stub, parts()) if is_busy else None
        assert becomes_true(lambda: not is_busy or held(server) > 0)
        path.unlink()
        assert becomes_true(lambda: "takes no connections" in server.log())
        gone.set()
        assert server.wait() == DEAF
        if running is not None:
            outcomes, ended = running.result()
            assert ended is None
            oracle.check_converted(outcomes[0], EXPECTED)


def test_a_server_that_answers_itself_serves_on(tmp_path: Path) -> None:
    """And nobody but it sees the checks."""
    flags = ("--listen", f"unix:{tmp_path}/socket", "--self-check", "10ms", "--log-level", "debug")
    with Server(*flags) as server, connect_stub(server.address) as stub:
        for _ in range(500):
            oracle.check_converted(convert_unary(stub, GOOD), EXPECTED)
        assert "self-check" not in server.log()
        assert server.stop() == 0
