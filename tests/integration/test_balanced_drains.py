"""nginx and HAProxy before two servers, of which one drains while callers are busy: what the callers meet."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import tensorferry
from certificates import Authority, Files
from harness import MIB, TIMEOUT_S, Server, becomes_true, connect_stub
from load_balancers import (
    BOTH,
    STAYING,
    balancing,
    callers,
    port_of,
    replicas,
    restart_in_turn,
    two_servers,
    who_answer,
)
from metrics import scrape
from uploads import Upload

SMALL, CHUNKS = np.arange(3), np.zeros(5 * MIB, np.uint8)
HELD = 24 * MIB  # More than all callers of a test together send at a time.
# One request still comes in while a server drains, for as long as a test needs.
PATIENT = ("--idle-timeout", "1h", "--drain-grace", "1h")


def refusal(client: tensorferry.Client) -> str:
    """The reason for which a call is refused; empty if it is not. Any other failure is raised."""
    try:
        client.convert(SMALL)
    except tensorferry.RefusedError as refused:
        return refused.reason
    return ""


@contextmanager
def draining(server: Server) -> Iterator[None]:
    """The server has been told to stop, and refuses requests until the block ends, as one request still comes in. Then
    it answers that one, and ends."""
    with connect_stub(server.address) as stub, tensorferry.Client(server.address) as direct:
        upload = Upload(stub, 2 * HELD)
        upload.send(HELD)
        assert becomes_true(lambda: scrape(server).value("tensorferry_inflight_bytes") >= HELD)
        server.terminate()
        assert becomes_true(lambda: refusal(direct) == "DRAINING")
        yield
        upload.send(HELD)
        assert len(upload.answer().tensors) == 1
        upload.end()
    assert server.wait() == 0


def test_a_server_that_drains_behind_haproxy_costs_no_call(tmp_path: Path) -> None:
    """The delay is longer than the time between two checks, so that HAProxy sees that the server leaves."""
    with (
        two_servers("--drain-delay", "3s", *PATIENT) as servers,
        balancing("haproxy", tmp_path, servers) as balancer,
        tensorferry.Client(balancer.address, timeout=TIMEOUT_S) as client,
        tensorferry.Client(balancer.address, timeout=TIMEOUT_S, retries=5) as retrying,
    ):
        assert becomes_true(lambda: who_answer(client) == BOTH)
        # Chunks go on a stream, which stays with its server, and whose caller repeats what is refused.
        calls = [lambda: client.convert(SMALL), lambda: client.infer("identity", {"x": SMALL})]
        with callers([*calls, lambda: retrying.convert(CHUNKS)]):
            with draining(servers[0]):
                assert who_answer(client, 40) == STAYING
            assert who_answer(client, 40) == STAYING


def test_a_rolling_restart_behind_haproxy_fails_no_call(tmp_path: Path) -> None:
    with (
        replicas("--drain-delay", "3s") as running,
        balancing("haproxy", tmp_path, running.servers) as balancer,
        tensorferry.Client(balancer.address, timeout=TIMEOUT_S) as client,
        tensorferry.Client(balancer.address, timeout=TIMEOUT_S, retries=5) as retrying,
        callers([lambda: client.convert(SMALL), lambda: retrying.convert(CHUNKS)]),
    ):
        restart_in_turn(running, client)


def test_behind_nginx_callers_are_refused_while_a_server_drains(tmp_path: Path) -> None:
    """nginx has no checks, and a refusal is an answer to it. Those who repeat what is refused get an answer: of their
    tries, a second apart, the other server has every second one."""
    with (
        two_servers(*PATIENT) as servers,
        balancing("nginx", tmp_path, servers) as balancer,
        tensorferry.Client(balancer.address, timeout=TIMEOUT_S) as client,
        tensorferry.Client(balancer.address, timeout=TIMEOUT_S, retries=30) as retrying,
    ):
        assert becomes_true(lambda: who_answer(client) == BOTH)
        with draining(servers[0]):
            assert {refusal(client) for _ in range(40)} == {"", "DRAINING"}
            assert retrying.convert(SMALL).digest_equal
            assert retrying.convert(CHUNKS).digest_equal
        assert who_answer(client, 40) == STAYING


def test_a_server_of_which_nginx_was_told_costs_no_call(tmp_path: Path) -> None:
    with (
        two_servers(*PATIENT) as servers,
        balancing("nginx", tmp_path, servers) as balancer,
        tensorferry.Client(balancer.address, timeout=TIMEOUT_S) as client,
    ):
        assert becomes_true(lambda: who_answer(client) == BOTH)
        with callers([lambda: client.convert(SMALL), lambda: client.infer("identity", {"x": SMALL})]):
            file, address = tmp_path / "nginx.conf", f"127.0.0.1:{port_of(servers[0].address)}"
            file.write_text(file.read_text().replace(address, f"{address} down"))
            balancer.process.send_signal(signal.SIGHUP)
            assert becomes_true(lambda: who_answer(client) == STAYING)
            with draining(servers[0]):
                assert who_answer(client, 40) == STAYING


def test_haproxy_checks_servers_with_tls(tmp_path: Path) -> None:
    """As its file says."""
    authority = Authority(tmp_path / "authority")
    files = Files(tmp_path, authority.sign("server"))

    def with_tls(configuration: str) -> str:
        words = configuration.partition("Servers with TLS:\n  # ")[2].partition(" on each line")[0]
        words = words.replace("FILE", str(authority.certificate)).replace("NAME", "localhost")
        return configuration.replace("check-proto h1\n", f"check-proto h1 {words}\n")

    with (
        two_servers("--drain-delay", "1h", *files.flags) as servers,
        balancing("haproxy", tmp_path, servers, change=with_tls) as balancer,
        tensorferry.Client(balancer.address, timeout=TIMEOUT_S) as client,
    ):
        assert becomes_true(lambda: who_answer(client) == BOTH)
        servers[0].terminate()
        assert becomes_true(lambda: who_answer(client) == STAYING)
        servers[0].terminate()
