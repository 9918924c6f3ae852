"""What callers are told while arrays are sent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from both_clients import CLIENTS, TIMEOUT_S, raised
from fake_server import serving
from streaming_server import OK, Streaming

import tensorferry
from tensorferry.v1 import tensor_service_pb2 as pb

MIB = 1 << 20
Told = list[tuple[int, int]]
each_client = pytest.mark.parametrize("kind", CLIENTS)


def call(kind: str, address: str, method: str, *arguments: Any, retries: int = 0, **settings: Any) -> Any:
    given: dict[str, Any] = {"timeout": TIMEOUT_S, "verify": False, "retries": retries}
    if kind == "Client":
        with tensorferry.Client(address, **given) as client:
            return getattr(client, method)(*arguments, digest=False, **settings)

    async def main() -> Any:
        async with tensorferry.aio.Client(address, **given) as client:
            return await getattr(client, method)(*arguments, digest=False, **settings)

    return asyncio.run(main())


def check(told: Told, total: int, step: int = MIB) -> None:
    """Bytes grow by a chunk at most, up to all of them."""
    sent = [number for number, _ in told]
    assert {of for _, of in told} == {total}
    assert sent[-1] == total
    assert all(0 <= after - before <= step for before, after in zip([0, *sent], sent))


@each_client
def test_an_array_in_chunks(kind: str) -> None:
    told: Told = []
    with serving(Streaming()) as address:
        call(kind, address, "convert", np.zeros(8 * MIB, np.uint8), progress=lambda *now: told.append(now))
    check(told, 8 * MIB)
    assert len(told) == 9


@each_client
def test_inputs_of_a_model(kind: str) -> None:
    """What fits one message comes with the request, and counts as soon as that was sent."""
    told: Told = []
    inputs = {"a": np.zeros(MIB // 8, np.uint8), "b": np.zeros(6 * MIB, np.uint8)}
    answer = pb.ConvertResponse(tensors=[*OK.tensors, *OK.tensors])
    with serving(Streaming(lambda number, context: answer)) as address:
        call(kind, address, "infer", "m", inputs, progress=lambda *now: told.append(now))
    total = 6 * MIB + MIB // 8
    check(told, total)
    assert told[0] == (MIB // 8, total)


@pytest.mark.parametrize("nbytes", [0, 64])
@each_client
def test_a_request_of_one_message_is_reported_when_it_is_answered(kind: str, nbytes: int) -> None:
    told: Told = []
    with serving(Streaming()) as address:
        call(kind, address, "convert", np.zeros(nbytes, np.uint8), progress=lambda *now: told.append(now))
    assert told == [(nbytes, nbytes)]


@pytest.mark.parametrize(
    ("kind", "nbytes", "is_one_message"),
    [
        ("Client", 192 << 10, True),
        ("Client", (192 << 10) + 1, tensorferry.core() == "compiled"),  # It copies messages less often.
        ("Client", 4 * MIB + 1, False),
        ("aio.Client", 3 * MIB, True),
        ("aio.Client", 4 * MIB + 1, False),
    ],
)
def test_from_where_on_arrays_go_in_chunks(kind: str, nbytes: int, is_one_message: bool) -> None:
    told: Told = []
    with serving(Streaming()) as address:
        call(kind, address, "convert", np.zeros(nbytes, np.uint8), progress=lambda *now: told.append(now))
    assert told[-1] == (nbytes, nbytes)
    assert (len(told) == 1) == is_one_message


@each_client
def test_a_repeated_request_begins_anew(kind: str) -> None:
    told: Told = []
    busy = pb.ConvertResponse(error=pb.Error(code=8, reason="QUEUE_FULL", message="busy", retry_after_ms=1))
    with serving(Streaming(lambda number, context: busy if number == 1 else OK)) as address:
        array = np.zeros(6 * MIB, np.uint8)
        call(kind, address, "convert", array, retries=1, progress=lambda *now: told.append(now))
    again = max(index for index, (sent, _) in enumerate(told) if sent == 0)
    assert again > 0
    check(told[again:], 6 * MIB)


@each_client
def test_no_word_comes_after_a_refusal(kind: str) -> None:
    told: Told = []
    refusal = pb.ConvertResponse(error=pb.Error(code=3, reason="BAD_SHAPE", message="no"))
    with serving(Streaming(lambda number, context: refusal)) as address:
        error = raised(
            lambda: call(kind, address, "convert", np.zeros(6 * MIB), progress=lambda *now: told.append(now))
        )
    assert isinstance(error, tensorferry.RefusedError)
    assert max(sent for sent, _ in told) < 48 * MIB


@pytest.mark.parametrize("nbytes", [64, 6 * MIB])
@each_client
def test_what_it_raises_ends_the_call(kind: str, nbytes: int) -> None:
    def stop(sent: int, total: int) -> None:
        raise KeyError(f"stop at {sent} of {total}")

    with serving(Streaming()) as address:
        error = raised(lambda: call(kind, address, "convert", np.zeros(nbytes, np.uint8), progress=stop))
    assert isinstance(error, KeyError)
    assert error.args == (f"stop at {0 if nbytes > 64 else nbytes} of {nbytes}",)


@each_client
def test_the_arrays_of_a_file_count_together(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "x.npz"
    np.savez(
        file, a=np.zeros(3 * MIB, np.uint8), b=np.zeros((2, 3), order="F"), c=np.zeros(6 * MIB, np.uint8)
    )
    told: Told = []
    with serving(Streaming()) as address:
        call(kind, address, "convert_file", file, progress=lambda *now: told.append(now))
    check(told, 9 * MIB + 48, 3 * MIB)
    told.clear()
    np.save(tmp_path / "y.npy", np.zeros(5 * MIB, np.uint8))
    with serving(Streaming()) as address:
        call(kind, address, "convert_file", tmp_path / "y.npy", progress=lambda *now: told.append(now))
    check(told, 5 * MIB)
