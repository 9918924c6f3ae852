"""When a call is made again: as often as the caller wants it, where and when the server says so."""

from __future__ import annotations

import time

from tensorferry._errors import TensorferryError


class Attempts:
    """The tries that a call has left, and its time."""

    def __init__(self, retries: int, end: float | None) -> None:
        """`end` is when the call's time is over, by time.monotonic; None: never."""
        self._retries = retries
        self._end = end

    @property
    def timeout(self) -> float | None:
        """Seconds that are left of the call's timeout; None for ever."""
        return None if self._end is None else self._end - time.monotonic()

    def delay(self, error: TensorferryError) -> float:
        """Returns the seconds to wait before the next try.

        Errors: `error`, if the server did not say that another try may help, if there were enough tries, or
            if the time would be over.
        """
        delay, left = error.retry_after, self.timeout
        if delay is None or self._retries == 0 or (left is not None and delay >= left):
            raise error
        self._retries -= 1
        return delay
