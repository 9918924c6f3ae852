"""A client in another language, Node.js, converts arrays with nothing of ours but the published `.proto`."""

from __future__ import annotations

import json
import math
import os
import subprocess
from pathlib import Path

import grpc
import pytest
import xxhash

import oracle
from harness import PROTO, REPO_ROOT, TIMEOUT_S, Server

NODE_MODULES = Path(os.environ.get("TENSORFERRY_NODE_MODULES", REPO_ROOT / "build/node/node_modules"))
PROGRAM = Path(__file__).parent / "node/convert.mjs"


def convert(server: Server, dtype: str, shape: tuple[int, ...], data: bytes, *more: str) -> dict[str, object]:
    dims = ",".join(map(str, shape))
    done = subprocess.run(
        ["node", str(PROGRAM), server.address, str(PROTO), dtype, dims, *more],
        env={**os.environ, "TENSORFERRY_NODE_MODULES": str(NODE_MODULES)},
        input=data,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.mark.parametrize(("dtype", "shape"), [("<f4", (2, 3)), (">i8", (4,)), ("bfloat16", (3, 0)), ("|u1", ())])
def test_node_converts(dtype: str, shape: tuple[int, ...], server: Server) -> None:
    data = oracle.random_bytes(dtype, math.prod(shape))
    expected = oracle.expect(dtype, shape, data)
    received = convert(server, dtype, shape, data)
    assert received["dtype"] == expected.torch_dtype
    assert tuple(received.get("shape", ())) == expected.shape
    assert tuple(received.get("strides", ())) == expected.strides
    assert received["dtype_equal"] is True
    assert received["digest"] == xxhash.xxh3_128(expected.data).hexdigest()


def test_node_reads_the_refusal(server: Server) -> None:
    received = convert(server, "<f4", (2, 3), bytes(23))
    assert received["code"] == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert "needs 24 bytes, got 23" in received["message"]


@pytest.mark.parametrize("deadline", ["2262-01-01", "2262-05-01", "2270-01-01", "2400-01-01", "9999-12-31"])
def test_a_deadline_may_mean_never(deadline: str, server: Server) -> None:
    """Clocks that count nanoseconds in 64 bits end in 2262, and gRPC's deadlines do not."""
    received = convert(server, "|u1", (2,), b"ab", deadline)
    assert received["dtype_equal"] is True


def test_a_deadline_that_has_passed(server: Server) -> None:
    received = convert(server, "|u1", (2,), b"ab", "2020-01-01")
    assert received["code"] == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
