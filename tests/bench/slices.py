"""What one slice of measurement gave."""

from __future__ import annotations

from dataclasses import dataclass

MAX_FOREIGN = 0.10  # Load of others on the measured CPUs above which a slice is disturbed; the system counts in 10 ms.
MAX_STEAL = 0.05


@dataclass(frozen=True)
class Slice:
    place: str  # LAYOUT/TRANSPORT
    workload: str
    contender: str
    round: int
    rate: float  # Answers per second.
    p50_us: float
    p99_us: float
    cpu_us: float | None = None  # CPU time of the server, per request.
    faults: float | None = None  # Minor page faults of the server, per request.
    foreign: float = 0.0  # Share of the measured CPUs' time that others used,
    steal: float = 0.0  # and that the host gave to other guests.
    mib: float = 0.0  # Where memory is measured.

    @property
    def time_us(self) -> float:
        """Per request, with one outstanding."""
        return 1e6 / self.rate

    @property
    def disturbed(self) -> bool:
        return self.foreign > MAX_FOREIGN or self.steal > MAX_STEAL
