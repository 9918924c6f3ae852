"""Streams that are kept open between calls: who uses them, and what becomes of a call when one breaks."""

from __future__ import annotations

import asyncio
import gc
import os
import queue
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from both_clients import CLIENTS, TIMEOUT_S, raised
from fake_server import serving
from streaming_server import OK, Streaming

import tensorferry
from tensorferry import _pool
from tensorferry.v1 import tensor_service_pb2 as pb

LARGE = np.zeros(5 << 17)  # 5 MiB, which travel in chunks.
BUSY = pb.ConvertResponse(error=pb.Error(code=8, reason="QUEUE_FULL", message="busy", retry_after_ms=10))
STOPPING = pb.ConvertResponse(
    error=pb.Error(code=14, reason="DRAINING", message="stopping", retry_after_ms=10)
)
SETTINGS: dict[str, Any] = {"timeout": TIMEOUT_S, "verify": False}
each_client = pytest.mark.parametrize("kind", CLIENTS)


def use(kind: str, address: str, *actions: Callable[[Callable[..., Any]], Any], **settings: Any) -> list[Any]:
    """Runs actions with one client, each given a `convert` that blocks; returns what they return or raise."""
    settings = {**SETTINGS, **settings}
    if kind == "Client":
        with tensorferry.Client(address, **settings) as client:
            return [
                outcome(action, lambda **given: client.convert(LARGE, digest=False, **given))
                for action in actions
            ]

    loop = asyncio.new_event_loop()
    aio = tensorferry.aio.Client(address, **settings)

    def convert(**given: Any) -> Any:
        return loop.run_until_complete(aio.convert(LARGE, digest=False, **given))

    try:
        results = [outcome(action, convert) for action in actions]
        loop.run_until_complete(aio.close())
    finally:
        loop.close()
    return results


def outcome(action: Callable[[Any], Any], convert: Any) -> Any:
    try:
        return action(convert)
    except Exception as error:
        return error


def call(convert: Any) -> str:
    return str(convert().dtype)


@each_client
def test_calls_one_after_the_other_share_a_stream(kind: str) -> None:
    streaming = Streaming()
    with serving(streaming) as address:
        assert use(kind, address, call, call, call) == ["float64"] * 3
    assert streaming.requests == [0, 0, 0]


def test_threads_share_streams_but_not_at_the_same_time() -> None:
    together = threading.Barrier(2)

    def answer(number: int, context: Any) -> pb.ConvertResponse:
        together.wait(TIMEOUT_S)
        return OK

    streaming = Streaming(answer)
    with (
        serving(streaming) as address,
        tensorferry.Client(address, **SETTINGS) as client,
        ThreadPoolExecutor(2) as pool,
    ):
        list(pool.map(lambda _: client.convert(LARGE, digest=False), range(8)))
    assert streaming.streams == 2
    assert len(streaming.requests) == 8


def test_tasks_share_streams_but_not_at_the_same_time() -> None:
    together = threading.Barrier(2)

    def answer(number: int, context: Any) -> pb.ConvertResponse:
        together.wait(TIMEOUT_S)
        return OK

    async def main(address: str) -> None:
        async with tensorferry.aio.Client(address, **SETTINGS) as client:
            for _ in range(4):
                await asyncio.gather(*(client.convert(LARGE, digest=False) for _ in range(2)))

    streaming = Streaming(answer)
    with serving(streaming) as address:
        asyncio.run(main(address))
    assert streaming.streams == 2


def test_calls_begin_no_threads_of_their_own() -> None:
    streaming = Streaming()
    with serving(streaming) as address, tensorferry.Client(address, **SETTINGS) as client:
        client.convert(LARGE, digest=False)
        before = set(threading.enumerate())
        for _ in range(20):
            client.convert(LARGE, digest=False)
        assert set(threading.enumerate()) <= before | {  # The server of the test is in this process.
            thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")
        }


@each_client
def test_a_refusal_leaves_the_stream_to_the_next_call(kind: str) -> None:
    streaming = Streaming(lambda number, context: BUSY if number == 1 else OK)
    with serving(streaming) as address:
        refused, receipt = use(kind, address, call, call)
    assert (refused.reason, receipt) == ("QUEUE_FULL", "float64")
    assert streaming.requests == [0, 0]


