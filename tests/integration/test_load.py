"""Many clients at once, and clients that vanish: afterwards the server holds no more than before."""

from __future__ import annotations

import os
import queue
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import grpc
import pytest

import oracle
from harness import MIB, REPO_ROOT, TIMEOUT_S, Server, becomes_true, connect_stub
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import TRANSPORTS, Outcome, array, chunk_part, convert_unary, request, request_part

CLIENTS = 64
CALLS_PER_CLIENT = 12
ROUNDS = 6


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


def good(rng: random.Random) -> tuple[pb.ConvertRequest, oracle.Expected]:
    dtype, numel = rng.choice(oracle.ALL), rng.choice([0, 1, 100, 500])
    data = oracle.random_bytes(dtype, numel, seed=rng.getrandbits(32))
    return request(array(dtype, (numel,), data)), oracle.expect(dtype, (numel,), data)


BAD = {
    "SIZE_MISMATCH": array("<f4", (1000,), bytes(3999)),
    "BAD_DTYPE": array("!f4", (1000,), bytes(4000)),
    "TENSOR_TOO_LARGE": array("<f4", (1 << 40,), bytes(10)),
    "BAD_NAME": array("<f4", (), bytes(4), name="\n"),
    "TOO_MANY_DIMS": array("<f4", (1,) * 65, bytes(4)),
}


def run_client(address: str, seed: int) -> None:
    """Good and bad requests in random order, over every transport, each answered as if it were the only one."""
    rng = random.Random(seed)
    with connect_stub(address) as stub:
        for _ in range(CALLS_PER_CLIENT):
            convert = TRANSPORTS[rng.choice(sorted(TRANSPORTS))]
            if rng.random() < 0.5:
                message, expected = good(rng)
                oracle.check_converted(convert(stub, message), expected)
            else:
                reason = rng.choice(sorted(BAD))
                outcome: Outcome = convert(stub, request(BAD[reason]))
                assert outcome.reason == reason


def run_clients(server: Server) -> None:
    with ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(run_client, server.address, seed) for seed in range(CLIENTS)]:
            done.result()


def check_answers(stub: TensorServiceStub) -> None:
    message, expected = good(random.Random(0))
    oracle.check_converted(convert_unary(stub, message), expected)


def holds_no_more(server: Server, threads: int, rss: int) -> bool:
    return server.threads() <= threads + 4 and server.rss() <= rss + 32 * MIB


def check_no_growth(server: Server, load: Callable[[], None]) -> None:
    """Repeats `load` until a round leaves the server as the round before did: what leaks grows with every round."""
    with connect_stub(server.address) as stub:
        check_answers(stub)
        threads, descriptors, rss = server.threads(), server.descriptors(), server.rss()
        for _ in range(ROUNDS):
            load()
            check_answers(stub)
            assert becomes_true(lambda: server.descriptors() <= descriptors + 2), "descriptors stay open"
            if becomes_true(partial(holds_no_more, server, threads, rss), timeout_s=3):
                return
            threads, rss = server.threads(), server.rss()
    raise AssertionError(f"grew in each of {ROUNDS} rounds, to {threads} threads and {rss} bytes")


def test_64_clients_at_once(server: Server) -> None:
    check_no_growth(server, partial(run_clients, server))


def kill_clients_in_mid_stream(address: str) -> None:
    path = {**os.environ, "PYTHONPATH": str(REPO_ROOT / "client/python/src")}
    program = [sys.executable, str(Path(__file__).parent / "midstream_client.py"), address]
    clients = [subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=path) for _ in range(3)]
    for client in clients:
        with client:
            assert client.stdout is not None
            assert client.stdout.readline() == "midstream\n"
            client.kill()


def test_clients_killed_in_mid_stream(server: Server) -> None:
    check_no_growth(server, partial(kill_clients_in_mid_stream, server.address))


class HalfSentArray:
    """A stream that the server is reading, on which 2 of 16 MiB have been sent and no more will be."""

    def __init__(self, stub: TensorServiceStub, timeout: float) -> None:
        declared = pb.Array(name="x", dtype="|u1", shape=[16 * MIB], chunked_nbytes=16 * MIB)
        self._parts: queue.Queue[pb.ConvertStreamRequest | None] = queue.Queue()
        self.call = stub.ConvertStream(iter(self._parts.get, None), timeout=timeout)
        self._parts.put(request_part(request()))
        assert next(self.call).WhichOneof("part") == "response"
        self._parts.put(request_part(request(declared)))
        for _ in range(2):
            self._parts.put(chunk_part(bytes(MIB)))

    def ended_with(self) -> grpc.StatusCode:
        code = self.call.code()  # Waits for it.
        self._parts.put(None)
        return code


def cancel_streams(stub: TensorServiceStub) -> None:
    for stream in [HalfSentArray(stub, TIMEOUT_S) for _ in range(50)]:
        stream.call.cancel()
        assert stream.ended_with() == grpc.StatusCode.CANCELLED


def test_streams_cancelled_in_mid_array(server: Server) -> None:
    with connect_stub(server.address) as stub:
        check_no_growth(server, partial(cancel_streams, stub))


def let_deadlines_pass(stub: TensorServiceStub) -> None:
    for stream in [HalfSentArray(stub, timeout=5) for _ in range(50)]:
        assert stream.ended_with() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_deadlines_that_pass_in_mid_array(server: Server) -> None:
    with connect_stub(server.address) as stub:
        check_no_growth(server, partial(let_deadlines_pass, stub))


def cancel_unary_calls(stub: TensorServiceStub) -> None:
    message = request(array("|u1", (MIB,), bytes(MIB)))
    for call in [stub.Convert.future(message, timeout=TIMEOUT_S) for _ in range(100)]:
        call.cancel()


def test_unary_calls_cancelled(server: Server) -> None:
    with connect_stub(server.address) as stub:
        check_no_growth(server, partial(cancel_unary_calls, stub))
