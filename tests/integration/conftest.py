"""One server per test process, shared by every test that starts none of its own."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import grpc
import pytest

import cli
import models
from harness import Server, connect, connect_stub
from served_models import Gate
from side_peer import Peer
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub

# The files that take longest, most of them because models are compiled for them. They come first, so that no process is
# left with one of them when the others have ended (scripts/test.sh gives each file to one process).
LONGEST = [
    "test_exported_suite.py",
    "test_tritonclient.py",
    "test_model_engines.py",
    "test_page_browser.py",
    "test_packages.py",
    "test_open_sizes.py",
    "test_languages.py",
    "test_perf_analyzer.py",
    "test_exported_programs.py",
    "test_random_requests.py",
    "test_installed_library.py",
    "test_thread_limit.py",
    "test_isolation.py",
    "test_examples.py",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


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


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of all models of models.py, by name."""
    return models.save_all(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def model_server(files: dict[str, Path]) -> Iterator[str]:
    """The address of a server with these models."""
    flags = [flag for name, file in files.items() for flag in ("--model", f"{name}={file}")]
    with Server("--intra-op-threads", "1", *flags) as running:
        yield running.address


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """At which a model of the test's own waits. It is opened at the end, so that the model's server can stop."""
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.open()


@pytest.fixture(scope="module")
def unix_channel(server: Server) -> Iterator[grpc.Channel]:
    """To the `unix:PATH` that the server of a module listens at, too."""
    with connect(server.addresses[1]) as connected:
        yield connected


@pytest.fixture
def unix_stub(unix_channel: grpc.Channel) -> TensorServiceStub:
    return TensorServiceStub(unix_channel)


@pytest.fixture
def peer(server: Server) -> Iterator[Peer]:
    """A connection to the side socket of that server."""
    assert server.alive()
    with Peer(server.addresses[1]) as connected:
        yield connected


@pytest.fixture(scope="session")
def run(server: Server) -> cli.Run:
    return partial(cli.run, server=server.address)
