"""What Python clients do, once for each core, each road to the server, and both ways to wait: all do the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tensorferry
from array_layouts import LAYOUTS, Array, check_elements, check_receipt, expect, expected_receipt, random_array
from harness import Server, becomes_true
from sealed_clients import Call, regions, use

SMALL = [layout(random_array(dtype)) for layout in LAYOUTS.values() for dtype in ("float32", "bool", "bfloat16")]
CUBE = (90, 120, 130)  # 5.3 MiB of float32, which travel in chunks where no sealed memory has them.
LARGE = [
    *(LAYOUTS[layout](random_array("float32", CUBE)) for layout in ("c", "fortran", "negative-strides", "permuted")),
    random_array("bfloat16", (220, 120, 130))[::-1],
    random_array("bool", (1100, 70, 70))[:, :, ::-1],
    LAYOUTS["big-endian-fortran"](random_array("complex128", (90, 60, 70)))[:, ::-1],
]
ARRAYS = {id(array): array for array in [*SMALL, *LARGE]}
REFUSED = np.zeros(3, "M8[s]")


@cache
def wanted(array_id: int) -> tensorferry.Receipt:
    return expected_receipt(expect(ARRAYS[array_id]))


@dataclass
class Road:
    kind: str
    address: str
    transport: str

    def use(self, *calls: Call) -> list[Any]:
        return use(self.kind, self.address, *calls, transport=self.transport)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("roads") / "socket"
    with Server("--listen", f"unix:{path}", "--sealed-memory", "on") as running:
        yield running
        assert running.alive(), running.log()


CLIENTS = [("pure", "Client"), ("pure", "aio.Client"), ("compiled", "Client")]  # aio.Client has the pure core alone.


@pytest.fixture(params=[(*client, road) for client in CLIENTS for road in ("tcp", "unix", "sealed")], ids=" ".join)
def road(request: pytest.FixtureRequest, server: Server, monkeypatch: pytest.MonkeyPatch) -> Road:
    core, kind, road = request.param
    if core == "compiled":
        pytest.importorskip("tensorferry._core")
    monkeypatch.setenv("TENSORFERRY_CORE", core)
    client = tensorferry.Client(server.addresses[road != "tcp"])
    assert tensorferry.core(client) == core
    client.close()
    return Road(kind, server.addresses[road != "tcp"], "sealed" if road == "sealed" else "bytes")


def test_arrays_of_every_layout(road: Road) -> None:
    calls = [("convert", array) for array in [*SMALL, *LARGE]]
    for receipt, (_, array) in zip(road.use(*calls), calls, strict=True):
        assert receipt == wanted(id(array))


def test_many_arrays_in_order_with_refused_ones_among_them(road: Road) -> None:
    arrays = [*SMALL[:20], REFUSED, *LARGE, [[1], [2, 3]], *SMALL[20:]]
    (outcomes,) = road.use(lambda client: client.convert_many(arrays, on_error="return"))
    for index, (array, outcome) in enumerate(zip(arrays, outcomes, strict=True)):
        if isinstance(outcome, tensorferry.RefusedError):
            assert outcome.metadata["index"] == str(index)
            assert outcome.reason == ("UNSUPPORTED_DTYPE" if array is REFUSED else "NOT_AN_ARRAY")
        else:
            assert outcome == wanted(id(array))
    assert sum(isinstance(outcome, tensorferry.RefusedError) for outcome in outcomes) == 2


def test_the_first_refused_one_ends_it(road: Road) -> None:
    taken = []

    def arrays() -> Iterator[Array]:
        for array in (SMALL[0], REFUSED, SMALL[0]):
            taken.append(array)
            yield array

    with pytest.raises(tensorferry.RefusedError, match="UNSUPPORTED_DTYPE"):
        road.use(("convert_many", arrays()))
    assert len(taken) <= 3


@pytest.mark.parametrize("shape", [(100,), (500, 700)], ids=["400 bytes", "1.3 MiB"])
def test_an_array_that_is_filled_anew_for_each_of_many(shape: tuple[int, ...], road: Road) -> None:
    """What travels, and the digest, is what the array held when it was taken."""

    def arrays(client: Any) -> Iterator[Array]:
        plain, own = np.empty(shape, np.float32), client.empty(shape, np.float32)
        for number in range(4):
            plain[...] = own[...] = number
            yield plain
            yield own

    (receipts,) = road.use(lambda client: client.convert_many(arrays(client)))
    for number, receipt in enumerate(receipts):
        check_receipt(receipt, np.full(shape, number // 2, np.float32))
    assert len(receipts) == 8


def test_models(road: Road) -> None:
    arrays = [SMALL[0], LARGE[1], SMALL[4], LARGE[6]]
    requests: list[Any] = [("identity", {"x": array}) for array in arrays]
    requests.insert(2, ("no-such-model", {"x": SMALL[0]}))
    *single, many = road.use(
        *(("infer", *request) for request in requests if request[0] == "identity"),
        lambda client: client.infer_many(requests, on_error="return"),
    )
    refused = many.pop(2)
    assert (refused.reason, refused.metadata["index"]) == ("MODEL_NOT_FOUND", "2")
    for array, one, other in zip(arrays, single, many, strict=True):
        check_elements(one["x"], expect(array))
        check_elements(other["x"], expect(array))


def test_files(road: Road, tmp_path: Path) -> None:
    arrays = {"small": SMALL[0], "large": LARGE[0], "fortran": LARGE[1]}
    np.savez(tmp_path / "x.npz", **arrays)
    sent: list[tuple[int, int]] = []
    plain, reported = road.use(
        ("convert_file", tmp_path / "x.npz"),
        lambda client: client.convert_file(tmp_path / "x.npz", progress=lambda *at: sent.append(at)),
    )
    assert list(plain) == list(reported) == list(arrays)
    for name, array in arrays.items():
        check_receipt(plain[name], array, name)
        check_receipt(reported[name], array, name)
    total = sum(array.nbytes for array in arrays.values())
    assert sent[-1] == (total, total)


def test_what_goes_wrong(road: Road) -> None:
    with pytest.raises(tensorferry.RefusedError, match="UNSUPPORTED_DTYPE"):
        road.use(("convert", REFUSED))
    with pytest.raises(tensorferry.RefusedError, match="MODEL_NOT_FOUND"):
        road.use(("infer", "no-such-model", {"x": LARGE[0]}))
    for call in (
        lambda client: client.convert(SMALL[0], timeout=-1),
        lambda client: client.convert(LARGE[0], timeout=-1),
        lambda client: client.convert_many([SMALL[0]], timeout=-1),
    ):
        with pytest.raises(tensorferry.DeadlineError):
            road.use(call)


def test_many_that_are_given_up(road: Road, server: Server) -> None:
    """They end with their iterator, and leave the client, and nothing of theirs on the server."""

    def endless() -> Iterator[Array]:
        while True:
            yield from (SMALL[0], LARGE[0])

    def blocking(client: Any) -> Any:
        receipts = client.convert_many(endless())
        check_receipt(next(receipts), SMALL[0])
        receipts.close()
        return client.convert(SMALL[0])

    async def asynchronous(client: Any) -> Any:
        receipts = client.convert_many(endless())
        check_receipt(await anext(receipts), SMALL[0])
        await receipts.aclose()
        return await client.convert(SMALL[0])

    (receipt,) = road.use(blocking if road.kind == "Client" else asynchronous)
    check_receipt(receipt, SMALL[0])
    assert becomes_true(lambda: regions(server.pid) == 0)


def test_a_closed_client(road: Road) -> None:
    for call in (("convert", SMALL[0]), ("convert", LARGE[0]), ("convert_many", [SMALL[0]])):
        with pytest.raises(tensorferry.TransportError, match="the client is closed"):
            road.use(lambda client: client.close(), call)
