"""What happens later: one thread for all blocking clients of a process, as asyncio has its loop."""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable
from typing import Protocol

from tensorferry._errors import no_thread


class Alarm(Protocol):
    """Something that happens later, unless it is cancelled; asyncio.TimerHandle is one."""

    def cancel(self) -> None: ...


CallLater = Callable[[float, Callable[[], object]], Alarm]


class _Alarm:
    """One action of `Alarms`."""

    def __init__(self, alarms: Alarms, action: Callable[[], object]) -> None:
        self._alarms = alarms
        self.action: Callable[[], object] | None = action

    def cancel(self) -> None:
        """After this the action has run, or never runs."""
        with self._alarms.changed:
            if self.action is not None:
                self.action = None
                self._alarms.forget_one()


class Alarms:
    """Runs short actions when their time has come, in a thread that begins with the first of them.

    Actions must neither raise nor wait.

    Attributes:
        changed: Guards everything here. Actions run with it.
    """

    def __init__(self) -> None:
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        """Begins without actions: a forked process has no threads but one, and none of its parent's calls."""
        self.changed = threading.Condition()
        self._heap: list[tuple[float, int, _Alarm]] = []
        self._cancelled = 0
        self._count = itertools.count()
        self._thread: threading.Thread | None = None

    def call_later(self, seconds: float, action: Callable[[], object]) -> Alarm:
        """Runs `action` after so many seconds. Errors: TensorferryError if there is no thread for it."""
        alarm = _Alarm(self, action)
        entry = (time.monotonic() + seconds, next(self._count), alarm)
        with self.changed:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="tensorferry-alarms", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    raise no_thread(error) from error
                self._thread = thread
            heapq.heappush(self._heap, entry)
            if self._heap[0] is entry:
                self.changed.notify()
        return alarm

    def forget_one(self) -> None:
        """Takes notice of a cancelled alarm: they must not pile up until their time comes."""
        self._cancelled += 1
        if self._cancelled > 100 + len(self._heap) // 2:
            self._heap = [entry for entry in self._heap if entry[2].action is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def _run(self) -> None:
        with self.changed:
            while True:
                while self._heap and (
                    self._heap[0][2].action is None or self._heap[0][0] <= time.monotonic()
                ):
                    alarm = heapq.heappop(self._heap)[2]
                    action, alarm.action = alarm.action, None
                    if action is None:
                        self._cancelled = max(0, self._cancelled - 1)
                    else:
                        action()
                    del action, alarm  # They may hold what its owner has given up.
                self.changed.wait(self._heap[0][0] - time.monotonic() if self._heap else None)


ALARMS = Alarms()