@each_client
def test_a_call_is_repeated_on_the_same_stream(kind: str) -> None:
    streaming = Streaming(lambda number, context: BUSY if number <= 2 else OK)
    with serving(streaming) as address:
        assert use(kind, address, call, retries=2) == ["float64"]
    assert streaming.requests == [0, 0, 0]


def broken(number: int, context: Any) -> pb.ConvertResponse:
    """Breaks a stream with its second request."""
    if number == 2:
        context.abort(grpc.StatusCode.UNAVAILABLE, "broken")
    return OK


@each_client
def test_a_call_that_a_stopping_server_refused_is_repeated_on_another_stream(kind: str) -> None:
    """Behind a load balancer another stream may lead to another server."""
    streaming = Streaming(lambda number, context: STOPPING if number == 2 else OK)
    with serving(streaming) as address:
        assert use(kind, address, call, call, retries=1) == ["float64"] * 2
    assert streaming.requests == [0, 0, 1]


@each_client
def test_a_call_on_a_stream_that_was_kept_is_made_once_more(kind: str) -> None:
    streaming = Streaming(broken)
    with serving(streaming) as address:
        assert use(kind, address, call, call) == ["float64"] * 2
    assert streaming.requests == [0, 0, 1]


@each_client
def test_a_call_on_a_stream_of_its_own_is_not(kind: str) -> None:
    streaming = Streaming(lambda number, context: broken(number + 1, context))
    with serving(streaming) as address:
        error, receipt = use(kind, address, call, call)
    assert isinstance(error, tensorferry.TransportError)
    assert error.message == "broken"
    assert receipt == "float64"
    assert streaming.requests == [0, 1]


