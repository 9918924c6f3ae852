"""Python clients of several servers: calls go to all of them, and one that restarts costs nobody an answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tensorferry
from fleet import Fleet, together
from harness import MIB, TIMEOUT_S, becomes_true

COUNT = 3
LARGE = np.zeros(5 * MIB, np.uint8)
each_client = pytest.mark.parametrize("kind", ["Client", "aio.Client"])


class Which(nn.Module):
    """Says which server it runs on."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def forward(self, x: Tensor) -> Tensor:
        return torch.full((1,), self.number, dtype=torch.int64)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    for number in range(COUNT):
        torch.jit.script(Which(number)).save(tmp_path / f"{number}.pt")
    with Fleet([("--model", f"which={tmp_path / f'{number}.pt'}") for number in range(COUNT)]) as running:
        yield running
        for server in running.servers:
            assert server.stop() == 0


def which(client: tensorferry.Client) -> int:
    return int(client.infer("which", {"x": np.zeros(1)})["OUTPUT__0"][0])


@each_client
def test_calls_reach_all_servers(kind: str, fleet: Fleet) -> None:
    async def main(reached: set[int]) -> None:
        async with tensorferry.aio.Client(together(fleet.addresses), timeout=TIMEOUT_S) as client:
            while len(reached) < COUNT:
                outputs = await client.infer("which", {"x": np.zeros(1)})
                reached.add(int(outputs["OUTPUT__0"][0]))

    reached: set[int] = set()
    if kind == "Client":
        with tensorferry.Client(together(fleet.addresses), timeout=TIMEOUT_S) as client:
            assert becomes_true(lambda: reached.add(which(client)) or len(reached) == COUNT)
            in_turn = [which(client) for _ in range(2 * COUNT)]
        assert sorted(in_turn) == sorted([*range(COUNT)] * 2)
    else:
        asyncio.run(asyncio.wait_for(main(reached), TIMEOUT_S))


def test_without_balance_calls_go_to_one(fleet: Fleet) -> None:
    with tensorferry.Client(together(fleet.addresses), timeout=TIMEOUT_S, balance=False) as client:
        assert len({which(client) for _ in range(20)}) == 1


def test_a_rolling_restart_fails_no_call(fleet: Fleet) -> None:
    """Callers of small arrays, of large ones on streams, and of a model, while each server restarts in turn."""
    stopped = threading.Event()

    def load(number: int) -> int:
        calls = 0
        with tensorferry.Client(together(fleet.addresses), timeout=TIMEOUT_S, retries=10) as client:
            while not stopped.is_set():
                if number % 3 == 0:
                    client.convert([1, 2, 3])
                elif number % 3 == 1:
                    client.convert(LARGE)
                else:
                    which(client)
                calls += 1
        return calls

    with ThreadPoolExecutor(6) as pool:
        callers = [pool.submit(load, number) for number in range(6)]
        with tensorferry.Client(together(fleet.addresses), timeout=TIMEOUT_S, retries=10) as watcher:
            for number in range(COUNT):
                fleet.restart(number)
                assert becomes_true(lambda: which(watcher) == number)  # noqa: B023  It is called at once.
        stopped.set()
        assert all(caller.result(TIMEOUT_S) > 0 for caller in callers)


@each_client
def test_a_rolling_restart_ends_no_stream(kind: str, fleet: Fleet) -> None:
    """What one stream's server refuses as it stops, another stream brings, in order."""
    stopped = threading.Event()
    sent: list[int] = []

    def arrays() -> Iterator[np.ndarray]:
        while not stopped.is_set():
            sent.append(len(sent))
            yield np.full(3 if sent[-1] % 50 else 5 * MIB, sent[-1], np.int32)  # Some go in chunks.

    async def in_asyncio() -> list[int]:
        async with tensorferry.aio.Client(together(fleet.addresses), timeout=TIMEOUT_S, retries=10) as client:
            receipts = client.convert_many(arrays(), return_data=True)
            return [int(receipt.data[0]) async for receipt in receipts]

    def stream() -> list[int]:
        if kind == "aio.Client":
            return asyncio.run(in_asyncio())
        with tensorferry.Client(together(fleet.addresses), timeout=TIMEOUT_S, retries=10) as client:
            return [int(receipt.data[0]) for receipt in client.convert_many(arrays(), return_data=True)]

    with ThreadPoolExecutor(1) as pool:
        answered = pool.submit(stream)
        for number in range(COUNT):
            count = len(sent)
            assert becomes_true(lambda: answered.done() or len(sent) > count + 100)  # noqa: B023  It is called at once.
            fleet.restart(number)
        stopped.set()
        assert answered.result(TIMEOUT_S) == sent
