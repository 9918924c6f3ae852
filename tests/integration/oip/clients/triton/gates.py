"""The tests' end of the files through which they hold the runs of a gated model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from calls import TIMEOUT_S
from oip.layout import GATE_ENDED, GATE_HEIGHT, GATE_INPUTS, GATE_ROWS, GATE_RUNS

WIDE_OPEN = 1 << 40


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = TIMEOUT_S) -> None:
    """Polls what does not announce that it changes."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.005)


class Run(NamedTuple):
    rows: int
    largest: int  # The largest element of its inputs.


class Runs:
    """Those of one model since its gate was closed."""

    def __init__(self, file: Path) -> None:
        self._shared = np.memmap(file, np.int64, "r+")
        self._shared[:] = 0

    def open(self, to: int = WIDE_OPEN) -> None:
        """Opens the gate for runs whose largest input is at most `to`."""
        self._shared[GATE_HEIGHT] = to

    def begun(self) -> list[Run]:
        """Returns the runs in the order in which they began."""
        count = int(self._shared[GATE_RUNS])
        columns = (self._shared[start : start + count].tolist() for start in (GATE_ROWS, GATE_INPUTS))
        return [Run(*run) for run in zip(*columns, strict=True)]

    def wait_for(self, count: int) -> None:
        wait_until(lambda: len(self.begun()) >= count, f"{count} runs")

    def wait_for_ends(self) -> None:
        """Until no run waits at the gate, which the next test would close before it has seen it open."""
        wait_until(lambda: self._shared[GATE_ENDED] >= self._shared[GATE_RUNS], "the ends of all runs")


class Gate:
    """The gates of all models: open unless a test is within `closed`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def closed(self, model: str) -> Iterator[Runs]:
        """Runs with an input above 0 wait for `open`, at the latest for the end of the block."""
        runs = Runs(self._folder / model)
        try:
            yield runs
        finally:
            runs.open()
            runs.wait_for_ends()
