"""Measures the probe alone and beside a load in turns, and what the load leaves behind."""

from __future__ import annotations

import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from figures import Figures, Sampler
from harness import Server, becomes_true
from pressure import CONTEXT, FAILED, LOST, Load, Pressing
from probe import Probed, probe

MOST_TIMES = 20  # What the p99 beside a load may be of the p99 alone.
MOST_GROWN = 64  # MiB that a server may have more after a load than before, once it had time to give memory back.
GIVE_BACK_S = 20
NEAR = 8  # MiB or descriptors more: close enough not to wait any longer.
FAULTS = {"INTERNAL", "INTERNAL INTERNAL", "UNKNOWN", "DATA_LOSS", LOST, FAILED}
NOTHING = Figures(0, 0, 0)


@dataclass(frozen=True)
class Pace:
    """How long each part of a measurement takes."""

    seconds: float  # Of the probe, alone and then beside the load, in each round.
    rounds: int


@dataclass
class Measured:
    """The figures of one load; `wrong` says what was not as it should be."""

    load: str
    alone: Probed = field(default_factory=Probed)
    beside: Probed = field(default_factory=Probed)
    calls: Counter[str] = field(default_factory=Counter)
    before: Figures = NOTHING
    peak: Figures = NOTHING
    after: Figures = NOTHING
    exit_code: int | None = None

    @property
    def times(self) -> float:
        return self.beside.percentile(99) / self.alone.percentile(99)

    def wrong(self) -> list[str]:
        texts = [f"probe alone: {text}: {count}" for text, count in self.alone.wrong.items()]
        texts += [f"probe beside it: {text}: {count}" for text, count in self.beside.wrong.items()]
        texts += [f"its calls: {text}: {count}" for text, count in self.calls.items() if text in FAULTS]
        texts += [] if self.times < MOST_TIMES else [f"p99 is {self.times:.0f} times the p99 alone"]
        grown = self.after.rss - self.before.rss
        texts += [] if grown < MOST_GROWN else [f"{grown:.0f} MiB were not given back"]
        left = self.after.descriptors - self.before.descriptors
        texts += [] if left < NEAR else [f"{left} descriptors were not given back"]
        texts += [] if self.calls else ["the load made no call"]
        texts += [] if self.exit_code == 0 else [f"exit code {self.exit_code} after SIGTERM"]
        return [f"{self.load}: {text}" for text in texts]


def _is_back(now: Figures, before: Figures) -> bool:
    return now.rss - before.rss < NEAR and now.descriptors - before.descriptors < NEAR


def measure(load: Load, pace: Pace) -> Measured:
    measured = Measured(load.name)
    with tempfile.TemporaryDirectory() as root, ProcessPoolExecutor(1, CONTEXT) as pool:
        flags = [*load.flags]
        if load.put_models is not None:
            load.put_models(Path(root))
            flags += ["--model-dir", root]
        with Server(*flags) as server, Pressing(load, server.address) as pressing:
            pool.submit(probe, server.address, 1).result()  # Both warm up.
            measured.before = Figures.of(server)
            sampler = Sampler(server)
            sampler.start()
            for _ in range(pace.rounds):
                measured.alone.add(pool.submit(probe, server.address, pace.seconds).result())
                pressing.begin()
                measured.beside.add(pool.submit(probe, server.address, pace.seconds).result())
                measured.calls.update(pressing.end())
            measured.peak = sampler.stop()
            becomes_true(lambda: _is_back(Figures.of(server), measured.before), GIVE_BACK_S)
            measured.after = Figures.of(server)
            measured.exit_code = server.stop()
    return measured
