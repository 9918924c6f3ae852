"""A system that has no thread left once the server serves: every call is answered all the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
import torch
from torch import Tensor, nn

import oracle
from harness import MIB, SERVER, TIMEOUT_S, Server, connect_stub
from served_models import infer, put
from wire import array, convert_stream, convert_unary, request

NO_THREADS = SERVER.with_name("libno_threads.so")
LARGE = 5 * MIB
DATA = oracle.random_bytes("|u1", LARGE)
CONVERSION = request(array("|u1", (LARGE,), DATA))
EXPECTED = oracle.expect("|u1", (LARGE,), DATA)


@contextmanager
def server_without_threads(folder: Path, flags: Sequence[str]) -> Iterator[Server]:
    none = folder / "none"
    environment = {"LD_PRELOAD": str(NO_THREADS), "TENSORFERRY_NO_THREADS": str(none)}
    with Server(*flags, environment=environment) as server:
        none.touch()
        yield server


@pytest.mark.parametrize("threads", ["1", "2"])
def test_no_answer_is_lost(threads: str, tmp_path: Path) -> None:
    """gRPC wants more threads while large answers wait for their callers, and some of its own meet at a connection."""
    with (
        server_without_threads(tmp_path, ["--threads", threads]) as server,
        connect_stub(server.address) as stub,
        ThreadPoolExecutor(8) as pool,
    ):
        for _ in range(8):
            calls = [pool.submit(convert, stub, CONVERSION) for convert in (convert_unary, convert_stream) * 4]
            for call in calls:
                oracle.check_converted(call.result(), EXPECTED)


def test_the_first_call_over_http_is_answered(tmp_path: Path) -> None:
    """gRPC starts the threads that end such calls with the first of them."""
    with server_without_threads(tmp_path, ["--http-listen", "127.0.0.1:0"]) as server:
        for _ in range(2):
            with urlopen(f"http://{server.http}/v2/models/identity", timeout=TIMEOUT_S) as answer:
                assert answer.status == 200


class Sums(nn.Module):
    """Takes operators that torch shares among threads."""

    def forward(self, x: Tensor) -> Tensor:
        return (x * 2 + 1).sum(1)


def test_operators_run_on_fewer_threads(tmp_path: Path) -> None:
    """OpenMP would end the process."""
    put(tmp_path / "repository/sums", Sums())
    x = torch.ones(4, 500_000)
    flags = ["--intra-op-threads", "4", "--model-dir", f"{tmp_path}/repository"]
    square = oracle.random_bytes("<f4", 1 << 20)
    fortran = request(array("<f4", (1024, 1024), square, fortran_order=True))
    with server_without_threads(tmp_path, flags) as server, connect_stub(server.address) as stub:
        for _ in range(2):
            outcome = convert_unary(stub, infer("sums", {"x": x}, return_data=False))
            assert outcome.refusal is None, outcome.refusal
            assert outcome.outputs[0].data == ((x * 2 + 1).sum(1)).numpy().tobytes()
            assert convert_unary(stub, fortran).refusal is None
        assert server.stop() == 0
