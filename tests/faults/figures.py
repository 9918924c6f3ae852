"""What a server takes of the system: resident memory, threads, descriptors, processor time."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

from harness import MIB, Server

INTERVAL_S = 0.1


def cpu_seconds(server: Server) -> float:
    """The processor time of the server's process so far."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figures:
    rss: float  # In MiB.
    threads: int
    descriptors: int

    @classmethod
    def of(cls, server: Server) -> Figures:
        return cls(server.rss() / MIB, server.threads(), server.descriptors())

    def most(self, other: Figures) -> Figures:
        return Figures(
            max(self.rss, other.rss), max(self.threads, other.threads), max(self.descriptors, other.descriptors)
        )


class Sampler(threading.Thread):
    """Keeps the largest figures from its start until `stop`."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self._server, self._stopped = server, threading.Event()
        self.peak = Figures.of(server)

    def run(self) -> None:
        while not self._stopped.wait(INTERVAL_S) and self._server.alive():
            self.peak = self.peak.most(Figures.of(self._server))

    def stop(self) -> Figures:
        self._stopped.set()
        self.join()
        return self.peak
