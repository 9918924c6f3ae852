"""What the tests of tritonclient.http share. Both of its generations run them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import tritonclient.http as triton

from target import Target


@pytest.fixture
def client(target: Target) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(target.http, concurrency=4) as connected:
        yield connected
