"""What the slices of a run say: ratios of two contenders in the same round, and how sure they are."""

from __future__ import annotations

import random
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from slices import Slice

RESAMPLES = 2000
FEWEST_PAIRS = 3  # Below, disturbed slices count as well.

Measure = Callable[[Slice], float]


@dataclass(frozen=True)
class Interval:
    """A median and the interval that holds it with a confidence of 95 %."""

    median: float
    low: float
    high: float
    rounds: int = 0
    disturbed: bool = False  # Undisturbed rounds were too few.

    def __str__(self) -> str:
        return f"{number(self.median)} [{number(self.low)}, {number(self.high)}]{'†' if self.disturbed else ''}"


def number(value: float | None) -> str:
    """Three digits, or all that stand before the point."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def bootstrap(values: Sequence[float], seed: int = 1) -> Interval:
    """The interval of the median, from resampling."""
    rng = random.Random(seed)
    medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(RESAMPLES))
    low, high = medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES)]
    return Interval(statistics.median(values), low, high, len(values))


class Results:
    """Slices by place, workload, contender and round."""

    def __init__(self, slices: Iterable[Slice]) -> None:
        self._slices: dict[tuple[str, str, str], dict[int, Slice]] = defaultdict(dict)
        for s in slices:
            self._slices[s.place, s.workload, s.contender][s.round] = s

    def places(self) -> list[str]:
        return sorted({place for place, _, _ in self._slices})

    def workloads(self, place: str) -> set[str]:
        return {workload for p, workload, _ in self._slices if p == place}

    def contenders(self, place: str, workload: str) -> set[str]:
        return {contender for p, w, contender in self._slices if (p, w) == (place, workload)}

    def of(self, place: str, workload: str, contender: str) -> list[Slice]:
        return list(self._slices.get((place, workload, contender), {}).values())

    def median(
        self, place: str, workload: str, contender: str, measure: Callable[[Slice], float | None]
    ) -> float | None:
        """The median of what was measured; nothing if that is nothing."""
        slices = self.of(place, workload, contender)
        clean = [s for s in slices if not s.disturbed]
        values = [value for s in clean or slices if (value := measure(s)) is not None]
        return statistics.median(values) if values else None

    def limit(self, place: str, workload: str) -> str | None:
        """The faster of the empty servers."""
        limits = [c for c in ("limit", "limit-tuned") if self.of(place, workload, c)]
        return max(limits, key=lambda c: self.median(place, workload, c, lambda s: s.rate) or 0, default=None)

    def combine(
        self, place: str, workload: str, contenders: Sequence[str], value: Callable[..., float]
    ) -> Interval | None:
        """`value` of the contenders' slices of a round, over the rounds that have them all."""
        by_round = [self._slices.get((place, workload, c), {}) for c in contenders]
        rounds = set.intersection(*(set(slices) for slices in by_round))
        together = [[slices[r] for slices in by_round] for r in sorted(rounds)]
        clean = [group for group in together if not any(s.disturbed for s in group)]
        chosen = clean if len(clean) >= FEWEST_PAIRS else together
        if not chosen:
            return None
        interval = bootstrap([value(*group) for group in chosen])
        return Interval(interval.median, interval.low, interval.high, len(chosen), chosen is not clean)

    def ratio(self, place: str, workload: str, contender: str, base: str, measure: Measure) -> Interval | None:
        return self.combine(place, workload, (contender, base), lambda a, b: measure(a) / measure(b))
