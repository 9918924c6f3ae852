"""Sealed memory of Python clients, and what is left of it: after thousands of requests, deaths, forks and threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest

import tensorferry
from array_layouts import check_receipt
from harness import MIB, TIMEOUT_S, Server, becomes_true
from sealed_clients import LARGE, attacking, each_client, filled, regions, use


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("sealed") / "socket"
    with Server("--listen", f"unix:{path}", "--sealed-memory", "on") as running:
        yield running
        assert running.alive(), running.log()


@each_client
def test_descriptors_and_memory_stay_as_they_are(kind: str, server: Server) -> None:
    arrays = [np.full(2000, index, np.float32) for index in range(50)]
    calls = [("convert_many", arrays)] * 20 + [("convert", filled(array)) for array in arrays * 4]
    for call in calls[::100]:
        use(kind, server.addresses[1], call, transport="sealed")
    own, theirs, memory = len(os.listdir("/proc/self/fd")), server.descriptors(), server.rss()
    use(kind, server.addresses[1], *calls, transport="sealed")
    assert becomes_true(lambda: server.descriptors() <= theirs)
    assert becomes_true(lambda: len(os.listdir("/proc/self/fd")) <= own)
    assert server.rss() - memory < 16 * MIB


SENDER = """
import sys, numpy as np, tensorferry
client = tensorferry.Client(sys.argv[1], transport="sealed")
def arrays():
    while True:
        yield np.ones(1 << 20, np.float32)
        print("sent", flush=True)
for receipt in client.convert_many(arrays()):
    pass
"""


def test_a_client_that_dies_leaves_nothing(server: Server) -> None:
    before = server.descriptors()
    with subprocess.Popen([sys.executable, "-c", SENDER, server.addresses[1]], stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        client.stdout.readline()
        client.send_signal(signal.SIGKILL)
    assert becomes_true(lambda: regions(server.pid) == 0 and server.descriptors() <= before)
    check_receipt(use("Client", server.addresses[1], ("convert", LARGE), transport="sealed")[0], LARGE)


FORKING = """
import os, sys, numpy as np, tensorferry
address, source = sys.argv[1], np.arange(1 << 18, dtype=np.float32)
parent = tensorferry.Client(address, transport="sealed")
array, shared = parent.empty(source.shape, source.dtype), parent.empty(source.shape, source.dtype)
array[:] = shared[:] = source
parent.convert(array)
parent.close()
gate = os.pipe()
child = os.fork()
if child == 0:
    with tensorferry.Client(address, transport="sealed") as client:
        for given in (array, shared, source):
            assert client.convert(given, return_data=True).data.tobytes() == source.tobytes()
    os.close(gate[1])
    os.read(gate[0], 1)
    os._exit(0)
with tensorferry.Client(address, transport="sealed") as client:
    for given in (array, shared, source):
        assert client.convert(given, return_data=True).data.tobytes() == source.tobytes()
os.close(gate[1])
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print("both")
"""


def test_arrays_outlive_a_fork(server: Server) -> None:
    """A child that could still write to what its parent fills keeps it from being sealed: a copy is sent then."""
    environment = {**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "1"}
    command = [sys.executable, "-c", FORKING, server.addresses[1]]
    run = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, env=environment)
    assert run.stdout == "both\n", run.stderr


def test_many_threads_share_a_client(server: Server) -> None:
    failures: list[BaseException] = []

    def work(index: int) -> None:
        try:
            array = filled(np.full(70_000 + index, index, np.float32))(client)
            for _ in range(20):
                array += 1
                check_receipt(client.convert(array), array)
        except BaseException as error:
            failures.append(error)

    with tensorferry.Client(server.addresses[1], timeout=TIMEOUT_S) as client:
        threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


def test_what_was_sealed_stays_as_it_is_while_its_owner_attacks_it(server: Server) -> None:
    """tests/soak/client_soak.py makes many more requests of this kind."""
    with tensorferry.Client(server.addresses[1], timeout=TIMEOUT_S, transport="sealed") as client:
        array = filled(LARGE[:50])(client)
        check_receipt(client.convert(array), LARGE[:50])
        with attacking() as attack:
            for _ in range(200):
                check_receipt(client.convert(array), LARGE[:50])
    assert attack.refused > 0
