"""Large arrays in sealed memory are read beside the thread that serves: nobody waits for them, nor they for a model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import xxhash

import oracle
from gated_by_first import GatedByFirst
from harness import MIB, Server, becomes_true, connect_stub
from served_models import Gate, put
from side_peer import Peer
from tensorferry.v1 import tensor_service_pb2 as pb
from wire import WHOLE, Transport, array, convert_unary, request

LARGE = 5 * MIB
CALLS = 50
FLAGS = ("--threads", "1", "--sealed-memory", "on", "--self-check", "0s")


def sealed(region: str, nbytes: int, **fields: object) -> pb.ConvertRequest:
    place = pb.SharedMemoryRange(region=region, nbytes=nbytes)
    return request(pb.Array(name="x", dtype="|u1", shape=[1, nbytes], shared_memory=place), return_data=False, **fields)


def stops(server: Server) -> dict[str, int]:
    """How often each thread of the server has stopped: to wait for something, or as another one got its processor."""
    found = {}
    for task in Path(f"/proc/{server.pid}/task").iterdir():
        text = (task / "status").read_text()
        found[task.name] = sum(map(int, re.findall(r"^(?:non)?voluntary_ctxt_switches:\s+(\d+)", text, re.MULTILINE)))
    return found


def stops_during(server: Server, work: Callable[[], None]) -> dict[str, int]:
    before = stops(server)
    work()
    return {thread: count - before.get(thread, 0) for thread, count in stops(server).items()}


@pytest.mark.parametrize("convert_it", WHOLE.values(), ids=WHOLE.keys())
def test_a_thread_reads_them_that_serves_nobody(convert_it: Transport, tmp_path: Path) -> None:
    data = oracle.random_bytes("|u1", LARGE)

    def convert(region: str, nbytes: int) -> Callable[[], None]:
        def work() -> None:
            digest = xxhash.xxh3_128(data[:nbytes]).digest()
            for _ in range(CALLS):
                (tensor,) = convert_it(stub, sealed(region, nbytes)).tensors
                assert tensor.metadata.receipt.digest == digest

        return work

    with (
        Server("--listen", f"unix:{tmp_path}/socket", *FLAGS) as server,
        connect_stub(server.addresses[1]) as stub,
        Peer(server.addresses[1]) as peer,
    ):
        region = peer.hand_over(data)
        convert(region, LARGE)()  # After this every thread is there.
        small = stops_during(server, convert(region, 1000))
        large = stops_during(server, convert(region, LARGE))
        # It may lie down only after the first calls were answered.
        assert [thread for thread, count in large.items() if count >= CALLS / 4 and small.get(thread, CALLS) <= 1]


@pytest.fixture
def gated(tmp_path: Path, gate: Gate) -> Iterator[Server]:
    """A server with a model that counts as one that takes no time, and is about to wait at the gate."""
    put(tmp_path / "repository/model", GatedByFirst(gate))
    flags = ("--listen", f"unix:{tmp_path}/socket", "--model-dir", f"{tmp_path}/repository", *FLAGS)
    with Server(*flags) as server:
        yield server


@pytest.mark.parametrize("infer_it", WHOLE.values(), ids=WHOLE.keys())
def test_nobody_waits_for_the_model_of_another(infer_it: Transport, gate: Gate, gated: Server) -> None:
    with (
        connect_stub(gated.addresses[1]) as stub,
        connect_stub(gated.addresses[1]) as other,
        Peer(gated.addresses[1]) as peer,
        ThreadPoolExecutor(1) as pool,
    ):
        passes, waits = (peer.hand_over(bytes([first]) + bytes(LARGE - 1)) for first in (0, 1))
        for _ in range(20):
            assert convert_unary(stub, sealed(passes, LARGE, model_name="model")).refusal is None
        begun = len(gate.runs())
        waiting = pool.submit(infer_it, stub, sealed(waits, LARGE, model_name="model"))
        try:
            assert becomes_true(lambda: len(gate.runs()) > begun)
            in_a_message = request(array("|u1", (LARGE,), bytes(LARGE)), return_data=False)
            for convert in WHOLE.values():
                for message in (sealed(passes, LARGE), in_a_message):
                    outcome = convert(other, message)
                    assert outcome.refusal is None, outcome.refusal
        finally:
            gate.open()
        assert waiting.result().refusal is None
