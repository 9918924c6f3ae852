"""Which server the tests talk to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Target:
    kind: str  # `tensorferry` or `triton`.
    address: str
    http: str | None  # The address for HTTP, if there is one.
    folder: Path  # Holds `repository`, `gates` and, of our own server, `expected.npz`.

    @property
    def is_triton(self) -> bool:
        return self.kind == "triton"
