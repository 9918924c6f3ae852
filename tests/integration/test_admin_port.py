"""The admin port: where it listens, what its routes say, and when, judged by Python's HTTP client."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch

import tensorferry
from admin import ADMIN, ask, dial, next_answer
from harness import (
    READY_LINE,
    SERVER,
    TIMEOUT_S,
    Server,
    becomes_true,
    run_to_exit,
    server_command,
    starting,
)
from served_models import Echo, Gate, Gated, config_tensor, put
from test_probes import WARM_UP

CONFIGURATION = 3
CANNOT_LISTEN = 4
HEALTH = ("/livez", "/readyz", "/startupz")
DEFAULT = ("127.0.0.1", 8002)
SIGTERM_TWICE = 128 + signal.SIGTERM


@pytest.fixture(scope="module")
def admin() -> Iterator[Server]:
    with Server(*ADMIN) as server:
        yield server
        assert server.stop() == 0


@pytest.mark.parametrize("path", HEALTH)
def test_a_server_that_serves_is_healthy(admin: Server, path: str) -> None:
    answer = ask(admin, path)
    assert (answer.status, answer.body) == (200, b"ok\n")
    assert answer.fields["Content-Type"].startswith("text/plain")
    head = ask(admin, path, method="HEAD")
    assert (head.status, head.body, head.fields["Content-Length"]) == (200, b"", "3")


def test_versions_are_those_of_the_programs(admin: Server) -> None:
    version = run_to_exit("--version").stdout
    assert ask(admin, "/version").json() == {
        "name": "tensorferry-server",
        "version": version.split()[-1],
        "torch_version": torch.__version__.partition("+")[0],
    }


def test_settings_are_those_of_print_config(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('drain-grace = "7s"\n')
    flags = (*ADMIN, "--config", str(file), "--listen", f"unix:{tmp_path}/socket", "--reflection", "off")
    environment = {"TENSORFERRY_THREADS": "3"}
    printed = run_to_exit(*flags, "--print-config", environment=environment).stdout
    lines = dict(re.findall(r"^(\S+) = (.*)$", printed, re.MULTILINE))
    with Server(*flags, environment=environment) as server:
        page = ask(server, "/configz").json()
    assert page["warnings"] == []
    assert [setting["name"] for setting in page["settings"]] == list(lines)
    for setting in page["settings"]:
        value, _, source = lines[setting["name"]].rpartition("  # ")
        assert source == setting["source"]
        shown = setting["value"] if isinstance(setting["value"], list) else [setting["value"]]
        assert re.findall(r'"([^"]*)"|(?<![\w"])(\d+)', value) == [
            ("", text) if text.isdigit() else (text, "") for text in shown
        ]


def test_the_list_of_routes_holds_them_all(admin: Server) -> None:
    paths = {route["path"] for route in ask(admin, "/").json()["routes"]}
    assert {*HEALTH, "/version", "/configz", "/metrics"} <= paths
    for path in paths:
        assert ask(admin, path).status in (200, 404 if path == "/metrics" else 200)
    assert ask(admin, "/nothing").error()["actual"] == "/nothing"


def test_curl_can_read_it(admin: Server) -> None:
    """The examples of docs/configuration.md."""
    command = ["curl", "--silent", "--show-error", "--fail", f"http://{admin.admin}/readyz"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert (done.returncode, done.stdout) == (0, "ok\n")


@pytest.fixture
def taken() -> Iterator[str]:
    """An address on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield f"127.0.0.1:{other.getsockname()[1]}"


