"""Measures three servers behind the round robin of one client: their rate beside the sum of what each has alone, and
what callers notice while each server is restarted in turn.

For the rate each server is kept to a share of a processor, as the limits of containers do, so that the client has
enough of it to keep all of them busy, and so that the machine needs no processor for each of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from urllib.request import urlopen

import numpy as np

import tensorferry
from cpu_quota import keep_to
from fleet import Fleet, together
from harness import MIB, SERVER, TIMEOUT_S, Server, becomes_true
from ratios import bootstrap

REPLICAS = 3
LEAST_RATIO = 0.95
# Sizes, and unanswered requests: enough that no server is without one while others wait for their next period.
LOADS = (("64B", 1024), ("1MiB", 128))
RETRIES = 10
SMALL, LARGE = np.arange(16, dtype=np.float32), np.zeros(5 * MIB, np.uint8)


def rate(address: str, size: str, outstanding: int, seconds: float) -> float:
    """Answers per second of one load."""
    load = [str(SERVER.with_name("tensorferry")), "bench", "--json", "--server", address, "--size", size]
    load += ["--outstanding", str(outstanding), "--duration", f"{round(1000 * seconds)}ms", "--warmup", "500ms"]
    done = subprocess.run(load, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"replicas.py: {address} did not answer: {done.stderr or done.stdout}")
    return float(json.loads(done.stdout)["sizes"][0]["requests_per_s"])


@contextmanager
def limited_servers(share: float) -> Iterator[list[str]]:
    """Servers that are kept to `share` of a processor each, by their addresses."""
    with ExitStack() as stack:
        servers = [stack.enter_context(Server()) for _ in range(REPLICAS)]
        for server in servers:
            quota = keep_to(share, server.pid)
            stack.callback(quota.end)
            stack.callback(server.kill)
        yield [server.address for server in servers]


def run_rates(rounds: int, seconds: float, share: float) -> list[str]:
    """Prints the ratio of each size, and returns those that are too small."""
    wrong = []
    with limited_servers(share) as addresses:
        for size, outstanding in LOADS:
            ratios, sums = [], []
            for _ in range(rounds):
                sums.append(sum(rate(address, size, outstanding, seconds) for address in addresses))
                ratios.append(rate(together(addresses), size, outstanding, seconds) / sums[-1])
            ratio = bootstrap(ratios)
            print(f"{size}: {REPLICAS} servers together {ratio} of the sum of each alone, {np.median(sums):,.0f}/s")
            if ratio.median < LEAST_RATIO:
                wrong.append(f"{size}: {ratio} is below {LEAST_RATIO}")
    return wrong


def conversions(server: Server) -> float:
    """How many arrays a server has turned into tensors since its start."""
    with urlopen(f"http://{server.admin}/metrics", timeout=TIMEOUT_S) as page:
        lines = page.read().decode().splitlines()
    counts = [line for line in lines if line.startswith("tensorferry_tensors_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in counts)


def restart(fleet: Fleet, number: int) -> None:
    """Restarts a server, and waits until it has its share of the calls again."""
    fleet.restart(number)
    if not becomes_true(lambda: conversions(fleet.servers[number]) > 0):
        raise AssertionError(f"nobody calls the server that was restarted within {TIMEOUT_S} s")


@dataclass
class Caller:
    """What one caller has met."""

    name: str
    times: list[float] = field(default_factory=list)  # In seconds, of the calls that were answered.
    errors: list[str] = field(default_factory=list)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """One call is made in the block."""
        begin = time.monotonic()
        try:
            yield
        except tensorferry.TensorferryError as error:
            self.errors.append(str(error))
        else:
            self.times.append(time.monotonic() - begin)

    def line(self) -> str:
        p50, p99, most = (1e3 * float(value) for value in np.percentile(self.times or [math.nan], (50, 99, 100)))
        return f"| {self.name} | {len(self.times):,} | {len(self.errors)} | {p50:.2f} | {p99:.1f} | {most:.0f} |"


def _call(caller: Caller, address: str, stopped: threading.Event, array: np.ndarray) -> None:
    with tensorferry.Client(address, timeout=TIMEOUT_S, retries=RETRIES) as client:
        while not stopped.is_set():
            with caller.timed():
                client.convert(array)


def _stream(caller: Caller, address: str, stopped: threading.Event, array: np.ndarray) -> None:
    """A stream stays with its server. Where that one stops, the client begins another, which finds another server."""

    def arrays() -> Iterator[np.ndarray]:
        while not stopped.is_set():
            yield array

    with tensorferry.Client(address, timeout=math.inf, retries=RETRIES) as client:
        begin = time.monotonic()
        try:
            for _ in client.convert_many(arrays()):
                caller.times.append(time.monotonic() - begin)
                begin = time.monotonic()
        except tensorferry.TensorferryError as error:
            caller.errors.append(str(error))


def _call_in_asyncio(caller: Caller, address: str, stopped: threading.Event, array: np.ndarray) -> None:
    async def main() -> None:
        async with tensorferry.aio.Client(address, timeout=TIMEOUT_S, retries=RETRIES) as client:
            while not stopped.is_set():
                with caller.timed():
                    await client.convert(array)

    asyncio.run(main())


CALLERS = (
    ("`Client.convert`, 64 bytes", _call, SMALL),
    ("`Client.convert`, 5 MiB in chunks", _call, LARGE),
    ("`Client.convert_many`, 64 bytes", _stream, SMALL),
    ("`aio.Client.convert`, 64 bytes", _call_in_asyncio, SMALL),
)


def run_restarts(turns: int) -> list[str]:
    """Restarts each server `turns` times below callers; prints what they met, and returns the errors."""
    stopped = threading.Event()
    callers = [Caller(name) for name, _, _ in CALLERS]
    begin = time.monotonic()
    with Fleet([()] * REPLICAS) as fleet, ThreadPoolExecutor(len(callers)) as pool:
        address = together(fleet.addresses)
        running = [
            pool.submit(run, caller, address, stopped, array)
            for caller, (_, run, array) in zip(callers, CALLERS, strict=True)
        ]
        try:
            for turn in range(turns * REPLICAS):
                restart(fleet, turn % REPLICAS)
        finally:
            stopped.set()
        for each in running:
            each.result(TIMEOUT_S)
    print(f"{turns * REPLICAS} restarts of {REPLICAS} servers in {time.monotonic() - begin:.0f} s\n")
    print("| Caller | answers | failed | p50, ms | p99, ms | slowest, ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(*(caller.line() for caller in callers), sep="\n")
    return [f"{caller.name}: {error}" for caller in callers for error in caller.errors]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="replicas.py", description=__doc__)
    parser.add_argument("--only", choices=("rates", "restarts"), help="one part (both)")
    parser.add_argument("--rounds", type=int, default=8, help="of rates (8)")
    parser.add_argument("--seconds", type=float, default=3, help="of each load (3)")
    parser.add_argument("--share", type=float, default=0.1, help="of a processor, for each server (0.1)")
    parser.add_argument("--turns", type=int, default=10, help="restarts of each server (10)")
    return parser.parse_args()


def main() -> int:
    arguments, wrong = _arguments(), list[str]()
    if arguments.only != "restarts":
        wrong += run_rates(arguments.rounds, arguments.seconds, arguments.share)
    if arguments.only != "rates":
        wrong += run_restarts(arguments.turns)
    for text in wrong:
        print(f"WRONG: {text}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
