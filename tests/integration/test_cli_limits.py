"""`tensorferry convert` and a server of small messages: no limit of one message is a limit of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import cli
from array_layouts import random_array
from cli import OK
from harness import MIB, Server

# Sizes in bytes: below every limit; at the brim of a message of 64 KiB, and of 1 MiB; within the 4 MiB that most
# servers take in a message; above them.
SIZES = {
    "small": 100,
    "brim-of-64-KiB": (64 << 10) - 60,
    "brim-of-1-MiB": MIB - 60,
    "inside": 3 * MIB,
    "large": 9 * MIB,
}


@pytest.fixture(scope="module", params=["64KiB", "1MiB"])
def small_messages(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server("--max-message-bytes", request.param) as server:
        yield server
        assert server.alive(), server.log()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("flags", [[], ["--model", "identity"], ["--strict"]], ids=["plain", "model", "strict"])
def test_a_file_of_any_size(size: str, flags: list[str], small_messages: Server, tmp_path: Path) -> None:
    array = random_array("uint8", (SIZES[size],))
    file = cli.save(tmp_path / "x.npy", array)
    ran = cli.run("convert", file, "--json", "-o", tmp_path / "out", *flags, server=small_messages.address)
    assert (ran.code, ran.stderr) == (OK, "")
    assert np.array_equal(np.load(tmp_path / "out/x.npy"), array)


def test_the_members_of_an_archive(small_messages: Server, tmp_path: Path) -> None:
    arrays = {name: random_array("uint8", (nbytes,)) for name, nbytes in SIZES.items()}
    np.savez(tmp_path / "x.npz", **arrays)
    ran = cli.run("convert", tmp_path / "x.npz", "--json", server=small_messages.address)
    assert (ran.code, ran.stderr) == (OK, "")
    cli.check_converted(ran.json(), small_messages.address, arrays)
    ran = cli.run("convert", tmp_path / "x.npz", "--model", "identity", "--json", server=small_messages.address)
    assert (ran.code, ran.stderr) == (OK, "")
    assert [output["name"] for output in ran.json()["outputs"]] == list(arrays)


@pytest.mark.parametrize("size", ["64B", "9MiB"])
def test_the_load_generator_in_chunks(size: str, small_messages: Server) -> None:
    words = ["bench", "--mode", "chunks", "--size", size, "--duration", "200ms", "--warmup", "0s", "--json"]
    ran = cli.run(*words, server=small_messages.address)
    assert (ran.code, ran.stderr) == (OK, "")
    assert ran.json()["sizes"][0]["errors"] == {}
