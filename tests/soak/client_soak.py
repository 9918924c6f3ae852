"""Makes many small requests with the Python client, over a Unix socket, and looks at what they leave behind.

Descriptors, threads and memory, of the client and of the server, have to be at the end what they were after the first
tenth. Then the client sends an array in sealed memory many times, while another thread tries to change the memory:
every digest has to be that of what was sealed.
"""

from __future__ import annotations

import argparse
import gc
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xxhash

import tensorferry
from harness import MIB, Server, becomes_true
from sealed_clients import attacking, filled, regions

BATCH = 100  # Requests of one kind in turns.
MOST_GROWN = 8 * MIB


class Left(NamedTuple):
    """What client and server have."""

    descriptors: tuple[int, int]
    threads: tuple[int, int]
    memory: tuple[int, int]

    def __str__(self) -> str:
        client, server = (f"{nbytes / MIB:.1f}" for nbytes in self.memory)
        return f"descriptors {self.descriptors}, threads {self.threads}, memory {client} and {server} MiB"


def _look(server: Server) -> Left:
    gc.collect()
    assert becomes_true(lambda: regions(server.pid) == 0), "the server keeps memory that was released"
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    return Left(
        (len(os.listdir("/proc/self/fd")), server.descriptors()),
        (len(os.listdir("/proc/self/task")), server.threads()),
        (resident, server.rss()),
    )


def _kinds(address: str) -> list[Callable[[int], Any]]:
    """Makes what makes requests, each given how many."""
    sealed = tensorferry.Client(address, transport="sealed")
    plain = tensorferry.Client(address, transport="bytes")
    array = np.arange(16, dtype=np.float32)
    own = filled(array)(sealed)

    def written() -> Iterator[Any]:
        own[0] += 1
        yield own

    return [
        lambda count: [plain.convert(array) for _ in range(count)],
        lambda count: [plain.infer("identity", {"x": array}) for _ in range(count)],
        lambda count: list(plain.convert_many([array] * count)),
        lambda count: [sealed.convert(array) for _ in range(count)],
        lambda count: [sealed.convert(item) for _ in range(count) for item in written()],
        lambda count: list(sealed.convert_many(filled(array)(sealed) for _ in range(count))),
    ]


def _many(address: str, server: Server, requests: int) -> list[str]:
    """Returns what is not as it was."""
    kinds = _kinds(address)
    looks: list[Left] = []
    for number in range(math.ceil(requests / (BATCH * len(kinds)))):
        for kind in kinds:
            kind(BATCH)
        made = (number + 1) * BATCH * len(kinds)
        if made * 10 >= requests * (len(looks) + 1):
            if looks:  # The server closes a descriptor a moment after the answer that needed it.
                becomes_true(lambda: server.descriptors() <= looks[0].descriptors[1])
            looks.append(_look(server))
            print(f"{made:9,} requests: {looks[-1]}", flush=True)
    return _grown(looks[0], looks[-1])


def _grown(first: Left, last: Left) -> list[str]:
    wrong = []
    for who, before, after in zip(("client", "server"), zip(*first, strict=True), zip(*last, strict=True), strict=True):
        descriptors, threads, memory = (now - then for then, now in zip(before, after, strict=True))
        wrong += [f"the {who} has {descriptors} more descriptors"] if descriptors > 0 else []
        wrong += [f"the {who} has {threads} more threads"] if threads > 0 else []
        wrong += [f"the {who} has {memory / MIB:.1f} MiB more memory"] if memory > MOST_GROWN else []
    return wrong


def _torn(address: str, requests: int) -> list[str]:
    source = np.random.default_rng(1).normal(size=1000).astype(np.float32)
    expected = xxhash.xxh3_128(source.tobytes()).digest()
    with tensorferry.Client(address, verify=False, transport="sealed") as client:
        array = filled(source)(client)
        client.convert(array)
        with attacking() as attack:
            digests = [client.convert(array).digest for _ in range(requests)]
    torn = requests - digests.count(expected)
    print(f"{requests:9,} requests of one array, {attack.refused:,} attempts to change it refused, {torn} torn")
    return [f"{torn} digests are not that of what was sealed"] if torn or not attack.refused else []


def main() -> int:
    parser = argparse.ArgumentParser(prog="client_soak.py", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000, help="of all kinds (100000)")
    parser.add_argument("--attacked", type=int, default=10_000, help="requests while the memory is attacked (10000)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Server("--listen", f"unix:{folder}/socket") as server:
        print(f"{tensorferry.core()} client, tensorferry {tensorferry.__version__}")
        wrong = _many(server.addresses[1], server, arguments.requests)
        wrong += _torn(server.addresses[1], arguments.attacked)
        wrong += [] if server.alive() else ["the server has ended"]
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
