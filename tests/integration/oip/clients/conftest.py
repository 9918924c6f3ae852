"""Connects the tests to their server. These files see nothing of this repository but oip/layout.py."""

from __future__ import annotations

import json
from pathlib import Path

import grpc
import pytest

from target import Target


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--target", type=Path, required=True, help="the file that describes the server")


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Target:
    described = json.loads(request.config.getoption("--target").read_text())
    found = Target(described["kind"], described["address"], described.get("http"), Path(described["folder"]))
    _check_service(found.address)
    return found


@pytest.fixture
def ours(target: Target) -> None:
    """Skips tests that only this server runs, not a real Triton."""
    if target.is_triton:
        pytest.skip("only for this server")


def _check_service(address: str) -> None:
    """Ends the run where there is no such service at all: each test would say no more than that."""
    with grpc.insecure_channel(address) as channel:
        try:
            channel.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"", timeout=60)
        except grpc.RpcError as error:
            pytest.exit(f"inference.GRPCInferenceService at {address}: {error.code().name}: {error.details()}", 1)
