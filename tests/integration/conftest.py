"""One server per test process, shared by every test that starts none of its own."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from functools import partial

import pytest

import cli
from harness import Server, connect_stub
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub

# Servers inherit it. Under nohup the signal is ignored, and a server that was started so leaves it at that.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running
        assert running.alive(), running.log()
        assert running.stop() == 0


@pytest.fixture(scope="session")
def stub(server: Server) -> Iterator[TensorServiceStub]:
    with connect_stub(server.address) as connected:
        yield connected


@pytest.fixture(scope="session")
def run(server: Server) -> cli.Run:
    return partial(cli.run, server=server.address)
