"""ConvertStreams that are kept open between calls, and shared by threads and tasks."""

from __future__ import annotations

import os
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

import grpc

from tensorferry._alarms import Alarm, CallLater
from tensorferry._errors import TensorferryError
from tensorferry._upload import Upload

# A stream that waits keeps its connection, and a thread or a task here. It is kept for bursts of calls, and
# not so long that it would hold up a server that wants its callers to connect anew.
_IDLE_S = 10.0
_PATIENCE_S = 1.0  # How long a fork waits for a server that does not end its side of a stream.


class Stream:
    """A ConvertStream and its requests. It serves one caller at a time.

    Attributes:
        call: gRPC's call. It takes what `put` is given, in gRPC's thread or task.
        get: Waits for what `put` is given next; with asyncio it returns a coroutine.
        served: Calls that were answered.
        given_up: This client has cancelled `call` while somebody waits for its messages.
        expired: The deadline of the present call has passed, and `call` was cancelled for that.
    """

    call: Any

    def __init__(self, put: Callable[[Upload | None], object], get: Callable[[], Any]) -> None:
        self.put = put
        self.get = get
        self.served = 0
        self.given_up = False
        self.expired = False
        self.idle_since = 0.0

    @property
    def is_over(self) -> bool:
        """The call has ended: with it the connection broke, or the server stops."""
        call = self.call
        if self.given_up:
            return True
        return bool(call.done() if hasattr(call, "done") else not call.is_active())

    def end(self) -> None:
        """Ends the call, and what waits for requests to send.

        At the end of the interpreter it does nothing: gRPC's threads stopped where they were, one of them
        maybe with a lock that `cancel` would wait for, and the system closes the connection.
        """
        if sys.is_finalizing():
            return
        self.put(None)
        self.call.cancel()

    def give_up(self) -> None:
        self.given_up = True
        self.call.cancel()

    def expire(self) -> None:
        self.expired = True
        self.give_up()


Idle = deque[Stream]


def ending_well(call: Any) -> Any:
    """Returns a call of grpcio's, whose destructor does nothing at the end of the interpreter.

    It waits for a lock, which a thread may have that stopped then. Errors and tracebacks keep calls so long.
    """
    kind: Any = type(call)
    with suppress(TypeError):  # A newer grpcio may have calls that cannot be of another class.
        call.__class__ = _ending_well(kind)
    return call


@cache
def _ending_well(kind: Any) -> Any:
    def end(call: Any, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if not is_finalizing() and hasattr(kind, "__del__"):
            kind.__del__(call)

    return type(kind.__name__, (kind,), {"__del__": end})


class StreamPool:
    """The streams of one client that wait for a call. Threads may share it."""

    def __init__(
        self, call_later: CallLater, keep: bool = True, dispose: Callable[[Idle], object] | None = None
    ) -> None:
        """`keep` False: each call has a stream of its own. `dispose` ends streams whose pool is gone."""
        self._idle: Idle = deque()
        self._call_later = call_later
        self._keep = keep
        self._sweep: Alarm | None = None
        weakref.finalize(self, dispose or end_all, self._idle)

    def take(self) -> tuple[Stream | None, bool]:
        """Returns a stream that waits, if one does, and whether one was found that had ended."""
        found_ended = False
        while True:
            try:
                stream = self._idle.pop()
            except IndexError:
                return None, found_ended
            if not stream.is_over:
                return stream, found_ended
            stream.end()
            found_ended = True

    def give_back(self, stream: Stream) -> None:
        """Takes a stream whose call was answered."""
        stream.served += 1
        if not self._keep or stream.is_over:
            stream.end()
            return
        stream.idle_since = time.monotonic()
        self._idle.append(stream)
        if not self._keep:  # It was closed meanwhile.
            end_all(self._idle)
        elif self._sweep is None:
            with suppress(TensorferryError):  # There is no thread for it. The next stream comes back soon.
                self._sweep_later()

    def close(self) -> None:
        """Ends all streams that wait; those that come back later end then."""
        self._keep = False
        end_all(self._idle)
        if self._sweep is not None:
            self._sweep.cancel()

    def finish_idle(self) -> None:
        """Ends all streams that wait, and waits for the server's word that they have ended."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None  # A forked process has none.
        while self._idle:
            with suppress(IndexError, grpc.RpcError):  # Another thread took it, or it broke.
                stream = self._idle.pop()
                patience = self._call_later(_PATIENCE_S, stream.give_up)
                stream.put(None)
                for _ in stream.call:
                    pass
                patience.cancel()

    def _sweep_later(self) -> None:
        method = weakref.WeakMethod(self._end_old)
        self._sweep = self._call_later(_IDLE_S, lambda: (sweep := method()) and sweep())

    def _end_old(self) -> None:
        """Ends those that have waited for long, and comes again while any wait."""
        self._sweep = None  # It comes first: what is given back from now on sees to itself.
        latest = time.monotonic() - _IDLE_S
        while self._idle and self._idle[0].idle_since <= latest:
            try:
                self._idle.popleft().end()
            except IndexError:  # Another thread took it.
                break
        if self._idle and self._sweep is None:
            self._sweep_later()


def end_all(idle: Idle) -> None:
    while True:
        try:
            idle.pop().end()
        except IndexError:
            return


_pools: weakref.WeakSet[StreamPool] = weakref.WeakSet()
_hooks: list[object] = []


def end_before_fork(pool: StreamPool) -> None:
    """Has the waiting streams of a blocking client ended before a fork: gRPC survives it only without calls.

    Hooks run in reverse order, and gRPC's, which stops its threads, comes with the first channel: the first
    pool has to be made after it.
    """
    _pools.add(pool)
    if not _hooks:
        _hooks.append(_finish_all)
        os.register_at_fork(before=_finish_all)


def _finish_all() -> None:
    for pool in _pools.copy():
        pool.finish_idle()
