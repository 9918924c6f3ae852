"""Loads servers for a long time, with reloads of their models, and measures whether their memory grows."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path

from harness import Server
from load import run_load
from memory import MemoryLog
from reloads import Pace, Reloads
from roads import Report
from soak_models import MODELS, Repository

CONTROLS = {
    "poll": ["--model-control", "poll", "--model-poll-interval", "200ms"],
    "explicit": ["--model-control", "explicit"],
}
SAMPLE_S = 5


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak.py", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600, help="of load (3600)")
    parser.add_argument("--control", choices=[*CONTROLS, "both"], default="both", help="how models are reloaded (both)")
    parser.add_argument("--model", choices=[*MODELS, "all"], default="all", help="what is reloaded (all)")
    parser.add_argument("--interval", type=float, default=2, help="seconds between reloads (2)")
    parser.add_argument("--seed", type=int, default=1, help="of the random requests (1)")
    parser.add_argument("--most", type=float, default=1, help="MiB per minute that the slope has to stay below (1)")
    return parser.parse_args()


class Soaked:
    """A server under load, with its reloads and its memory."""

    def __init__(self, control: str, root: Path, arguments: argparse.Namespace, pool: ProcessPoolExecutor) -> None:
        self.control = control
        repository = Repository(root)
        self.server = Server("--model-dir", f"{root}", "--max-message-bytes", "1MiB", *CONTROLS[control])
        until = time.time() + arguments.seconds
        self.memory = MemoryLog(self.server)
        address, away = self.server.address, control == "explicit"
        self.load: Future[Report] = pool.submit(run_load, address, arguments.seed, until, away)
        models = list(MODELS) if arguments.model == "all" else [arguments.model]
        self.reloads = Reloads(repository, address, control, Pace(models, arguments.interval, until))
        self.reloads.start()

    def line(self) -> str:
        return f"{self.control:9}{self.memory.line()}, reloads: {dict(self.reloads.counts)}"

    def check(self, most: float) -> list[str]:
        """What was wrong, once the load has ended."""
        self.reloads.join()
        report, slope = self.load.result(), self.memory.slope()
        for (road, verdict), count in sorted(report.verdicts.items()):
            if road.startswith("model"):
                print(f"{self.control:9}{road}: {verdict} {count:,}")
        total = sum(report.verdicts.values())
        print(f"{self.control:9}{total:,} requests, {dict(self.reloads.counts)} reloads, mismatches: ", end="")
        print(f"{len(report.mismatches)}, slope of resident memory {slope:+.2f} MiB/min over the second half")
        wrong = [f"{mismatch}" for mismatch in report.mismatches]
        wrong += [self.reloads.error] if self.reloads.error else []
        wrong += [] if slope < most else [f"the slope is not below {most:g} MiB/min"]
        wrong += [] if self.server.stop() == 0 else ["the server did not stop cleanly"]
        return [f"{self.control}: {text}" for text in wrong]


def _watch(servers: list[Soaked], seconds: float) -> None:
    """Samples memory until the load ends, and prints a line for each server every minute."""
    end, shown = time.monotonic() + seconds, time.monotonic()
    while time.monotonic() < end and not any(soaked.load.done() for soaked in servers):
        time.sleep(SAMPLE_S)
        for soaked in servers:
            soaked.memory.sample()
        if time.monotonic() - shown >= 60:
            shown += 60
            print(*(soaked.line() for soaked in servers), sep="\n", flush=True)


def main() -> int:
    arguments = _arguments()
    controls = list(CONTROLS) if arguments.control == "both" else [arguments.control]
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pool = stack.enter_context(ProcessPoolExecutor(len(controls), get_context("spawn")))
        servers = []
        for control in controls:
            servers.append(Soaked(control, root / control, arguments, pool))
            stack.callback(servers[-1].server.kill)
        _watch(servers, arguments.seconds)
        wrong = [text for soaked in servers for text in soaked.check(arguments.most)]
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
