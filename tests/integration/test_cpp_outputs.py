"""The C++ library and the command, whose outputs come in memory that they have handed over: what the server sends."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import cli
from array_layouts import LAYOUTS, Array, expect, random_array
from harness import MIB, SERVER, TIMEOUT_S, Server, becomes_true
from metrics import scrape
from sealed_clients import regions
from served_models import Echo, config_tensor, put

ROWS = (
    'platform: "pytorch_libtorch" max_batch_size: 1024\n'
    + config_tensor("input", "x", "TYPE_FP32", "500")
    + config_tensor("output", "OUTPUT__0", "TYPE_FP32", "500")
)
EXAMPLE = SERVER.with_name("example_outputs")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("cpp")
    put(folder / "models/echo", Echo(), "")
    put(folder / "models/rows", Echo(), ROWS)
    flags = ("--listen", f"unix:{folder}/socket", "--model-dir", str(folder / "models"), "--sealed-memory", "on")
    with Server(*flags, "--admin-listen", "127.0.0.1:0") as running:
        yield running
        assert running.alive(), running.log()


def sent_by(server: Server, action: Callable[[], None]) -> float:
    """The bytes of all messages that the server sends meanwhile."""

    def sent() -> float:
        return scrape(server).value("tensorferry_message_bytes_total", direction="out")

    before = sent()
    action()
    return sent() - before


def run_example(server: Server, address: str) -> None:
    command = [EXAMPLE, address, "echo"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert ran.returncode == 0, ran.stderr + server.log()
    kept = [["0"], *([str(index - 1), str(index)] for index in range(1, 8))]
    assert [line.split() for line in ran.stdout.splitlines()] == kept


def test_only_the_first_output_of_a_size_is_sent(server: Server) -> None:
    by_messages = sent_by(server, lambda: run_example(server, server.addresses[0]))
    assert by_messages > 8 * 4 * MIB
    with_memory = sent_by(server, lambda: run_example(server, server.addresses[1]))
    assert 4 * MIB < with_memory < 4 * MIB + 100_000
    assert becomes_true(lambda: mappings(server) == 0)


@pytest.mark.parametrize("layout", ["c", "fortran", "big-endian"])
def test_what_a_conversion_sends_back(layout: str, server: Server, tmp_path: Path) -> None:
    array = LAYOUTS[layout](random_array("float32", (700, 1500)))
    file = cli.save(tmp_path / "x.npy", array)
    out = tmp_path / "out.npz"

    def convert(*words: str) -> None:
        ran = cli.run("convert", file, "--server", server.addresses[1], *words, "-o", out)
        assert ran.code == cli.OK, ran.stderr
        check_saved(out, {"x": array})

    assert sent_by(server, lambda: convert("--transport", "bytes")) > array.nbytes
    assert sent_by(server, convert) < 100_000


def test_arrays_of_a_file(server: Server, tmp_path: Path) -> None:
    """They are one stream, of which at most four unanswered requests have memory."""
    arrays = {f"x{index}": random_array("float32", (700, 500)) for index in range(4)}
    np.savez(tmp_path / "x.npz", **arrays)

    def convert() -> None:
        ran = cli.run("convert", tmp_path / "x.npz", "--server", server.addresses[1], "-o", tmp_path / "out.npz")
        assert ran.code == cli.OK, ran.stderr

    assert sent_by(server, convert) < 100_000
    check_saved(tmp_path / "out.npz", arrays)


def test_a_model_of_the_command(server: Server, tmp_path: Path) -> None:
    array = random_array("float32", (700, 500))
    file = cli.save(tmp_path / "x.npy", array)
    words = ["--server", server.addresses[1], "--transport", "sealed", "-o", tmp_path / "out.npz"]

    def infer() -> None:
        ran = cli.run("infer", "identity", "--input", f"x={file}", *words)
        assert ran.code == cli.OK, ran.stderr

    assert sent_by(server, infer) < 100_000
    check_saved(tmp_path / "out.npz", {"x": array})


def test_a_model_of_the_command_that_says_how_large_its_outputs_are(server: Server, tmp_path: Path) -> None:
    array = random_array("float32", (700, 500))
    file = cli.save(tmp_path / "x.npy", array)

    def infer(*words: str) -> None:
        out = tmp_path / "out.npz"
        ran = cli.run("infer", "rows", "--input", f"x={file}", "--server", server.addresses[1], *words, "-o", out)
        assert (ran.code, ran.stderr) == (cli.OK, "")
        check_saved(out, {"OUTPUT__0": array})

    assert sent_by(server, infer) < 100_000
    assert sent_by(server, lambda: infer("--transport", "sealed")) < 100_000
    assert sent_by(server, lambda: infer("--transport", "bytes")) > array.nbytes


@pytest.mark.parametrize("mode", ["unary", "stream"])
def test_the_load_generator(mode: str, server: Server) -> None:
    words = ["--mode", mode, "--size", "2MiB", "--model", "echo", "--outstanding", "4", "--digest", "--json"]
    counted = []

    def bench() -> None:
        brief = ["--duration", "200ms", "--warmup", "0s"]
        ran = cli.run("bench", "--server", server.addresses[1], "--transport", "sealed", *words, *brief)
        assert ran.code == cli.OK, ran.stderr
        (size,) = ran.json()["sizes"]
        assert size["ok"] == size["requests"] > 0
        counted.append(size["ok"])

    sent = sent_by(server, bench)
    assert sent < 2 * MIB + 10_000 + 2_000 * counted[0], "the call that asks for the size, and what is no element"
    assert becomes_true(lambda: mappings(server) == 0)


def test_a_server_without_it(tmp_path: Path) -> None:
    flags = ("--listen", f"unix:{tmp_path}/socket", "--sealed-memory", "off", "--admin-listen", "127.0.0.1:0")
    put(tmp_path / "models/echo", Echo(), "")
    with Server(*flags, "--model-dir", str(tmp_path / "models")) as without:
        assert sent_by(without, lambda: run_example(without, without.addresses[1])) > 8 * 4 * MIB
        assert regions(without.pid) == 0


def check_saved(path: Path, arrays: dict[str, Array]) -> None:
    with np.load(path) as saved:
        assert set(saved.files) == set(arrays)
        for name, array in arrays.items():
            assert saved[name].tobytes() == expect(array).data


def mappings(server: Server) -> int:
    """The memory of clients that the server has mapped to write outputs there."""
    maps = Path(f"/proc/{server.pid}/maps").read_text()
    return sum("rw-s" in line and "/memfd:tensorferry-array" in line for line in maps.splitlines())
