"""`tensorferry bench` against a real server: what it counts and prints. No test looks at how long anything took."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import cli
import models
from cli import DEADLINE, NOT_EQUAL, OK, REFUSED, UNREACHABLE, USAGE, Ran, check_message
from harness import MIB, TIMEOUT_S, Server, becomes_true
from proxy import Tamper, tampering, wrong_digest, wrong_dtype, wrong_shape
from served_models import Echo, config_tensor, put

Run = Callable[..., Ran]

# dtypes of this name, and what config.pbtxt calls them.
DATA_TYPES = {
    "bool": "TYPE_BOOL",
    "uint8": "TYPE_UINT8",
    "uint16": "TYPE_UINT16",
    "uint32": "TYPE_UINT32",
    "uint64": "TYPE_UINT64",
    "int8": "TYPE_INT8",
    "int16": "TYPE_INT16",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
    "float16": "TYPE_FP16",
    "float32": "TYPE_FP32",
    "float64": "TYPE_FP64",
    "bfloat16": "TYPE_BF16",
}

MODES = ["unary", "stream", "chunks"]
BRIEF = ["--duration", "200ms", "--warmup", "50ms"]

HEAD = {
    "server",
    "mode",
    "dtype",
    "inputs",
    "digest",
    "model",
    "connections",
    "outstanding",
    "rate",
    "arrivals",
    "duration_s",
    "warmup_s",
    "interrupted",
    "sizes",
}
ROW = {
    "nbytes",
    "outstanding",
    "requests",
    "ok",
    "errors",
    "late",
    "unsent",
    "elapsed_s",
    "requests_per_s",
    "bytes_per_s",
    "latency_us",
    "server_mean_us",
}
QUANTILES = ["p50", "p90", "p99", "p99_9", "max"]
SERVER_TIMES = ["receive", "convert", "queue", "compute"]


@pytest.fixture(scope="session")
def bench(server: Server) -> Run:
    return partial(cli.run, "bench", *BRIEF, server=server.address)


def check_row(row: dict[str, Any]) -> None:
    """The figures of one size agree with each other."""
    assert row.keys() == ROW
    assert row["requests"] == row["ok"] + sum(row["errors"].values())
    assert row["elapsed_s"] > 0
    assert row["requests_per_s"] == pytest.approx(row["ok"] / row["elapsed_s"])
    assert row["bytes_per_s"] == pytest.approx(row["requests_per_s"] * row["nbytes"])
    assert list(row["latency_us"]) == QUANTILES
    assert list(row["server_mean_us"]) == SERVER_TIMES
    times = [*row["latency_us"].values(), *row["server_mean_us"].values()]
    if row["ok"] == 0:
        assert set(times) == {None}
    else:
        assert min(times) >= 0
        assert sorted(row["latency_us"].values()) == list(row["latency_us"].values())


def rows(ran: Ran, code: int = OK) -> list[dict[str, Any]]:
    result = ran.json()
    assert ran.code == code, ran.stderr
    assert result.keys() == HEAD
    for row in result["sizes"]:
        check_row(row)
    return result["sizes"]


# These tests measure requests that are answered.


@pytest.mark.parametrize("flags", [[], ["--outstanding", "5", "--connections", "2"], ["--digest", "--dtype", ">i2"]])
@pytest.mark.parametrize("mode", MODES)
def test_every_request_is_answered(mode: str, flags: list[str], bench: Run) -> None:
    ran = bench("--mode", mode, "--size", "64B,1000KiB,5MiB", *flags, "--json")
    assert ran.stderr == ""
    measured = rows(ran)
    assert [row["nbytes"] for row in measured] == [64, 1000 * 1024, 5 * MIB]
    for row in measured:
        assert row["ok"] > 0
        assert row["errors"] == {}
        assert row["server_mean_us"]["convert"] > 0


def test_what_was_measured(bench: Run, server: Server) -> None:
    result = bench("--size", "8B", "--dtype", "float64", "--digest", "--outstanding", "3", "--json").json()
    del result["sizes"]
    assert result == {
        "server": server.address,
        "mode": "unary",
        "dtype": "float64",
        "inputs": [],
        "digest": True,
        "model": "",
        "connections": 1,
        "outstanding": 3,
        "rate": None,
        "arrivals": None,
        "duration_s": 0.2,
        "warmup_s": 0.05,
        "interrupted": False,
    }


@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
@pytest.mark.parametrize("mode", MODES)
def test_a_low_rate_is_kept(mode: str, arrivals: str, server: Server) -> None:
    """Unless the machine gives the command no time at the end: what it could not send then it says, and does not."""
    flags = ["--mode", mode, "--size", "4KiB", "--rate", "40", "--arrivals", arrivals, "--duration", "500ms"]

    def is_kept() -> bool:
        ran = cli.run("bench", *flags, "--warmup", "0s", "--json", server=server.address)
        (row,) = rows(ran)
        assert row["errors"] == {}
        assert row["ok"] + row["unsent"] == (20 if arrivals == "constant" else row["requests"] + row["unsent"])
        assert row["requests"] > 0
        result = ran.json()
        assert (result["outstanding"], result["rate"], result["arrivals"]) == (None, 40, arrivals)
        return row["unsent"] == 0

    assert becomes_true(is_kept)


def test_text(bench: Run, server: Server) -> None:
    ran = bench("--size", "64B,2MiB", "--mode", "stream", "--outstanding", "2")
    assert (ran.code, ran.stderr) == (OK, "")
    title, columns, *lines = ran.stdout.splitlines()
    assert title == f"{server.address}: stream float32, 2 outstanding, 0.2 s each; times in µs"
    assert columns.split()[:5] == ["size", "outst.", "requests", "errors", "req/s"]
    assert [line.split()[:3] for line in lines] == [["64", "B", "2"], ["2.0", "MiB", "2"]]
    assert len(columns) == 80
    assert all(len(line) == len(columns) for line in lines)


@pytest.fixture(scope="module")
def model_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    files = models.save_all(tmp_path_factory.mktemp("models"))
    flags = [flag for name, file in files.items() for flag in ("--model", f"{name}={file}")]
    with Server(*flags) as running:
        yield running.address


@pytest.mark.parametrize(("mode", "size"), [("unary", "64B"), ("stream", "1MiB"), ("chunks", "70MiB")])
def test_models(mode: str, size: str, bench: Run) -> None:
    """Outputs come back; of 70 MiB in chunks."""
    (row,) = rows(bench("--mode", mode, "--size", size, "--model", "identity", "--json"))
    assert row["ok"] > 0
    assert row["errors"] == {}


def test_a_model_with_several_inputs_is_refused_before_the_load(model_server: str) -> None:
    ran = cli.run("bench", *BRIEF, "--model", "affine", "--json", server=model_server)
    assert (ran.code, ran.stdout) == (USAGE, "")
    check_message(ran, "model 'affine' has 2 inputs")


def test_a_model_that_fails_is_asked_once(model_server: str) -> None:
    ran = cli.run("bench", *BRIEF, "--size", "64B", "--model", "failing", "--json", server=model_server)
    check_message(ran, "too few elements")
    (row,) = rows(ran, REFUSED)
    assert row["errors"] == {"MODEL_FAILED": 1}


class Strings(nn.Module):
    def forward(self, x: list[str]) -> list[str]:
        return x


@pytest.fixture(scope="module")
def typed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a model of each dtype, by the dtype's name, and with models of shapes that are fixed."""
    root = tmp_path_factory.mktemp("typed")
    for dtype, data_type in DATA_TYPES.items():
        put(root / dtype, Echo(), config_tensor("input", "x", data_type, "-1"))
    put(root / "row", Echo(), config_tensor("input", "x", "TYPE_INT64", "3, 4"))
    put(root / "rows", Echo(), "max_batch_size: 10000000\n" + config_tensor("input", "x", "TYPE_INT16", "5"))
    put(root / "scalar", Echo(), config_tensor("input", "x", "TYPE_FP64", "1", "reshape { shape: [] }"))
    put(root / "strings", Strings(), config_tensor("input", "x", "TYPE_STRING", "-1"))
    with Server("--model-dir", str(root)) as running:
        yield running.address


