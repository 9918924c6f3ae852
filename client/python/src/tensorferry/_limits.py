"""How large messages may be, and are made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """How elements are spread over messages, in bytes."""

    inline_nbytes: int  # Most that one request carries in itself; arrays beyond it are chunked.
    chunk_nbytes: int

    def within(self, other: Limits) -> Limits:
        """Returns limits that both allow."""
        return Limits(
            min(self.inline_nbytes, other.inline_nbytes), min(self.chunk_nbytes, other.chunk_nbytes)
        )


DEFAULT_LIMITS = Limits(inline_nbytes=4 << 20, chunk_nbytes=1 << 20)  # Most servers take them; others say so.
# A message with more elements takes longer than chunks: on its way to gRPC it is copied twice, to memory that
# the system gives anew for each. docs/performance.md has the measurement.
CHEAP_LIMITS = Limits(inline_nbytes=192 << 10, chunk_nbytes=1 << 20)
