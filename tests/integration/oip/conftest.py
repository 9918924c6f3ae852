"""A server of our own and, where it is installed, a real Triton, each with the same models, for each test process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Server
from oip import triton_server
from oip.repository import build_gates, build_repository, describe_target

collect_ignore = ["clients", "twins"]  # Run by other environments' Pythons.

SERVER_FLAGS = (
    "--model-control", "explicit", "--load-model", "*", "--shared-memory", "system", "--compression",
    "--http-gzip",
)  # fmt: skip
TRITON_FLAGS = ("--model-control-mode=explicit", "--load-model=*")


@pytest.fixture(scope="session")
def our_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`repository`, `gates`, and `expected.npz`: what PyTorch computes."""
    folder = tmp_path_factory.mktemp("ours")
    build_repository(folder / "repository", build_gates(folder / "gates"), folder / "expected.npz")
    return folder


@pytest.fixture(scope="session")
def oip_server(our_folder: Path) -> Iterator[Server]:
    with Server(
        "--model-dir", str(our_folder / "repository"), *SERVER_FLAGS, "--http-listen", "127.0.0.1:0"
    ) as running:
        yield running
        assert running.alive(), running.log()
        assert running.stop() == 0


@pytest.fixture(scope="session")
def target(our_folder: Path, oip_server: Server) -> Path:
    return describe_target(our_folder, "tensorferry", oip_server.address, http=oip_server.http)


@pytest.fixture(scope="module")
def restricted_target(our_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A server that was allowed nothing."""
    with Server("--model-dir", str(our_folder / "repository")) as running:
        yield describe_target(our_folder, "tensorferry", running.address, tmp_path_factory.mktemp("restricted"))
        assert running.stop() == 0


@pytest.fixture(scope="module")
def override_target(our_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A server whose callers may replace models."""
    with Server("--model-dir", str(our_folder / "repository"), *SERVER_FLAGS, "--model-overrides", "files") as running:
        yield describe_target(our_folder, "tensorferry", running.address, tmp_path_factory.mktemp("override"))
        assert running.stop() == 0


def run_triton(folder: Path, *flags: str) -> Iterator[Path]:
    if not triton_server.installed():
        pytest.skip(triton_server.WHY_NOT)
    triton_server.build_repository(folder / "repository", build_gates(folder / "gates"))
    with triton_server.triton_server(folder / "repository", *flags) as address:
        yield describe_target(folder, "triton", address)


@pytest.fixture(scope="session")
def triton_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield from run_triton(tmp_path_factory.mktemp("triton"), *TRITON_FLAGS)


@pytest.fixture(scope="module")
def restricted_triton_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield from run_triton(tmp_path_factory.mktemp("restricted-triton"))
