"""The command with the addresses of several servers: calls go to all of them, but for those that do not serve."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import cli
from cli import OK, UNREACHABLE
from harness import Server, becomes_true
from metrics import scrape

COUNT = 3
ADMIN = ("--admin-listen", "127.0.0.1:0")


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    with contextlib.ExitStack() as running:
        yield [running.enter_context(Server(*ADMIN)) for _ in range(COUNT)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", np.arange(12.0))
    return tmp_path / "x.npy"


def target(servers: list[Server]) -> str:
    return "ipv4:" + ",".join(server.address for server in servers)


def conversions(server: Server) -> float:
    handled = scrape(server).named("grpc_server_handled_total")
    return sum(value for labels, value in handled if labels["grpc_method"].startswith("Convert"))


def test_the_calls_of_one_connection_go_to_all_servers(servers: list[Server], file: Path) -> None:
    """Once it has them all: a server that is slow to take it gets none of its calls until then."""

    def go_to_all() -> bool:
        before = [conversions(server) for server in servers]
        assert cli.run("convert", *[file] * 30, server=target(servers)).code == OK
        counts = [conversions(server) - former for server, former in zip(servers, before, strict=True)]
        assert sum(counts) == 30
        return min(counts) > 0

    assert becomes_true(go_to_all)


def test_a_server_that_is_gone_costs_no_call(servers: list[Server], file: Path) -> None:
    address = target(servers)
    assert servers[1].stop() == 0
    for _ in range(COUNT):
        assert cli.run("convert", *[file] * 6, server=address).code == OK


def test_a_server_that_drains_is_left_out(servers: list[Server], file: Path) -> None:
    """The one that drains still answers, but says of itself that it does not serve."""
    with Server(*ADMIN, "--drain-delay", "1h") as draining:
        draining.process.terminate()
        assert becomes_true(lambda: cli.run("ping", server=draining.address).code != OK)
        for _ in range(COUNT):
            ran = cli.run("convert", *[file] * 6, server=target([draining, *servers]))
            assert ran.code == OK, ran.stderr
        assert conversions(draining) == 0
        draining.kill()


def test_a_name_may_have_several_servers(servers: list[Server], file: Path) -> None:
    port = servers[0].address.rpartition(":")[2]
    assert cli.run("convert", file, server=f"dns:///localhost:{port}").code == OK


def test_where_none_serves_the_servers_are_unreachable(file: Path, tmp_path: Path) -> None:
    with Server() as server:
        address = f"ipv4:{server.address},{server.address}"
    assert cli.run("convert", file, server=address).code == UNREACHABLE
