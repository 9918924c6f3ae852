"""Processes that use a Python client, and how they end: forked, spawned, with threads, with what lives on at exit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import TIMEOUT_S, Server, becomes_true
from sealed_clients import regions

BEGIN = """
import atexit, functools, multiprocessing, os, signal, sys, threading
import numpy as np
import tensorferry

SMALL, LARGE = np.arange(10.0), np.arange(5 << 17, dtype=np.float64)

def connect(transport="sealed"):
    return tensorferry.Client(sys.argv[1], timeout=20, transport=transport)

def own(client):
    array = client.empty(1 << 17, np.float32)
    array[:] = np.arange(1 << 17)
    return array

def check(client, array):
    for receipt in [client.convert(array), *client.convert_many([array, SMALL])]:
        assert receipt.digest_equal and receipt.dtype_equal
"""

FORKS = """
clients = connect(), connect("bytes")
arrays = SMALL, LARGE, own(clients[0])
for client in clients:
    for array in arrays:
        check(client, array)
child = os.fork()
mine = clients if child else (connect(), connect("bytes"))
for client in mine:
    for array in arrays:
        check(client, array)
    client.close()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

OPEN = """
client = connect("bytes")
receipts = client.convert_many(LARGE for _ in range(100))
next(receipts)
child = os.fork()
if child == 0:
    sys.exit()
ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
next(receipts)
sys.exit(ended)
"""

SPAWNS = """
def convert(number):
    with connect() as client:
        array = own(client)
        array += number
        return client.convert(array).digest, client.convert(LARGE + number).digest

if __name__ == "__main__":
    check(connect(), LARGE)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        digests = pool.map(convert, range(2))
    assert digests == [convert(number) for number in range(2)]
    assert len(set(digests)) == 2
"""

THREADS = """
client, began = connect(), threading.Event()

def endless():
    while True:
        yield from (SMALL, LARGE)
        began.set()

def convert():
    for _ in client.convert_many(endless()):
        pass

threading.Thread(target=convert, daemon=True).start()
workers = [threading.Thread(target=lambda: check(client, own(client))) for _ in range(4)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
assert began.wait(20)
"""

ENDS = """
client = connect()
array = own(client)
check(client, array)
check(client, LARGE)
receipts = client.convert_many(array for _ in range(100))
next(receipts)
kept = [client, array, receipts]
kept.append(kept)  # The garbage collector alone finds it.
atexit.register(lambda: check(client, array))
"""

KEEPS = """
client = connect("bytes")
receipts = client.convert_many(SMALL + i for i in range(1000))
next(receipts)  # Others are being sent as the process ends.
"""

CLOSES = """
def receipts():
    with connect("bytes") as client:
        yield from client.convert_many(SMALL for _ in range(1000))

kept = receipts()  # Its client is closed as the interpreter ends.
next(kept)
"""

CALLS = """
class Last:
    def __init__(self):
        self.clients = connect(), connect("bytes")
        for client in self.clients:
            check(client, own(self.clients[0]))
            check(client, LARGE)
        self.receipts = [client.convert_many(LARGE for _ in range(100)) for client in self.clients]
        self.arrays = [SMALL, LARGE, own(self.clients[0])]
        for receipts in self.receipts:
            next(receipts)

    # The names of modules may be gone by then.
    def __del__(self, ends=sys.is_finalizing, error=tensorferry.TransportError, fail=os._exit, of=functools.partial):
        calls = [receipts.__next__ for receipts in self.receipts]
        for client in self.clients:
            calls += [of(client.convert, array) for array in self.arrays]
            calls += [of(list, client.convert_many(self.arrays)), client.server_info, client.health]
        for call in calls:
            try:
                call()
            except error as refused:
                if ends() and refused.message == "Python ends, and no more calls are made":
                    continue
            fail(3)
        for client in self.clients:
            client.close()

last = Last()
"""

LOCKS = """
client = connect("bytes")
receipts = client.convert_many([SMALL] * 5)
next(receipts)
if tensorferry.core(client) == "pure":
    calls = [receipts.gi_frame.f_locals["many"].stream.call]
    receipts.close()
    receipts = client.convert_many([SMALL] * 5)
    next(receipts)
    calls.append(receipts.gi_frame.f_locals["many"].stream.call)
    for call in calls:  # gRPC's thread may have the lock as it stops, whether the call has ended or not.
        locks = threading.Thread(target=call._state.condition.acquire)
        locks.start()
        locks.join()
    kept = [calls]
    kept.append(kept)
    del calls, call, locks
"""

EXITS = """
atexit.register(lambda: (check(client, array), check(client, LARGE), check(client, own(client))))
client = connect()  # What it has ended at exit would end before.
array = own(client)
check(client, array)
check(client, LARGE)
"""

STOPPED = """
client = connect("bytes")
receipts = client.convert_many(LARGE for _ in range(100))
next(receipts)
os.kill(int(sys.argv[2]), signal.SIGSTOP)
for _ in range(2):
    try:
        client.convert(np.zeros(32 << 20, np.uint8), timeout=1)
    except tensorferry.DeadlineError:
        continue
    sys.exit(3)
"""

STOPPED_CALL = """
client = connect("bytes")
check(client, SMALL)
os.kill(int(sys.argv[2]), signal.SIGSTOP)
for nbytes in (3 << 20, 1 << 10, 3 << 20):
    try:
        client.convert(np.zeros(nbytes, np.uint8), timeout=1)
    except tensorferry.DeadlineError:
        continue
    sys.exit(3)
"""

SCRIPTS = {
    "forks": FORKS,
    "open": OPEN,
    "spawns": SPAWNS,
    "threads": THREADS,
    "ends": ENDS,
    "keeps": KEEPS,
    "closes": CLOSES,
    "calls": CALLS,
    "locks": LOCKS,
    "exits": EXITS,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("processes") / "socket"
    with Server("--listen", f"unix:{path}", "--sealed-memory", "on") as running:
        yield running
        assert running.alive(), running.log()


def check_end(script: str, core: str, folder: Path, *words: str) -> None:
    """Runs a script, which is to end by itself, with the exit code 0 and without a word."""
    if core == "compiled":
        pytest.importorskip("tensorferry._core")
    (folder / "script.py").write_text(BEGIN + script)
    ran = subprocess.run(
        [sys.executable, folder / "script.py", *words],
        env={**os.environ, "TENSORFERRY_CORE": core, "GRPC_ENABLE_FORK_SUPPORT": "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


each_core = pytest.mark.parametrize("core", ["pure", "compiled"])


@each_core
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_process_ends_well(script: str, core: str, server: Server, tmp_path: Path) -> None:
    check_end(script, core, tmp_path, server.addresses[1])
    assert becomes_true(lambda: regions(server.pid) == 0)


# One message keeps grpcio's own calls, those of the pure core, for as long as the server is stopped.
@pytest.mark.parametrize(("script", "core"), [(STOPPED, "pure"), (STOPPED, "compiled"), (STOPPED_CALL, "compiled")])
def test_a_process_ends_whose_server_reads_no_more(script: str, core: str, tmp_path: Path) -> None:
    with Server("--listen", f"unix:{tmp_path}/socket") as stopped:
        check_end(script, core, tmp_path, stopped.addresses[1], str(stopped.pid))
