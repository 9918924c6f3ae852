"""The side socket of a server, where sealed memory is handed over and gets a name."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import select
import socket
import stat
import struct
import threading
import time
import weakref
from collections import defaultdict, deque
from contextlib import suppress
from typing import Any

import grpc

from tensorferry._errors import RefusedError, TensorferryError, TransportError, check_time, too_late
from tensorferry._sealed import SealedMemory

_VERSION = 1
_RELEASE = 2  # A kind of message. Kinds of memory are those of the messages that hand it over.
_TAKEN = 1
_ASK = struct.Struct("<HHIQ")  # Version, kind, tag, bytes.
_ANSWER = struct.Struct("<HHI")
_MOST_ANSWER_NBYTES = 1 << 16
_TAGS = 1 << 32
_PATIENCE_S = 2.0  # A server answers at once. One that does not is left alone for _PAUSE_S.
_PAUSE_S = 10.0
_WANTING = (errno.ENOMEM, errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EINTR)
_EXHAUSTED = ("MEMORY_BUDGET", "TENSOR_TOO_LARGE")
_MOST_KEPT, _MOST_KEPT_NBYTES = 8, 512 << 20  # The regions of memory that may come again, of each kind.


class Connection:
    """A connection to a side socket. The regions that were handed over on it are gone when it is closed."""

    def __init__(self, path: str) -> None:
        """`path` is that of the gRPC socket. Errors: OSError if nobody listens beside it who is its owner."""
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.close = weakref.finalize(self, self.socket.close)
        self.close.atexit = False  # Other threads, and what runs at exit, may still use it.
        self._tags = itertools.count()
        try:
            self.socket.setblocking(False)
            self.socket.connect(f"{path}.sealed")
            _check_owner(self.socket, path)
        except BaseException:
            self.close()
            raise

    def ask(self, memory: SealedMemory) -> int:
        """Sends the memory. Returns the tag that the answer has. Errors: OSError."""
        tag = next(self._tags) % _TAGS
        message = _ASK.pack(_VERSION, memory.kind, tag, memory.nbytes)
        socket.send_fds(self.socket, [message], [memory.file])
        return tag

    def region(self, packet: bytes, tag: int) -> Region | None:
        """Returns the region of an answer; None if it is that of a hand-over nobody waits for any more.

        Errors: RefusedError, with the server's reason; OSError if it is no answer.
        """
        if len(packet) < _ANSWER.size:
            raise ConnectionError("the server closed the connection")
        _, kind, answered = _ANSWER.unpack_from(packet)
        text = packet[_ANSWER.size :].decode(errors="replace")
        if answered != tag:
            if kind == _TAKEN:
                self.release(text)
            return None
        if kind == _TAKEN:
            return Region(self, text)
        reason, _, message = text.partition(" ")
        is_exhausted = reason in _EXHAUSTED
        code = grpc.StatusCode.RESOURCE_EXHAUSTED if is_exhausted else grpc.StatusCode.INVALID_ARGUMENT
        raise RefusedError(code, message, reason=reason)

    def end(self) -> None:
        """Closes the connection, and ends what another thread still waits for."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.close()

    def is_open(self) -> bool:
        """Whether neither side has closed the connection. An answer that came too late may wait there."""
        if not self.close.alive:
            return False
        try:
            return self.socket.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def release(self, region: str) -> None:
        """The server forgets the region. Requests that use it go on."""
        try:
            self.socket.send(_ASK.pack(_VERSION, _RELEASE, 0, 0) + region.encode())
        except OSError:  # The server is gone, or does not read; the regions go with the connection.
            self.close()


class Region:
    """Sealed memory that a server has taken. The server forgets it at the end of this object; requests that
    use it go on."""

    def __init__(self, connection: Connection, name: str) -> None:
        self.connection = connection
        self.name = name
        weakref.finalize(self, connection.release, name).atexit = False


