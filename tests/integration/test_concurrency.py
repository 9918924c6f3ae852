"""Many calls at once on one connection and on many, and long ones beside short ones."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import xxhash

import oracle
from harness import MIB, TIMEOUT_S, Server, becomes_true, connect_stub
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import array, convert_unary, request, request_part

DATA = oracle.random_bytes("<f4", 16)
EXPECTED = oracle.expect("<f4", (16,), DATA)
SMALL = request(array("<f4", (16,), DATA))


class OpenStream:
    """A ConvertStream that stays open; requests are sent one at a time."""

    def __init__(self, stub: TensorServiceStub) -> None:
        self._parts: queue.SimpleQueue[pb.ConvertStreamRequest | None] = queue.SimpleQueue()
        self._responses = stub.ConvertStream(iter(self._parts.get, None), timeout=TIMEOUT_S)

    def convert(self, message: pb.ConvertRequest) -> pb.ConvertResponse:
        self._parts.put(request_part(message))
        return next(self._responses).response

    def close(self) -> None:
        self._parts.put(None)
        assert list(self._responses) == []


def check(response: pb.ConvertResponse) -> None:
    assert not response.HasField("error")
    oracle.check_tensor(response.tensors[0], EXPECTED, "x")


@pytest.mark.parametrize("threads", ["1", "4"])
def test_more_open_streams_than_wait_at_the_start(threads: str) -> None:
    """They stay open, each with an answer: no stream waits for another to end."""
    with Server("--threads", threads) as server, ExitStack() as stack:
        stubs = [stack.enter_context(connect_stub(server.address)) for _ in range(4)]
        streams = [OpenStream(stub) for _ in range(80) for stub in stubs]
        for _ in range(2):
            for stream in streams:
                check(stream.convert(SMALL))
        for stub in stubs:
            oracle.check_converted(convert_unary(stub, SMALL), EXPECTED)
        for stream in streams:
            stream.close()
        assert server.threads() < 40, "a stream has no thread"


@pytest.mark.parametrize("threads", ["1", "3"])
def test_many_calls_at_once(threads: str) -> None:
    with Server("--threads", threads) as server, connect_stub(server.address) as stub:
        for _ in range(5):
            calls = [stub.Convert.future(SMALL, timeout=TIMEOUT_S) for _ in range(200)]
            for call in calls:
                check(call.result())


def test_a_caller_who_reads_nothing_holds_up_nobody() -> None:
    """Its answers wait in it and in the sockets between, not in the server's memory."""
    data = bytes(MIB)
    sent = threading.Semaphore(0)
    stop = threading.Event()

    def endless() -> Iterator[pb.ConvertStreamRequest]:
        while not stop.is_set():
            sent.release()
            yield request_part(request(array("|u1", (MIB,), data)))

    with Server() as server, connect_stub(server.address) as slow, connect_stub(server.address) as other:
        responses = slow.ConvertStream(endless(), timeout=TIMEOUT_S)
        next(responses)
        sending = threading.Event()

        def stalls() -> bool:
            sending.clear()
            while sent.acquire(timeout=0.5):
                sending.set()
            return not sending.is_set()

        def holds_up_nobody() -> bool:
            """Whether others were served while the caller was held back, and not only out of luck for a moment."""
            assert becomes_true(stalls), "nothing holds the caller back"
            peak = server.peak_rss()
            for _ in range(20):
                oracle.check_converted(convert_unary(other, SMALL), EXPECTED)
            grown = server.peak_rss() - peak
            return not sent.acquire(blocking=False) and grown < 16 * MIB

        assert becomes_true(holds_up_nobody)
        assert server.rss() < 512 * MIB
        stop.set()
        responses.cancel()


def test_large_messages_beside_small_ones() -> None:
    large_data = oracle.random_bytes(">f8", 4 * MIB)
    large = request(array(">f8", (4 * MIB,), large_data), return_data=False)
    digest = xxhash.xxh3_128(oracle.expect(">f8", (4 * MIB,), large_data).data).digest()
    with Server() as server, ThreadPoolExecutor(3) as pool, connect_stub(server.address) as small, ExitStack() as stack:
        stubs = [stack.enter_context(connect_stub(server.address)) for _ in range(2)]
        busy = [pool.submit(lambda stub: [stub.Convert(large, timeout=TIMEOUT_S) for _ in range(10)], s) for s in stubs]
        while not all(future.done() for future in busy):
            oracle.check_converted(convert_unary(small, SMALL), EXPECTED)
        for future in busy:
            assert all(response.tensors[0].metadata.receipt.digest == digest for response in future.result())
