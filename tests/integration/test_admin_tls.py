"""The admin port over TLS: the certificates of the gRPC port, seen by Python's ssl and curl."""

from __future__ import annotations

import http.client
import ssl
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from admin import ADMIN, Answer, answer_of, dial, is_closed
from certificates import Authority, Files, Pair
from harness import TIMEOUT_S, Server, becomes_true

HEALTH = ("/livez", "/readyz", "/startupz")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture
def files(tmp_path: Path, authority: Authority) -> Files:
    return Files(tmp_path, authority.sign("good"))


def connection_to(server: Server, ca: Authority, client: Pair | None = None) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=str(ca.certificate))
    if client:
        context.load_cert_chain(client.certificate, client.key)
    return http.client.HTTPSConnection(server.admin, timeout=TIMEOUT_S, context=context)


def next_tls_answer(connection: http.client.HTTPSConnection, path: str) -> Answer:
    connection.request("GET", path)
    return answer_of(connection.getresponse())


def ask_tls(server: Server, path: str, ca: Authority, client: Pair | None = None) -> Answer:
    connection = connection_to(server, ca, client)
    try:
        return next_tls_answer(connection, path)
    finally:
        connection.close()


def serial_of(connection: http.client.HTTPSConnection) -> int:
    assert isinstance(connection.sock, ssl.SSLSocket)
    return int(connection.sock.getpeercert()["serialNumber"], 16)


def test_answers_over_tls_and_not_in_the_clear(files: Files, authority: Authority) -> None:
    with Server(*ADMIN, *files.flags) as server:
        for path in (*HEALTH, "/configz"):
            assert ask_tls(server, path, authority).status == 200
        with dial(server) as plain:
            plain.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            assert is_closed(plain)
        command = ["curl", "--silent", "--fail", "--cacert", authority.certificate, f"https://{server.admin}/readyz"]
        assert subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=True).stdout == b"ok\n"


def test_a_certificate_that_is_replaced(files: Files, authority: Authority) -> None:
    new = authority.sign("new")
    with Server(*ADMIN, *files.flags) as server:
        before = connection_to(server, authority)
        assert next_tls_answer(before, "/livez").status == 200
        files.replace(new)

        def serves_the_new_one() -> bool:
            after = connection_to(server, authority)
            after.connect()
            try:
                return serial_of(after) == new.serial
            finally:
                after.close()

        assert becomes_true(serves_the_new_one)
        assert next_tls_answer(before, "/livez").status == 200
        assert serial_of(before) != new.serial
        before.close()


def test_certificates_of_callers(files: Files, authority: Authority, tmp_path: Path) -> None:
    """Probes have none: health alone is told without."""
    client = authority.sign("client", kind="client")
    stranger = Authority(tmp_path / "stranger").sign("stranger", kind="client")
    with Server(*ADMIN, *files.flags, "--tls-client-ca", str(authority.certificate)) as server:
        for path in HEALTH:
            assert ask_tls(server, path, authority).status == 200
        for path in ("/version", "/configz", "/metrics", "/debug/requests"):
            refusal = ask_tls(server, path, authority)
            assert refusal.status == 403
            assert "certificate" in refusal.error()["expected"]
        assert ask_tls(server, "/configz", authority, client).status == 200
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask_tls(server, "/livez", authority, stranger)


def test_peers_that_begin_no_handshake_keep_nobody_out(files: Files, authority: Authority) -> None:
    with Server(*ADMIN, *files.flags) as server, ExitStack() as stack:
        silent = [stack.enter_context(dial(server)) for _ in range(200)]
        for connection in silent[::2]:
            connection.sendall(b"\x16\x03\x01")
        assert ask_tls(server, "/livez", authority).status == 200
        assert is_closed(silent[0])


def test_tls_1_1_is_not_spoken(files: Files, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with Server(*ADMIN, *files.flags) as server:
        connection = http.client.HTTPSConnection(server.admin, timeout=TIMEOUT_S, context=context)
        with pytest.raises(ssl.SSLError, match="protocol version"):
            connection.connect()
