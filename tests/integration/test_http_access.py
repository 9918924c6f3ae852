"""Who may call over HTTP, and how the log names him: TLS, certificates and tokens, which are those of gRPC."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates import Authority, Files, Pair
from harness import TIMEOUT_S, Server, becomes_true, connect, run_to_exit
from http_calls import HTTP, connect_http

ALL = ("--access-log", "all", "--log-format", "json")
INFER = "infer-0123456789abcdef"
ADMIN = "admin-0123456789abcdef"
METRICS = "metrics-0123456789abcdef"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture(scope="module")
def tls_server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    files = Files(tmp_path_factory.mktemp("served"), authority.sign("server"))
    flags = (*HTTP, *ALL, *files.flags, "--tls-client-ca", str(authority.certificate))
    with Server(*flags, "--listen", f"unix:{tmp_path_factory.mktemp('socket')}/s") as server:
        yield server


def ask_tls(server: Server, authority: Authority, path: str, client: Pair | None = None) -> int:
    assert server.http is not None
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if client:
        context.load_cert_chain(client.certificate, client.key)
    connection = http.client.HTTPSConnection(server.http, timeout=TIMEOUT_S, context=context)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def access_lines(server: Server, method: str) -> list[dict[str, str]]:
    lines = [json.loads(line) for line in server.log().splitlines()]
    return [line for line in lines if line.get("event") == "access" and line["method"].endswith("/" + method)]


def test_probes_alone_need_no_certificate(tls_server: Server, authority: Authority, tmp_path: Path) -> None:
    client = authority.sign("known", kind="client")
    stranger = Authority(tmp_path / "stranger").sign("stranger", kind="client")
    assert ask_tls(tls_server, authority, "/v2/health/live") == 200
    assert ask_tls(tls_server, authority, "/v2/models/identity") == 403
    assert ask_tls(tls_server, authority, "/v2/models/identity", client) == 200
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask_tls(tls_server, authority, "/v2/health/live", stranger)
    plain = connect_http(tls_server)
    plain.request("GET", "/v2/health/live")
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        plain.getresponse()
    plain.close()


@pytest.mark.parametrize(
    ("kind", "name"),
    [("client", "caller"), ("client_dns", "caller.example"), ("client_uri", "spiffe://example.org/caller")],
)
def test_the_log_has_the_name_of_a_certificate(tls_server: Server, authority: Authority, kind: str, name: str) -> None:
    before = len(access_lines(tls_server, "ServerMetadata"))
    client = authority.sign(f"of-{kind}", kind=kind, subject="/CN=caller")
    assert ask_tls(tls_server, authority, "/v2", client) == 200
    assert becomes_true(lambda: len(access_lines(tls_server, "ServerMetadata")) == before + 1)
    line = access_lines(tls_server, "ServerMetadata")[-1]
    assert line["certificate"] == name
    assert line["peer"].startswith("127.0.0.1:")


def test_nobody_names_himself_over_grpc(tls_server: Server) -> None:
    forged = (("tensorferry-certificate-bin", b"admin"), ("tensorferry-peer", "192.0.2.1:5"))
    with connect(tls_server.addresses[-1]) as channel:
        live = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
        assert live(b"", metadata=forged, timeout=TIMEOUT_S) == b"\x08\x01"
    assert becomes_true(lambda: any(line["peer"] == "unix:" for line in access_lines(tls_server, "ServerLive")))
    assert all("certificate" not in line for line in access_lines(tls_server, "ServerLive"))


@pytest.fixture(scope="module")
def token_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    tokens = tmp_path_factory.mktemp("tokens") / "tokens"
    tokens.write_text(f"infer {INFER}\nadmin {ADMIN}\nmetrics {METRICS}\n")
    tokens.chmod(0o600)
    with Server(*HTTP, *ALL, "--auth-token-file", str(tokens), "--model-control", "explicit") as server:
        yield server


@pytest.mark.parametrize(
    ("method", "path", "for_infer", "for_metrics", "for_admin"),
    [
        ("GET", "/v2/health/ready", 200, 200, 200),
        ("GET", "/v2/models/identity/ready", 200, 403, 200),
        ("GET", "/v2/models/identity/config", 200, 403, 200),
        ("GET", "/v2/models/stats", 200, 200, 200),
        ("POST", "/v2/models/identity/infer", 400, 403, 400),
        ("POST", "/v2/repository/index", 200, 403, 200),
        ("POST", "/v2/repository/models/absent/load", 403, 403, 500),  # There is no repository.
        ("POST", "/v2/repository/models/absent/unload", 403, 403, 200),
        ("POST", "/v2/systemsharedmemory/region/r/register", 403, 403, 400),
        ("POST", "/v2/logging", 403, 403, 200),
    ],
)
def test_roles(token_server: Server, method: str, path: str, for_infer: int, for_metrics: int, for_admin: int) -> None:
    def told(*tokens: str) -> int:
        connection = connect_http(token_server)
        connection.putrequest(method, path)
        for token in tokens:
            connection.putheader("Authorization", f"Bearer {token}")
        connection.putheader("Content-Length", "2" if method == "POST" else "0")
        connection.endheaders(b"{}" if method == "POST" else None)
        status = connection.getresponse().status
        connection.close()
        return status

    is_probe = path.startswith("/v2/health")
    assert told(INFER) == for_infer
    assert told(ADMIN) == for_admin
    assert told() == (200 if is_probe else 401)
    assert told(INFER, ADMIN) == (200 if is_probe else 401)
    assert told(METRICS) == for_metrics


def test_who_may_not_call_need_not_send_his_body(token_server: Server) -> None:
    connection = connect_http(token_server)
    connection.putrequest("POST", "/v2/models/identity/infer")
    connection.putheader("Content-Length", str(1 << 20))
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()


def test_the_log_has_the_role_and_no_token(token_server: Server) -> None:
    connection = connect_http(token_server)
    connection.request("GET", "/v2", headers={"Authorization": f"Bearer {INFER}", "X-Request-Id": "mine"})
    assert connection.getresponse().status == 200
    connection.close()
    assert becomes_true(lambda: len(access_lines(token_server, "ServerMetadata")) == 1)
    [line] = access_lines(token_server, "ServerMetadata")
    assert (line["role"], line["request_id"]) == ("infer", "mine")
    assert INFER not in token_server.log()


def test_an_open_port_must_be_meant() -> None:
    ended = run_to_exit("--http-listen", "0.0.0.0:0")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "http-listen 0.0.0.0:0: other machines could reach it" in ended.stderr
    with Server("--http-listen", "0.0.0.0:0", "--allow-open") as server:
        assert server.http is not None and server.http.startswith("0.0.0.0:")
