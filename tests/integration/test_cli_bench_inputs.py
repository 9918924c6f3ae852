"""`tensorferry bench` with arrays of files, with sweeps over outstanding requests, and the files that it writes."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cli
from cli import BAD_FILE, FLOATS, NOT_EQUAL, OK, check_message
from harness import Server
from proxy import tampering, wrong_digest

BRIEF = ["--duration", "100ms", "--warmup", "20ms", "--json"]
SVG = "{http://www.w3.org/2000/svg}"


def test_a_sweep_with_the_files_that_it_writes(server: Server, tmp_path: Path) -> None:
    files = {"csv": tmp_path / "x.csv", "plot": tmp_path / "x.svg"}
    flags = ["--size", "64B,4KiB", "--outstanding", "1,3", *(f"--{name}={file}" for name, file in files.items())]
    ran = cli.run("bench", *BRIEF, *flags, server=server.address)
    assert (ran.code, ran.stderr) == (OK, "")
    result = ran.json()
    measured = result["sizes"]
    assert result["outstanding"] == [1, 3]
    assert [(row["nbytes"], row["outstanding"]) for row in measured] == [(64, 1), (64, 3), (4096, 1), (4096, 3)]
    assert all(row["ok"] > 0 and row["errors"] == {} for row in measured)

    with files["csv"].open() as file:
        assert [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)] == [
            flat(row) for row in measured
        ]
    drawn = ET.parse(files["plot"]).getroot()
    curves = [len(line.get("points", "").split()) for line in drawn.iter(f"{SVG}polyline")]
    assert curves == [2] * 6  # Of each size: requests per second, p50, p99.
    assert {"1", "3", "64 B", "4.0 KiB"} <= {text.text for text in drawn.iter(f"{SVG}text")}


def flat(row: dict[str, Any]) -> dict[str, float]:
    """The figures of a row under the names of the CSV's columns."""
    latency = {f"{name}_us": value for name, value in row["latency_us"].items()}
    server = {f"{name}_mean_us": value for name, value in row["server_mean_us"].items()}
    others = {name: value for name, value in row.items() if name not in ("latency_us", "server_mean_us", "errors")}
    return {**others, **latency, **server}


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """The inputs of `affine`, of which one is big-endian."""
    np.savez(tmp_path / "x.npz", left=FLOATS, right=FLOATS.T.astype(">f4"))
    return tmp_path / "x.npz"


@pytest.mark.parametrize("mode", ["unary", "stream", "chunks"])
def test_arrays_of_the_users(mode: str, inputs: Path, model_server: str) -> None:
    words = {"unary": [inputs], "stream": [f"right={inputs}:right", f"left={inputs}:left"], "chunks": [inputs]}[mode]
    flags = [flag for word in words for flag in ("--input", word)]
    ran = cli.run("bench", *BRIEF, "--mode", mode, "--model", "affine", "--digest", *flags, server=model_server)
    assert (ran.code, ran.stderr) == (OK, "")
    result = ran.json()
    assert [entry["name"] for entry in result["inputs"]] == ([None] if len(words) == 1 else ["right", "left"])
    assert result["dtype"] is None
    (row,) = result["sizes"]
    assert (row["nbytes"], row["errors"], row["ok"] > 0) == (2 * FLOATS.nbytes, {}, True)


def test_an_array_alone_gets_the_name_of_the_only_input(model_server: str, tmp_path: Path) -> None:
    file = cli.save(tmp_path / "other.npy", FLOATS)
    ran = cli.run("bench", *BRIEF, "--model", "perceptron", "--input", file, server=model_server)
    assert (ran.code, ran.json()["sizes"][0]["errors"]) == (OK, {}), ran.stderr


def test_every_array_is_compared_with_its_tensor(inputs: Path, server: Server) -> None:
    with tampering(server.address, wrong_digest) as address:
        ran = cli.run("bench", *BRIEF, "--digest", "--input", inputs, server=address)
    assert ran.code == NOT_EQUAL
    check_message(ran, "digest")


def test_files_that_cannot_be_sent(inputs: Path, server: Server) -> None:
    np.savez(inputs.with_name("empty.npz"))
    for words, mentioned in (
        (["none.npy"], "none.npy"),
        ([f"{inputs}:lift"], "left?"),
        ([f"x={inputs}"], "2 arrays"),
        ([str(inputs.with_name("empty.npz"))], "no arrays"),
    ):
        ran = cli.run("bench", *BRIEF, "--input", *words, server=server.address)
        assert (ran.code, ran.stdout) == (BAD_FILE, "")
        check_message(ran, mentioned)