@pytest.mark.parametrize("dtype", DATA_TYPES)
def test_a_model_is_measured_in_its_own_dtype(dtype: str, typed_server: str) -> None:
    ran = cli.run("bench", *BRIEF, "--size", "64B", "--model", dtype, "--json", server=typed_server)
    (row,) = rows(ran)
    assert ran.json()["dtype"] == dtype
    assert row["ok"] > 0
    assert row["errors"] == {}


@pytest.mark.parametrize(
    ("model", "sizes"), [("row", [96]), ("scalar", [8]), ("rows", [60, 4090, 65530, 1048570, 16777210])]
)
def test_a_model_is_measured_in_its_own_shape(model: str, sizes: list[int], typed_server: str) -> None:
    """These are measured where no sizes are asked for."""
    ran = cli.run("bench", "--duration", "50ms", "--warmup", "0s", "--model", model, "--json", server=typed_server)
    measured = rows(ran)
    assert [row["nbytes"] for row in measured] == sizes
    assert all(row["ok"] > 0 and row["errors"] == {} for row in measured)


@pytest.mark.parametrize(
    ("model", "size", "message"),
    [
        ("row", "64B", "takes int64 of shape [3, 4], so that its sizes are 96 B"),
        ("rows", "70B,64B", "takes int16 of shape [-1, 5], so that its sizes are multiples of 10 B"),
        ("strings", "64B", "of which bench has no arrays"),
    ],
)
def test_what_every_request_would_meet_is_refused_before_the_load(
    model: str, size: str, message: str, typed_server: str
) -> None:
    ran = cli.run("bench", *BRIEF, "--size", size, "--model", model, "--json", server=typed_server)
    assert (ran.code, ran.stdout) == (USAGE, "")
    check_message(ran, message)


