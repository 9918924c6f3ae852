"""Resident memory of a server over time."""

from __future__ import annotations

import time

import numpy as np

from harness import MIB, Server


class MemoryLog:
    """Samples of resident memory, and their slope."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._begun = time.monotonic()
        self._samples: list[tuple[float, float]] = []  # Minutes since the beginning, and MiB.

    def sample(self) -> None:
        self._samples.append(((time.monotonic() - self._begun) / 60, self._server.rss() / MIB))

    def slope(self) -> float:
        """MiB per minute over the second half, by least squares."""
        half = self._samples[-1][0] / 2
        minutes, mebibytes = zip(*(sample for sample in self._samples if sample[0] >= half), strict=True)
        return float(np.polyfit(minutes, mebibytes, 1)[0])

    def line(self) -> str:
        minute, mebibytes = self._samples[-1]
        descriptors, threads = self._server.descriptors(), self._server.threads()
        return f"minute {minute:5.1f}: {mebibytes:7.1f} MiB, {threads} threads, {descriptors} descriptors"