def test_a_broken_stream_breaks_no_other_call() -> None:
    """Each caller gets its own error, or its own answer."""
    waiting = threading.Barrier(4)
    lock = threading.Lock()
    met: list[int] = []

    def answer(number: int, context: Any) -> pb.ConvertResponse:
        with lock:
            met.append(number)
            place = len(met)
        waiting.wait(TIMEOUT_S)
        if place % 2:
            context.abort(grpc.StatusCode.UNAVAILABLE, "broken")
        return OK

    with (
        serving(Streaming(answer)) as address,
        tensorferry.Client(address, **SETTINGS) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        calls = [pool.submit(client.convert, LARGE, digest=False) for _ in range(4)]
        errors = [future.exception(TIMEOUT_S) for future in calls]
    assert sorted(map(str, errors)) == ["None", "None", "UNAVAILABLE: broken", "UNAVAILABLE: broken"]


@each_client
def test_a_server_that_was_restarted_meanwhile(kind: str, tmp_path: Path) -> None:
    listen = f"unix:{tmp_path}/s"
    first, second = Streaming(), Streaming()
    servers = [serving(first, listen), serving(second, listen)]

    def restart(_: Any) -> None:
        servers[0].__exit__(None, None, None)
        servers[1].__enter__()

    servers[0].__enter__()
    try:
        outcomes = use(kind, listen, call, restart, call, wait_for_ready=True)
    finally:
        servers[1].__exit__(None, None, None)
    assert outcomes == ["float64", None, "float64"]
    assert (first.requests, second.requests) == ([0], [0])


@each_client
def test_the_deadline_of_a_call_ends_its_stream_alone(kind: str) -> None:
    ended = threading.Event()

    def answer(number: int, context: Any) -> pb.ConvertResponse:
        if number == 2:
            context.add_callback(ended.set)
            assert ended.wait(TIMEOUT_S)
        return OK

    streaming = Streaming(answer)
    with serving(streaming) as address:
        first, late, third = use(kind, address, call, lambda convert: convert(timeout=1), call)
    assert (first, third) == ("float64", "float64")
    assert isinstance(late, tensorferry.DeadlineError)
    assert late.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert streaming.requests == [0, 0, 1]


@each_client
def test_a_deadline_that_has_passed(kind: str) -> None:
    with serving(Streaming()) as address:
        (late,) = use(kind, address, lambda convert: convert(timeout=-1))
    assert isinstance(late, tensorferry.DeadlineError)


def test_close_ends_streams_that_wait_and_calls_under_way() -> None:
    reached = threading.Event()

    def answer(number: int, context: Any) -> pb.ConvertResponse:
        if number > 1:
            ended = threading.Event()
            context.add_callback(ended.set)
            reached.set()
            assert ended.wait(TIMEOUT_S)
        return OK

    streaming = Streaming(answer)
    with serving(streaming) as address, ThreadPoolExecutor(1) as pool:
        client = tensorferry.Client(address, **SETTINGS)
        client.convert(LARGE, digest=False)
        under_way = pool.submit(client.convert, LARGE, digest=False)
        assert reached.wait(TIMEOUT_S)
        client.close()
        assert isinstance(under_way.exception(TIMEOUT_S), tensorferry.TransportError)
        assert streaming.ended.acquire(timeout=TIMEOUT_S)
        assert isinstance(raised(lambda: client.convert(LARGE)), tensorferry.TransportError)
    assert streaming.requests == [0, 0]


def test_a_client_that_is_dropped_ends_its_streams() -> None:
    streaming = Streaming()
    with serving(streaming) as address:
        client = tensorferry.Client(address, **SETTINGS)
        client.convert(LARGE, digest=False)
        del client
        gc.collect()
        assert streaming.ended.acquire(timeout=TIMEOUT_S)


def test_an_asyncio_client_that_is_dropped_ends_its_streams() -> None:
    streaming = Streaming()

    async def main(address: str) -> None:
        client = tensorferry.aio.Client(address, **SETTINGS)
        await client.convert(LARGE, digest=False)
        del client
        gc.collect()
        assert await asyncio.to_thread(streaming.ended.acquire, timeout=TIMEOUT_S)

    with serving(streaming) as address:
        asyncio.run(main(address))


@each_client
def test_streams_that_wait_for_long_are_ended(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pool, "_IDLE_S", 0.05)
    streaming = Streaming()

    async def main(address: str) -> None:
        async with tensorferry.aio.Client(address, **SETTINGS) as client:
            await client.convert(LARGE, digest=False)
            assert await asyncio.to_thread(streaming.ended.acquire, timeout=TIMEOUT_S)
            await client.convert(LARGE, digest=False)

    with serving(streaming) as address:
        if kind == "Client":
            with tensorferry.Client(address, **SETTINGS) as client:
                client.convert(LARGE, digest=False)
                assert streaming.ended.acquire(timeout=TIMEOUT_S)
                client.convert(LARGE, digest=False)
        else:
            asyncio.run(main(address))
    assert streaming.requests == [0, 1]


FORK = """
import os, sys, numpy as np, tensorferry
def call(client):
    client.convert(np.zeros(5 << 17), digest=False)
client = tensorferry.Client(sys.argv[1], verify=False, timeout=20)
call(client)
child = os.fork()
if child == 0:
    call(tensorferry.Client(sys.argv[1], verify=False, timeout=20))
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_streams_that_wait_have_ended_before_a_fork() -> None:
    """gRPC's own word is that a process forks without calls under way, and then makes new clients."""
    streaming = Streaming()
    with serving(streaming) as address:
        ran = subprocess.run(
            [sys.executable, "-c", FORK, address],
            env={**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "1"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        assert streaming.ended.acquire(timeout=TIMEOUT_S)
    assert streaming.requests == [0, 1]


def test_arrays_are_free_once_their_call_is_answered() -> None:
    class Watched(np.ndarray[Any, Any]):
        pass

    freed = threading.Event()
    with serving(Streaming()) as address, tensorferry.Client(address, **SETTINGS) as client:
        array = LARGE.copy().view(Watched)
        weakref.finalize(array, freed.set)
        client.convert(array, digest=False)
        del array
        gc.collect()
        assert freed.wait(TIMEOUT_S)


def test_a_pool_that_a_fork_emptied_sees_to_its_streams_again() -> None:
    asked: list[float] = []

    class Later:
        def cancel(self) -> None:
            asked.clear()

    def call_later(seconds: float, action: Callable[[], object]) -> Later:
        asked.append(seconds)
        return Later()

    pool = _pool.StreamPool(call_later)
    with serving(Streaming()) as address, grpc.insecure_channel(address) as channel:
        for _ in range(2):
            outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
            stream = _pool.Stream(outbox.put, outbox.get)
            stream.call = channel.stream_stream("/tensorferry.v1.TensorService/ConvertStream")(
                iter(outbox.get, None)
            )
            pool.give_back(stream)
            assert asked == [_pool._IDLE_S]
            pool.finish_idle()
            assert stream.is_over
            asked.clear()
