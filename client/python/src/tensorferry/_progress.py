"""Tells callers how much of their arrays is on its way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from tensorferry import _arguments

Report = Callable[[int, int], object]  # What callers pass as `progress`: it takes bytes sent, and of all.


class Reported(Protocol):
    """One try to send a request.

    Attributes:
        ended: No more is to be reported of it.
        reported: Bytes that were.
    """

    ended: bool
    reported: int


class Progress:
    """Counts the bytes of one request, or of several that are one to the caller.

    The caller's function is called by one thread at a time, and not for a try that has ended: so never after
    the caller's method has returned.
    """

    def __init__(self, report: Report, total: int) -> None:
        self._report = report
        self._total = total
        self._sent = 0
        self._lock = threading.RLock()

    def advance(self, upload: Reported, sent: int) -> None:
        """Reports that so many bytes of the upload were sent. Errors: what the caller's function raises."""
        with self._lock:
            if not upload.ended:
                self._count(upload, sent)
                self._report(self._sent, self._total)

    def complete(self, upload: Reported, nbytes: int) -> None:
        """Reports that all of the upload was sent, and answered. Errors: as those of `advance`."""
        with self._lock:
            upload.ended = True
            self._count(upload, nbytes)
            self._report(self._sent, self._total)

    def end(self, upload: Reported) -> None:
        """Ends the reports of an upload, but for `complete`."""
        with self._lock:
            upload.ended = True

    def restart(self, upload: Reported) -> None:
        """Takes back what was reported of an upload that is made again."""
        with self._lock:
            upload.ended = True
            self._count(upload, 0)

    def _count(self, upload: Reported, sent: int) -> None:
        self._sent += sent - upload.reported
        upload.reported = sent


MakeProgress = Callable[[int], Progress]  # It makes the Progress of a request, whose bytes it is given.


def reports_to(report: Any) -> MakeProgress | None:
    """Returns what makes the Progress of a request, whose bytes it is given. Errors: TypeError."""
    return None if report is None else partial(Progress, _arguments.progress(report))


def reports_together(report: Report, total: int) -> MakeProgress:
    """Returns what makes one Progress of several requests, which have so many bytes in all."""
    progress = Progress(report, total)
    return lambda _: progress