@pytest.mark.parametrize("mode", MODES)
def test_another_dtype_than_the_models_is_refused_once(mode: str, typed_server: str) -> None:
    flags = ["--mode", mode, "--size", "96B", "--dtype", "float64", "--outstanding", "8"]
    ran = cli.run("bench", *BRIEF, *flags, "--model", "row", "--json", server=typed_server)
    check_message(ran, "INPUT_MISMATCH: ")
    (row,) = rows(ran, REFUSED)
    assert row["errors"] == {"INPUT_MISMATCH": 1}


REFUSALS = {
    "dtype": (["--dtype", "float33"], "BAD_DTYPE"),
    "object": (["--dtype", "|O"], "OBJECT_DTYPE"),
    "model": (["--model", "no-such"], "MODEL_NOT_FOUND"),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_are_counted_by_reason(case: str, mode: str, bench: Run) -> None:
    flags, reason = REFUSALS[case]
    ran = bench("--mode", mode, "--size", "64B,3MiB", *flags, "--json")
    check_message(ran, reason)
    for row in rows(ran, REFUSED):
        assert row["errors"] == {reason: 1}  # Every other would be refused, too.
        assert row["ok"] == 0
    text = bench("--mode", mode, "--size", "64B", *flags)
    assert text.code == REFUSED
    assert re.search(rf"^ +{reason}: \d+$", text.stdout, re.MULTILINE)


def test_one_size_that_is_refused(bench: Run) -> None:
    """The others decide the exit code."""
    good, too_large = rows(bench("--size", "64B,65MiB", "--json"))
    assert (good["errors"], too_large["ok"]) == ({}, 0)
    assert list(too_large["errors"].values()) == [1]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tamper", [wrong_digest, wrong_dtype, wrong_shape])
def test_a_tensor_that_is_not_the_array(tamper: Tamper, mode: str, server: Server) -> None:
    with tampering(server.address, tamper) as address:
        ran = cli.run("bench", *BRIEF, "--mode", mode, "--size", "64B,4KiB", "--digest", "--json", server=address)
    check_message(ran, tamper.__name__.removeprefix("wrong_"))
    (row,) = rows(ran, NOT_EQUAL)
    assert row["requests"] == 0


# These servers do not answer, or end.


def test_no_server(tmp_path: Path) -> None:
    for flags in [], ["--json"], ["--mode", "chunks"], ["--rate", "5"]:
        ran = cli.run("bench", *BRIEF, *flags, server=f"unix:{tmp_path}/none")
        assert (ran.code, ran.stdout) == (UNREACHABLE, "")
        check_message(ran, "UNAVAILABLE")


def test_a_server_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        ran = cli.run("bench", *BRIEF, "--timeout", "100ms", server=address)
    assert (ran.code, ran.stdout) == (DEADLINE, "")
    check_message(ran, "DEADLINE")


def test_requests_that_nobody_answers(server: Server) -> None:
    over = threading.Event()
    with tampering(server.address, lambda _: over.wait(TIMEOUT_S)) as address:
        ran = cli.run("bench", *BRIEF, "--size", "64B", "--timeout", "3s", server=address)
        over.set()
    assert ran.code == DEADLINE
    check_message(ran, "not one of ", "answered with a tensor; DEADLINE_EXCEEDED: ")


@contextmanager
def started(address: str, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run of an hour, of which the title has been printed."""
    words = ["bench", "--duration", "1h", "--warmup", "0s", "--size", "64B", *flags]
    with cli.started(*words, server=address) as process:
        assert process.stdout is not None
        assert process.stdout.readline().decode().startswith(address)
        yield process


@pytest.mark.parametrize("mode", MODES)
def test_a_server_that_goes_away(mode: str) -> None:
    with Server() as server, started(server.address, "--mode", mode) as process:
        server.kill()
        stdout, stderr = process.communicate(timeout=TIMEOUT_S)
    check_message(Ran(process.returncode, stdout.decode(), stderr.decode()), "UNAVAILABLE")
    assert process.returncode == UNREACHABLE
    assert b"UNAVAILABLE: 1" in stdout


@pytest.mark.parametrize("flags", [[], ["--mode", "stream", "--outstanding", "8"], ["--rate", "100"]])
def test_ctrl_c_ends_early_with_the_results_so_far(flags: list[str], server: Server) -> None:
    with started(server.address, *flags) as process:
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, stderr) == (OK, b"")
    assert stdout.splitlines()[-1].split()[:2] == [b"64", b"B"]


# These command lines are wrong.


@pytest.mark.parametrize(
    ("flags", "mentioned"),
    [
        (["--size", "64KB"], "write 64KiB"),
        (["--size", "6B"], "float32"),
        (["--mode", "other"], "unary"),
        (["--rate", "5", "--outstanding", "2"], "--outstanding"),
        (["--arrivals", "poisson"], "--rate"),
        (["--connections", "0"], "--connections"),
        (["--outstanding", "1,x"], "--outstanding x"),
        (["--size", "64B", "--input", "x.npy"], "--input"),
        (["--plot", "x.png"], "FILE.svg"),
        (["--csv", "none/x.csv"], "none/x.csv"),
        (["--sizes", "64B"], "--size?"),
    ],
)
def test_usage_errors(flags: list[str], mentioned: str, bench: Run) -> None:
    ran = bench(*flags)
    assert (ran.code, ran.stdout) == (USAGE, "")
    check_message(ran, mentioned)


def test_help_is_a_result() -> None:
    ran = cli.run("bench", "--help")
    assert (ran.code, ran.stderr) == (OK, "")
    for word in "tensorferry bench", "--mode", "--rate", "--outstanding", "open loop":
        assert word in ran.stdout
