"""Handing sealed memory over where the answer does not come, or comes when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import os
import queue
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import tensorferry
from tensorferry._sealed import AVAILABLE, SealedMemory, sealed_copy
from tensorferry._side import AsyncSide, Side

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="this system has no sealed memory")

TIMEOUT_S = 30
ASK = struct.Struct("<HHIQ")
ANSWER = struct.Struct("<HHI")
RELEASE = 2


class Taker:
    """Takes what is handed over beside a gRPC socket.

    Attributes:
        silent: Memory is taken, but not answered before `answer`.
        came: Counts what was handed over.
        released: Names that were released.
    """

    def __init__(self, path: Path) -> None:
        self.silent = False
        self.came = threading.Semaphore(0)
        self.released: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._unanswered: queue.SimpleQueue[tuple[socket.socket, int]] = queue.SimpleQueue()
        self._count = 0
        self._grpc = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._grpc.bind(str(path))
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(f"{path}.sealed")
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def answer(self) -> None:
        """Answers the oldest message that was not answered."""
        self._answer(*self._unanswered.get(timeout=TIMEOUT_S))

    def _answer(self, connection: socket.socket, tag: int) -> None:
        self._count += 1
        connection.send(ANSWER.pack(1, 1, tag) + f"sealed:{self._count}".encode())

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._grpc.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection = self._listener.accept()[0]
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while (received := socket.recv_fds(connection, 4096, 4))[0]:
                message, descriptors, _, _ = received
                for descriptor in descriptors:
                    os.close(descriptor)
                _, kind, tag, _ = ASK.unpack_from(message)
                if kind == RELEASE:
                    self.released.put(message[ASK.size :].decode())
                    continue
                if self.silent:
                    self._unanswered.put((connection, tag))
                else:
                    self._answer(connection, tag)
                self.came.release()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


@pytest.fixture
def taker(path: Path) -> Iterator[Taker]:
    taker = Taker(path)
    yield taker
    taker.stop()


def memory() -> SealedMemory:
    return sealed_copy([b"0123"])


def kept() -> SealedMemory:
    """Memory that stays with the server, as that of `client.empty` does."""
    made = SealedMemory(may_come_again=True)
    os.write(made.file, b"0123")
    made.seal()
    return made


def test_who_waits_in_vain_costs_others_no_region(taker: Taker, path: Path) -> None:
    """A request may still be on its way with a region that was handed over before."""
    side = Side(str(path))
    region = side.hand_over(memory(), None)
    taker.silent = True
    with pytest.raises(tensorferry.DeadlineError):
        side.hand_over(memory(), 0.05)
    taker.silent = False
    other = side.hand_over(memory(), None)
    name = region.name
    del region
    assert taker.released.get(timeout=TIMEOUT_S) == name, "until then its connection was there"
    assert other.connection.is_open()
    side.close()
    assert not other.connection.is_open()


def test_nobody_waits_longer_than_it_has_time_while_another_waits(
    taker: Taker, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tensorferry._side._PATIENCE_S", float(TIMEOUT_S))
    side = Side(str(path))
    taker.silent = True
    regions: list[str] = []
    waiting = threading.Thread(target=lambda: regions.append(side.hand_over(memory(), None).name))
    waiting.start()
    assert taker.came.acquire(timeout=TIMEOUT_S)
    with pytest.raises(tensorferry.DeadlineError):
        side.hand_over(memory(), 0.05)
    assert waiting.is_alive(), "it waits still"
    taker.answer()
    waiting.join()
    assert regions == ["sealed:1"]
    side.close()


def test_the_end_of_a_client_ends_all_of_its_connections(taker: Taker, path: Path) -> None:
    side = Side(str(path))
    region = side.hand_over(memory(), None)
    taker.silent = True
    with pytest.raises(tensorferry.DeadlineError):
        side.hand_over(memory(), 0.05)
    assert region.connection.is_open()
    side.close()
    assert not region.connection.is_open()


def test_an_answer_that_no_task_waits_for_any_more(taker: Taker, path: Path) -> None:
    """What the server has of others stays there, and what it took in vain is released."""

    async def main() -> None:
        side = AsyncSide(str(path))
        array = kept()
        region = await side.hand_over(array, None)
        taker.came.acquire()
        taker.silent = True
        given_up = asyncio.ensure_future(side.hand_over(memory(), None))
        assert await asyncio.to_thread(taker.came.acquire, timeout=TIMEOUT_S)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        taker.answer()
        taker.silent = False
        assert await side.hand_over(array, None) is region
        other = await side.hand_over(memory(), None)
        assert taker.released.get(timeout=TIMEOUT_S) == "sealed:2"
        assert (region.name, other.name) == ("sealed:1", "sealed:3")
        side.close()

    asyncio.run(main())


@pytest.mark.parametrize("passes", range(8))
def test_a_cancellation_that_comes_with_the_answer(passes: int, taker: Taker, path: Path) -> None:
    """It is not swallowed so many passes of the loop later, and what the server took is released."""

    async def main() -> None:
        side = AsyncSide(str(path))
        taker.silent = True
        handing = asyncio.ensure_future(side.hand_over(memory(), None))
        assert await asyncio.to_thread(taker.came.acquire, timeout=TIMEOUT_S)
        taker.answer()
        for _ in range(passes):
            await asyncio.sleep(0)
        if handing.cancel():
            with pytest.raises(asyncio.CancelledError):
                await handing
        del handing
        taker.silent = False
        assert (await side.hand_over(memory(), None)).name == "sealed:2"
        assert taker.released.get(timeout=TIMEOUT_S) == "sealed:1"
        side.close()

    asyncio.run(main())
