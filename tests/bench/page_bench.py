"""Measures what the page costs while browsers have it open: throughput at 64 B with it and without it, in turns.

    PYTHONPATH=client/python/src .venv/bin/python tests/bench/page_bench.py --rounds 12

The server and the load run on the first CPU, and the browsers, whose own work is not the server's, on the others. A
slice is longer than the 3 s after which the page asks again. It needs Chromium and the packages of npm, which
`scripts/setup.sh test` installs, and the programs of `scripts/build.sh bench`.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import procfs
from measure import CLIENT_CPU, Times, bench_command, run_load
from ratios import bootstrap
from servers import BIN, ROOT, Process

NODE_MODULES = Path(os.environ.get("TENSORFERRY_NODE_MODULES", ROOT / "build/node/node_modules"))
CHROMIUM = os.environ.get("TENSORFERRY_CHROMIUM", "/usr/bin/chromium-headless-shell")
NO_PAGE = "about:blank"
NBYTES = 64
MOST_COST = 0.01
PERIOD_S = 3  # After which the page asks again.
PERIODS_ALONE = 10


def read_arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="page_bench.py", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=10, help="each with a slice of both kinds (%(default)s)")
    parser.add_argument("--duration", type=float, default=6.0, help="of a slice, in s (%(default)s)")
    parser.add_argument("--browsers", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--outstanding", type=int, default=32, help="requests at a time (%(default)s)")
    parser.add_argument("--mode", choices=["unary", "stream"], default="unary", help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of the order")
    return parser.parse_args(words)


class Browsers:
    """Some browsers, each with one tab. The end of the `with` block ends them."""

    def __init__(self, count: int, cpus: set[int]) -> None:
        self._process = subprocess.Popen(
            ["taskset", "--cpu-list", ",".join(map(str, sorted(cpus))), "node",
             str(Path(__file__).with_name("browsers.mjs")), str(count)],
            env={**os.environ, "TENSORFERRY_NODE_MODULES": str(NODE_MODULES), "TENSORFERRY_CHROMIUM": CHROMIUM},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._await("ready")

    def _await(self, word: str) -> None:
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != word:
            raise RuntimeError("the browsers have ended")

    def show(self, address: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{address}\n")
        self._process.stdin.flush()
        self._await("done")

    def __enter__(self) -> Browsers:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # They end with their input.


@dataclass(frozen=True)
class Slice:
    rate: float  # Requests per second.
    server_cpu: float  # Seconds of the server's CPU clock, per second.

    @property
    def cpu_of_request(self) -> float:
        return self.server_cpu / self.rate


def measure(server: Process, arguments: argparse.Namespace) -> Slice:
    times = Times(round(arguments.duration * 1000), 200)
    options = ("--mode", arguments.mode, "--outstanding", str(arguments.outstanding))
    used, start = procfs.cpu_seconds(server.pid), time.monotonic()
    row = run_load(bench_command(server.addresses[0], NBYTES, times, *options))
    passed = time.monotonic() - start
    return Slice(row["requests_per_s"], (procfs.cpu_seconds(server.pid) - used) / passed)


def idle_cost(server: Process) -> float:
    """Seconds of the server's CPU clock, per second, while nobody but the pages asks it, which were loaded before."""
    time.sleep(PERIOD_S)
    used, start = procfs.cpu_seconds(server.pid), time.monotonic()
    time.sleep(PERIODS_ALONE * PERIOD_S)
    return (procfs.cpu_seconds(server.pid) - used) / (time.monotonic() - start)


def run(arguments: argparse.Namespace) -> tuple[list[dict[str, Slice]], float]:
    others = os.sched_getaffinity(0) - {CLIENT_CPU} or {CLIENT_CPU}
    command = [str(BIN / "tensorferry-server"), "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"]
    random.seed(arguments.seed)
    rounds: list[dict[str, Slice]] = []
    with ExitStack() as stack:
        server = stack.enter_context(Process([*command, "--admin-listen", "off"], CLIENT_CPU))
        assert server.http is not None
        browsers = stack.enter_context(Browsers(arguments.browsers, others))
        pages = {"without": NO_PAGE, "with": f"http://{server.http}/"}
        for number in range(arguments.rounds):
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
            slices = {}
            for kind in random.sample(list(pages), len(pages)):
                browsers.show(pages[kind])
                slices[kind] = measure(server, arguments)
            rounds.append(slices)
        browsers.show(pages["with"])
        return rounds, idle_cost(server)


def report(rounds: Sequence[dict[str, Slice]], idle: float, browsers: int) -> str:
    kept = bootstrap([slices["with"].rate / slices["without"].rate for slices in rounds])
    rate = bootstrap([slices["without"].rate for slices in rounds])
    # What else runs on the machine slows requests down, and hardly changes the CPU time that they take.
    cpu = bootstrap([slices["with"].cpu_of_request / slices["without"].cpu_of_request for slices in rounds])
    verdict = "less than" if kept.low > 1 - MOST_COST else "more than" if kept.high < 1 - MOST_COST else "not told from"
    if kept.low > 1:
        verdict = "not told, as other work disturbed the rounds, from"
    return (
        f"64 B, without pages: {rate} requests/s\n"
        f"with {browsers} pages: {kept.median:.4f} [{kept.low:.4f}, {kept.high:.4f}] of that, in {kept.rounds} rounds: "
        f"the cost is {verdict} {MOST_COST:.0%}\n"
        f"the server's CPU time of a request: {cpu.median:.4f} [{cpu.low:.4f}, {cpu.high:.4f}] of that without\n"
        f"the server's CPU for the pages alone: {100 * idle:.2f} % of one\n"
    )


def main() -> None:
    arguments = read_arguments(sys.argv[1:])
    for needed in (NODE_MODULES / "playwright-core", Path(CHROMIUM), BIN / "tensorferry-server"):
        if not needed.exists():
            sys.exit(f"page_bench: {needed} is missing; the first lines of this file say what is needed")
    rounds, idle = run(arguments)
    print(report(rounds, idle, arguments.browsers))


if __name__ == "__main__":
    main()
