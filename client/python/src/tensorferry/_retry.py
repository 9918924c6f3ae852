"""When a call is made again: as often as the caller wants it, where and when the server says so."""

from __future__ import annotations

import time
from typing import cast

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

    def allow(self, error: TensorferryError) -> bool:
        """Whether the server said that another try may help, and there are tries and time left for it."""
        delay, left = error.retry_after, self.timeout
        return delay is not None and self._retries > 0 and (left is None or delay < left)

    def delay(self, error: TensorferryError) -> float:
        """Takes a try, and returns the seconds to wait before it. Errors: `error`, where none is left."""
        if not self.allow(error):
            raise error
        self._retries -= 1
        return cast(float, error.retry_after)