class Side:
    """What hands sealed memory over to the server that listens at a path. Threads may share it.

    It connects when it is first used, and anew when the connection is lost.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: Connection | None = None
        # Regions stay with a connection on which an answer did not come, until nobody has them any more.
        self._connections: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._rest_until = 0.0
        self._kept: defaultdict[int, deque[weakref.ref[SealedMemory]]] = defaultdict(deque)  # By kind.
        self._lock: Any = None
        self.forget()
        _sides.add(self)

    def close(self) -> None:
        self._connection = None
        for connection in list(self._connections):
            connection.end()

    def forget(self) -> None:
        """Closes what a forked process has got from its parent, whose connections go on."""
        self._connection = None
        for connection in list(self._connections):
            connection.close()
        self._lock = None if self._is_async else threading.Lock()

    _is_async = False

    def hand_over(self, memory: SealedMemory, timeout: float | None) -> Any:
        """Returns the memory's Region, of AsyncSide a coroutine does: the one that the server has still, else
        a new one.

        Errors: RefusedError, with the server's reason; TransportError if there is nobody to hand it over to;
            DeadlineError.
        """
        end = None if timeout is None else time.monotonic() + timeout
        if not self._lock.acquire(timeout=-1 if timeout is None else max(0.0, timeout)):
            raise too_late()
        try:
            region = self._kept_region(memory)
            while region is None:
                left = None if end is None else end - time.monotonic()
                try:
                    region = self._keep(memory, self._hand_over(memory, left))
                except RefusedError as error:
                    if not self._makes_room(error):
                        raise
            return region
        finally:
            self._lock.release()

    def _hand_over(self, memory: SealedMemory, timeout: float | None) -> Any:
        """As `hand_over`, of memory that the server does not have."""
        check_time(timeout)
        try:
            connection, tag = self._ask(memory)
            end = time.monotonic() + _patience(timeout)
            while True:
                region = connection.region(_packet(connection, end), tag)
                if region is not None:
                    return region
        except OSError as error:
            raise self._lost(error, timeout) from error

    def _kept_region(self, memory: SealedMemory) -> Region | None:
        """Returns the region that the server has still of this memory, if it has one.

        Errors: TransportError of memory that cannot be handed over once more.
        """
        region: Region | None = memory.region
        if region is not None and region.connection is self._connection:
            if region.connection.is_open():
                return region
            region.connection.close()
        if memory.is_spent:
            raise TransportError(grpc.StatusCode.UNAVAILABLE, "the server does not have this memory any more")
        return None

    def _keep(self, memory: SealedMemory, region: Region) -> Region:
        """Takes note of a region that stays as long as its memory, for the next time it is sent.

        A server bounds what a client may hand over: the regions of older memory are let go.
        """
        memory.is_spent = memory.is_sent_once
        if memory.may_come_again:
            self._let_go(memory.kind, _MOST_KEPT - 1, _MOST_KEPT_NBYTES - memory.nbytes)
            memory.region = region
            self._kept[memory.kind].append(weakref.ref(memory))
        return region

    def _makes_room(self, error: RefusedError) -> bool:
        """Whether the server may take more now, as what was kept is let go."""
        there = sum(map(len, self._kept.values()))
        if error.reason == "MEMORY_BUDGET":
            for kind in list(self._kept):
                self._let_go(kind, 0, 0)
        return sum(map(len, self._kept.values())) < there

    def _let_go(self, kind: int, most: int, nbytes: int) -> None:
        """Lets go of the regions that were kept first, beyond so many with so many bytes together."""
        kept: deque[weakref.ref[SealedMemory]] = deque()
        for reference in reversed(self._kept[kind]):
            memory = reference()
            if memory is None or memory.region is None or memory.region.connection is not self._connection:
                continue
            nbytes -= memory.nbytes
            if len(kept) < most and nbytes >= 0:
                kept.appendleft(reference)
            else:
                memory.region = None
        self._kept[kind] = kept

    def _ask(self, memory: SealedMemory) -> tuple[Connection, int]:
        """Errors: OSError."""
        if time.monotonic() < self._rest_until:
            raise ConnectionError("the server did not answer a short time ago")
        connection = self._connection
        if connection is not None and connection.close.alive:
            try:
                return connection, connection.ask(memory)
            except ConnectionError:  # The server has started anew since.
                connection.close()
        connection = self._connection = Connection(self._path)
        self._connections.add(connection)
        return connection, connection.ask(memory)

    def _lost(self, error: OSError, timeout: float | None) -> TensorferryError:
        """Returns what callers are told of a connection on which no answer came: it is for no more memory."""
        self._connection = None
        if isinstance(error, TimeoutError):
            if _patience(timeout) < _PATIENCE_S:
                return too_late()
            self._rest_until = time.monotonic() + _PAUSE_S
        problem = f"no sealed memory is taken at {self._path}.sealed: {error.strerror or error}"
        return TransportError(grpc.StatusCode.UNAVAILABLE, problem)


class AsyncSide(Side):
    """Does it for the tasks of one event loop, which goes on while they wait."""

    _is_async = True

    async def hand_over(self, memory: SealedMemory, timeout: float | None) -> Region:
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:
            region = self._kept_region(memory)
            while region is None:
                try:
                    region = self._keep(memory, await self._hand_over(memory, timeout))
                except RefusedError as error:
                    if not self._makes_room(error):
                        raise
            return region

    async def _hand_over(self, memory: SealedMemory, timeout: float | None) -> Region:
        check_time(timeout)
        try:
            connection, tag = self._ask(memory)
            end = time.monotonic() + _patience(timeout)
            while True:
                await _answer_there(connection, end)
                region = connection.region(connection.socket.recv(_MOST_ANSWER_NBYTES), tag)
                if region is not None:
                    return region
        except OSError as error:
            raise self._lost(error, timeout) from error


def side_path(address: str) -> str | None:
    """Returns the path of a gRPC socket that may have a side socket; None for other addresses."""
    if not address.startswith("unix:"):
        return None
    path = address[len("unix:") :]
    return path[2:] if path.startswith("///") else path


def sealed_error(error: Exception) -> TensorferryError:
    """Returns what callers are told where an array could not travel in sealed memory."""
    if isinstance(error, TensorferryError):
        return error
    problem = f"the system has no sealed memory for the array: {error}"
    return TensorferryError(grpc.StatusCode.RESOURCE_EXHAUSTED, problem)


def is_for_good(error: Exception) -> bool:
    """Whether memory that could not be handed over cannot be the next time either."""
    if isinstance(error, TensorferryError):  # Some of them are OSErrors, too.
        return isinstance(error, RefusedError) and error.reason not in _EXHAUSTED
    return not isinstance(error, OSError) or error.errno not in _WANTING


def _patience(timeout: float | None) -> float:
    return _PATIENCE_S if timeout is None else max(0.0, min(timeout, _PATIENCE_S))


def _packet(connection: Connection, end: float) -> bytes:
    """Waits for an answer. Errors: OSError, which is a TimeoutError at `end`."""
    poll = select.poll()
    poll.register(connection.socket, select.POLLIN)
    if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
        raise TimeoutError("the server does not answer")
    return connection.socket.recv(_MOST_ANSWER_NBYTES)


async def _answer_there(connection: Connection, end: float) -> None:
    """Waits for an answer. Errors: TimeoutError at `end`.

    asyncio.wait_for would swallow a cancellation that comes with the answer, before Python 3.12.
    """
    loop = asyncio.get_running_loop()
    there: asyncio.Future[bool] = loop.create_future()

    def settle(is_there: bool) -> None:
        if not there.done():
            there.set_result(is_there)

    file = connection.socket.fileno()
    loop.add_reader(file, settle, True)
    alarm = loop.call_later(max(0.0, end - time.monotonic()), settle, False)
    try:
        if not await there:
            raise TimeoutError("the server does not answer")
    finally:
        alarm.cancel()
        loop.remove_reader(file)


def _check_owner(connected: socket.socket, path: str) -> None:
    """Arrays go to nobody but the owner of the gRPC socket: in a folder that all may write to, anybody could
    listen beside it.

    Errors: PermissionError.
    """
    _, user, _ = struct.unpack("iII", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    file = os.stat(path)
    if not stat.S_ISSOCK(file.st_mode) or file.st_uid != user:
        raise PermissionError(f"user {user} listens there, and the gRPC socket is another's")


_sides: weakref.WeakSet[Side] = weakref.WeakSet()


def _forget_all() -> None:
    for side in _sides.copy():
        side.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
