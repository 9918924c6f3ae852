"""What the tests of tritonclient share. Both of its generations run them: nothing here may be newer than 2.45.0."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
import tritonclient.grpc as triton

from calls import Stub
from gates import Gate
from target import Target

UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


@pytest.fixture(scope="session")
def address(target: Target) -> str:
    return target.address


@pytest.fixture
def client(address: str) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(address) as connected:
        yield connected


@pytest.fixture(scope="session")
def channel(address: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(address, UNLIMITED) as connected:
        yield connected


@pytest.fixture(scope="session")
def stub(channel: grpc.Channel) -> Stub:
    """The client's own generated code, for what the client itself would not send."""
    return Stub(channel)


@pytest.fixture
def gate(target: Target) -> Gate:
    return Gate(target.folder / "gates")
