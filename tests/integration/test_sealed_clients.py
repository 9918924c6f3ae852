"""The Python clients and sealed memory: the same answers over every transport, and messages where there is no other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xxhash

import cli
import oracle
import tensorferry
from array_layouts import LAYOUTS, Array, check_elements, check_receipt, expect, random_array
from harness import MIB, TIMEOUT_S, Server, becomes_true
from isolated import ISOLATED
from models import InPlace, run_in_python, save_all
from sealed_clients import LARGE, each_client, filled, regions, use
from served_models import put

BATCHED = 'platform: "pytorch_libtorch" max_batch_size: 8 dynamic_batching {}\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sealed")


@pytest.fixture(scope="module")
def files(folder: Path) -> dict[str, Path]:
    return save_all(folder)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    root = folder / "models"
    put(root / "in-place", InPlace(), "")
    put(root / "isolated", InPlace(), ISOLATED)
    put(root / "batched", InPlace(), BATCHED)
    flags = ("--listen", f"unix:{folder}/socket", "--sealed-memory", "on", "--model-dir", str(root))
    with Server(*flags) as running:
        yield running
        assert running.alive(), running.log()


ARRAYS = [random_array(dtype) for dtype in oracle.ALL] + [
    layout(random_array(dtype)) for layout in LAYOUTS.values() for dtype in ("float32", "bool", "bfloat16")
]


@each_client
@pytest.mark.parametrize("transport", ["tcp", "bytes", "sealed", "auto"])
def test_every_dtype_and_layout(transport: str, kind: str, server: Server) -> None:
    address = server.addresses[transport != "tcp"]
    by = "auto" if transport == "tcp" else transport
    calls = [("convert", array) for array in [*ARRAYS, LARGE, LARGE.T, LARGE[::2, ::-1]]]
    *receipts, several = use(kind, address, *calls, ("convert_many", [*ARRAYS, LARGE] * 2), transport=by)
    for receipt, (_, array) in zip(receipts, calls, strict=True):
        check_receipt(receipt, array)
    for receipt, array in zip(several, [*ARRAYS, LARGE] * 2, strict=True):
        check_receipt(receipt, array)


@each_client
@pytest.mark.parametrize("transport", ["tcp", "bytes", "sealed", "auto"])
@pytest.mark.parametrize("model", ["in-place", "isolated", "batched"])
def test_models(model: str, transport: str, kind: str, server: Server, files: dict[str, Path]) -> None:
    """What a model writes to its input, the caller does not see, nor the next request with the same memory."""
    given = LARGE[:8] if model == "batched" else LARGE
    own: list[Array] = []

    def once(client: Any) -> dict[str, Array]:
        own.append(filled(given)(client))
        return {"x": own[0]}

    address, by = server.addresses[transport != "tcp"], "auto" if transport == "tcp" else transport
    calls = [("infer", model, {"x": given}), ("infer", model, once), ("infer", model, lambda _: {"x": own[0]})]
    expected = run_in_python(files["in-place"], {"x": given})["OUTPUT__0"]
    for outputs in use(kind, address, *calls, transport=by):
        np.testing.assert_array_equal(outputs["OUTPUT__0"], expected)
    np.testing.assert_array_equal(own[0], given)


@each_client
def test_elements_come_back_in_messages_of_any_size(kind: str, server: Server) -> None:
    large = np.arange(18 * MIB, dtype=np.uint8)
    convert, infer = use(
        kind,
        server.addresses[1],
        ("convert", large),
        ("infer", "identity", {"x": large}),
        transport="sealed",
    )
    check_receipt(convert, large)
    check_elements(infer["x"], expect(large))


@pytest.mark.parametrize("nbytes", [1, 4096, 100_000, 3 * MIB])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "bfloat16", "bool"])
def test_an_array_of_the_clients_own_is_sent_as_it_is_at_the_time(dtype: str, nbytes: int, server: Server) -> None:
    kind = oracle.numpy_dtype(dtype)
    first, second = (random_array(dtype, (max(1, nbytes // kind.itemsize),)) for _ in range(2))
    with tensorferry.Client(server.addresses[1], timeout=TIMEOUT_S, transport="sealed") as client:
        array = client.empty(first.shape, kind)
        assert array.flags.writeable
        array[...] = first
        view = array.view()
        for source in (first, second, first):
            view[...] = source
            for _ in range(2):  # The second time nothing has changed.
                receipt = client.convert(array, return_data=True)
                check_receipt(receipt, source)
        view[-1:] = second[-1:]
        check_receipt(client.convert(array[-1:], return_data=True), second[-1:])
    assert array[-1:].tobytes() == second[-1:].tobytes(), "the array outlives its client"


@each_client
def test_an_array_of_the_clients_own_that_is_filled_anew_for_each_of_many(kind: str, server: Server) -> None:
    def arrays(client: Any) -> Iterator[Array]:
        array = client.empty(LARGE.shape, LARGE.dtype)
        for number in range(4):
            array[...] = number
            yield array

    (receipts,) = use(kind, server.addresses[1], ("convert_many", arrays))
    for number, receipt in enumerate(receipts):
        check_receipt(receipt, np.full_like(LARGE, number))
    assert len(receipts) == 4


def test_parts_and_other_looks_at_an_array_of_the_clients_own(server: Server) -> None:
    with tensorferry.Client(server.addresses[1], timeout=TIMEOUT_S, transport="sealed") as client:
        array = filled(LARGE)(client)
        parts: list[Any] = [array[3:9], array[:, 5], array.T, array[::2], array.reshape(-1)[17:], array.view(np.int32)]
        for part in [*parts, memoryview(array), torch.from_numpy(array)]:
            check_receipt(client.convert(part, return_data=True), np.asarray(part))
        rows = [array[index] for index in range(40)]
        for receipt, row in zip(client.convert_many(rows, return_data=True), rows, strict=True):
            check_receipt(receipt, row)


@pytest.mark.parametrize("transport", ["auto", "bytes", "sealed"])
def test_empty_takes_what_numpy_takes(transport: str, server: Server) -> None:
    client = tensorferry.Client(server.addresses[1], transport=transport)
    for shape, dtype in [(3, "f4"), ((), "i8"), ((2, 0), "?"), ([4, 5], np.float16), ((2,), object)]:
        ours, theirs = client.empty(shape, dtype), np.empty(shape, dtype)
        assert (ours.shape, ours.dtype, ours.strides) == (theirs.shape, theirs.dtype, theirs.strides)
        assert ours.flags.writeable
    assert client.empty(2).dtype == np.float64
    for shape, dtype, error in [(-1, "f4", ValueError), ((2,), "nonsense", TypeError), ("x", "f4", TypeError)]:
        with pytest.raises(error):
            client.empty(shape, dtype)
    client.close()


@pytest.mark.parametrize(
    ("address", "transport", "message"),
    [
        ("localhost:8001", "sealed", "transport 'sealed' needs an address unix:PATH, not 'localhost:8001'"),
        ("unix:/tmp/x", "fast", "transport is 'auto', 'bytes' or 'sealed', not 'fast'"),
        ("unix:/tmp/x", None, "transport is 'auto', 'bytes' or 'sealed', not None"),
    ],
)
def test_what_cannot_be_meant(address: str, transport: Any, message: str) -> None:
    for kind in (tensorferry.Client, tensorferry.aio.Client):
        with pytest.raises(ValueError, match=message):
            kind(address, transport=transport)


def test_by_itself_where_the_server_takes_it(server: Server) -> None:
    """While requests are unanswered, the server has their memory, and afterwards it has none."""
    seen = []

    def arrays(client: tensorferry.Client) -> Iterator[Array]:
        for array in (LARGE, filled(LARGE[:200])(client), LARGE[:10]):
            yield array
            seen.append(regions(server.pid))

    with tensorferry.Client(server.addresses[1], timeout=TIMEOUT_S) as client:
        for receipt, array in zip(client.convert_many(arrays(client)), (LARGE, LARGE[:200], LARGE[:10]), strict=True):
            check_receipt(receipt, array)
        assert seen == [1, 2, 2], "the last one is too small to be worth it"
        assert becomes_true(lambda: regions(server.pid) == 0)
    seen.clear()
    with tensorferry.Client(server.addresses[1], timeout=TIMEOUT_S, transport="bytes") as client:
        list(client.convert_many(arrays(client)))
    assert seen == [0, 0, 0]


@each_client
def test_the_server_has_an_array_of_the_clients_own_as_long_as_it_is_there(kind: str, server: Server) -> None:
    """So it is not handed over again when it is sent again."""
    arrays: list[Array] = []
    has_them: list[bool] = []

    def one_more(client: Any) -> Array:
        arrays.append(filled(LARGE)(client))
        return arrays[-1]

    def again(_: Any) -> Array:
        # What was released last the server may have for a moment longer.
        has_them.append(becomes_true(lambda: regions(server.pid) == min(len(arrays), 8)))
        return arrays[0]

    calls = [("convert", one_more), ("convert", again), ("convert", again), *[("convert", one_more)] * 9]
    receipts = use(kind, server.addresses[1], *calls, ("convert", again), ("convert", again))
    for receipt in receipts:
        check_receipt(receipt, LARGE)
    assert has_them == [True] * 4, "of many arrays it has those that were handed over last"
    assert becomes_true(lambda: regions(server.pid) == 0)


def test_a_chunked_array_is_not_copied_as_a_whole(server: Server) -> None:
    """Larger arrays are as quick in chunks, which take no memory of their size."""
    large = np.zeros(64 * MIB, np.uint8)
    script = (
        "import resource, numpy as np, tensorferry\n"
        f"client = tensorferry.Client('{server.addresses[1]}', timeout={TIMEOUT_S})\n"
        "array = np.ones(64 << 20, np.uint8)\n"
        "client.convert(array[:1])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "client.convert(array)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    grown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=TIMEOUT_S, check=True
    )
    assert int(grown.stdout) * 1024 < large.nbytes // 2


@pytest.mark.parametrize("transport", ["auto", "bytes", "sealed"])
@pytest.mark.parametrize("name", ["c", "fortran", "big-endian", "bfloat16", "bool"])
def test_the_command(name: str, transport: str, server: Server, tmp_path: Path) -> None:
    """Small and large arrays of a file, which are one stream, and the only array of another."""
    layout = LAYOUTS.get(name, np.ascontiguousarray)
    large = layout(random_array(name if name not in LAYOUTS else "float32", (700, 30, 50)))
    np.savez(tmp_path / "x.npz", large=large, small=large[0, :1, :2], none=large[:0])
    np.save(tmp_path / "x.npy", large)
    words = ["--server", server.addresses[1], "--transport", transport]
    what = ["--dtype", "bfloat16"] if name == "bfloat16" else []
    several = cli.run("convert", tmp_path / "x.npz", *words, *what, "-o", tmp_path / "out.npz")
    one = cli.run("convert", tmp_path / "x.npy", *words, *what, "--json")
    assert (several.code, one.code) == (cli.OK, cli.OK), several.stderr + one.stderr
    (tensor,) = one.json()["tensors"]
    assert tensor["digest"] == xxhash.xxh3_128(expect(large).data).hexdigest()
    with np.load(tmp_path / "out.npz") as saved:
        assert saved["large"].tobytes() == expect(large).data


def test_the_command_runs_models(server: Server, files: dict[str, Path], tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=LARGE)
    words = ["--server", server.addresses[1], "--transport", "sealed", "-o", tmp_path / "out.npz"]
    ran = cli.run("convert", tmp_path / "x.npz", "--model", "in-place", *words)
    assert ran.code == cli.OK, ran.stderr
    with np.load(tmp_path / "out.npz") as saved:
        np.testing.assert_array_equal(saved["OUTPUT__0"], run_in_python(files["in-place"], {"x": LARGE})["OUTPUT__0"])


def test_the_command_where_sealed_memory_cannot_be(server: Server, tmp_path: Path) -> None:
    file = cli.save(tmp_path / "x.npy", LARGE)
    tcp = cli.run("convert", file, "--server", server.addresses[0], "--transport", "sealed")
    assert tcp.code == cli.USAGE
    cli.check_message(tcp, "transport sealed needs an address unix:PATH")


@pytest.mark.parametrize("mode", ["unary", "stream"])
def test_the_load_generator(mode: str, server: Server) -> None:
    load = ["--mode", mode, "--size", "4KiB,1MiB", "--duration", "50ms", "--warmup", "0s", "--digest", "--json"]
    ran = cli.run("bench", "--server", server.addresses[1], "--transport", "sealed", *load)
    assert ran.code == cli.OK, ran.stderr
    assert [size["nbytes"] for size in ran.json()["sizes"]] == [4096, MIB]
    assert all(size["ok"] == size["requests"] > 0 for size in ran.json()["sizes"])
    assert becomes_true(lambda: regions(server.pid) == 0)