def test_the_default_address_may_be_taken() -> None:
    """Another test's server, or anybody, may have it already: what counts is that it is taken while this one starts."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            other.bind(DEFAULT)
            other.listen()
        command = [str(SERVER), "--listen", "127.0.0.1:0"]
        with starting(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline().endswith(" admin=off\n")
            process.terminate()
            _, log = process.communicate(timeout=TIMEOUT_S)
    assert "cannot listen on 127.0.0.1:8002: address already in use; serving without the admin port" in log


def test_a_given_address_may_not_be_taken(taken: str) -> None:
    ended = run_to_exit("--admin-listen", taken)
    assert ended.returncode == CANNOT_LISTEN
    assert f"cannot listen on {taken}: address already in use" in ended.stderr
    assert ended.stdout == ""


def test_no_admin_port() -> None:
    with Server("--admin-listen", "off") as server:
        assert server.ready_line.endswith(" admin=off\n")


def test_an_open_address_must_be_meant() -> None:
    ended = run_to_exit("--admin-listen", "0.0.0.0:0")
    assert ended.returncode == CONFIGURATION
    assert "admin-listen 0.0.0.0:0: other machines could reach it" in ended.stderr
    with Server("--admin-listen", "0.0.0.0:0", "--allow-open") as server:
        assert server.admin.startswith("0.0.0.0:")
        assert ask(server, "/readyz").status == 200


def has_loopback_of_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def is_named_localhost() -> bool:
    """Whether `localhost` is a name of ::1."""
    try:
        return bool(socket.getaddrinfo("localhost", 0, socket.AF_INET6, socket.SOCK_STREAM))
    except OSError:
        return False


def test_a_name_listens_on_each_of_its_addresses() -> None:
    with Server("--admin-listen", "localhost:0") as server:
        host, _, port = server.admin.rpartition(":")
        assert host == "localhost"
        assert ask(f"127.0.0.1:{port}", "/livez").status == 200
        if has_loopback_of_ipv6() and is_named_localhost():
            assert ask(f"[::1]:{port}", "/livez").status == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])
def test_all_addresses_are_those_of_both_families(host: str) -> None:
    """As they are for gRPC. Callers of IPv4 keep addresses of IPv4 in the log."""
    flags = ("--listen", f"{host}:0", "--admin-listen", f"{host}:0", "--http-listen", f"{host}:0")
    with Server(*flags, "--allow-open", "--log-level", "debug") as server:
        ports = [address.rpartition(":")[2] for address in (server.addresses[-1], server.admin, server.http)]
        for loopback in ("127.0.0.1", "[::1]") if has_loopback_of_ipv6() else ("127.0.0.1",):
            with tensorferry.Client(f"{loopback}:{ports[0]}") as client:
                assert client.convert([1]).digest_equal
            assert ask(f"{loopback}:{ports[1]}", "/livez").status == 200
            assert ask(f"{loopback}:{ports[2]}", "/v2/health/live").status == 200
        assert "peer=127.0.0.1:" in server.log() and "ffff" not in server.log()


@pytest.fixture
def gate(gate: Gate, tmp_path: Path) -> Gate:
    put(tmp_path / "models/slow", Gated(gate, Echo()), config_tensor("input", "x", "TYPE_INT64", "16") + WARM_UP)
    return gate


def test_a_server_that_loads_lives_and_is_not_ready(gate: Gate, tmp_path: Path) -> None:
    command = server_command(*ADMIN, "--model-dir", str(tmp_path / "models"))
    with starting(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        address = next(match[1] for line in process.stderr if (match := re.search(r"admin port: (\S+)", line)))
        assert ask(address, "/livez").status == 200
        for path, expected in (("/readyz", "ready"), ("/startupz", "started")):
            refusal = ask(address, path)
            assert refusal.status == 503
            assert (refusal.error()["expected"], refusal.error()["actual"]) == (expected, "loading")
        gate.open()
        ready = READY_LINE.fullmatch(process.stdout.readline())
        assert ready
        assert ready[2] == address
        assert {ask(address, path).status for path in HEALTH} == {200}


def test_a_server_that_stops_is_not_ready_and_lives_to_the_end() -> None:
    with Server(*ADMIN, "--drain-delay", "1h") as server, dial(server) as open_before:
        server.terminate()
        assert becomes_true(lambda: ask(server, "/readyz").status == 503)
        assert ask(server, "/readyz").error()["actual"] == "stopping"
        assert (ask(server, "/livez").status, ask(server, "/startupz").status) == (200, 200)
        open_before.sendall(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert next_answer(open_before).status == 503
        server.terminate()
        assert server.wait() == SIGTERM_TWICE


def test_a_server_that_takes_no_connections_does_not_live(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    flags = (*ADMIN, "--listen", f"unix:{path}", "--self-check", "50ms", "--drain-delay", "1h")
    with Server(*flags) as server:
        assert ask(server, "/livez").status == 200
        path.unlink()
        assert becomes_true(lambda: ask(server, "/livez").status == 503)
        assert "takes no connections" in ask(server, "/livez").error()["message"]
        assert becomes_true(lambda: ask(server, "/readyz").status == 503)
