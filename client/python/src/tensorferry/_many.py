"""Many requests on a stream of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from tensorferry._errors import TensorferryError
from tensorferry._pool import Stream
from tensorferry._request import Request
from tensorferry._stream import StreamState

T = TypeVar("T")
MakeRequest = Callable[[int, Any], "Request[T] | TensorferryError"]  # Of an item and its position.
END = object()  # What `CallingClient._next_of` gives after the last item.


class Many(Generic[T]):
    """Many requests on a stream of their own.

    Attributes:
        items: What requests are made of; what `_next_of` takes.
        timeout: Seconds for all of them, as the caller named them.
        end: When they are over, by time.monotonic; None: never. It is set when the first stream begins.
        reports: A caller's `progress` is told of their chunks.
    """

    stream: Stream
    end: float | None

    def __init__(
        self,
        state: StreamState[T],
        items: Any,
        make: MakeRequest[T],
        timeout: float | None,
        reports: bool = False,
    ) -> None:
        self.state = state
        self.items = items
        self.timeout = timeout
        self.reports = reports
        self._make = make
        self._count = 0

    @property
    def left(self) -> float | None:
        """Seconds that are left; None: no end of them."""
        return None if self.end is None else self.end - time.monotonic()

    def request(self, item: Any) -> Request[T] | TensorferryError | None:
        """Returns the request that is made of the next item; None: there are no more."""
        if item is END:
            return None
        made = self._make(self._count, item)
        self._count += 1
        return made

    def close(self) -> None:
        self.state.end_uploads()
        self.stream.end()
