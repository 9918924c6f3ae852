"""Runs the real `tensorferry` command on files that NumPy wrote, and knows what it must print of them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xxhash

import oracle
from array_layouts import Array
from harness import SERVER, TIMEOUT_S, clean_environment
from tensorferry.v1 import tensor_service_pb2 as pb

COMMAND = SERVER.with_name("tensorferry")

# Arrays that many tests convert: plain ones, bools of other bytes than 0 and 1, and big-endian ones in Fortran order.
FLOATS = np.random.default_rng(1).normal(size=(5, 16)).astype(np.float32)
BOOLS = np.array([0, 1, 2, 255], np.uint8).view(np.bool_)
SWAPPED = np.asfortranarray(FLOATS.astype(">f4"))

OK, USAGE, BAD_FILE, UNREACHABLE, REFUSED, DEADLINE, NOT_EQUAL, INTERNAL = 0, 2, 3, 4, 5, 6, 7, 70


class Ran(NamedTuple):
    """What a run of the command left behind."""

    code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """The only JSON value on stdout."""
        return json.loads(self.stdout)

    def json_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]


Run = Callable[..., Ran]  # The fixture `run`: the command, run against the server of all tests.


def run(
    *words: str | Path,
    server: str = "",
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    starter: Sequence[str] = (),
) -> Ran:
    """Runs the command to its end; it learns `server` from its environment. `starter` runs the command it is given."""
    process = subprocess.run(
        [*starter, COMMAND, *words],
        env=clean_environment({"TENSORFERRY_SERVER": server, **(environment or {})}),
        input=stdin,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return Ran(process.returncode, process.stdout.decode(), process.stderr.decode())


@contextmanager
def started(*words: str | Path, server: str, stdout: int = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
    """Runs the command. The end of the block kills it, if it has not ended."""
    environment = clean_environment({"TENSORFERRY_SERVER": server})
    process = subprocess.Popen([COMMAND, *words], env=environment, stdout=stdout, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=TIMEOUT_S)


def run_on_terminal(*words: str | Path, environment: dict[str, str]) -> str:
    """Runs the command to its end and returns what the terminal got."""
    leader, follower = os.openpty()
    with open(leader, "rb", buffering=0) as screen:
        process = subprocess.Popen(
            [COMMAND, *words], env=clean_environment(environment), stdout=follower, stderr=follower
        )
        os.close(follower)
        shown = b""
        with suppress(OSError):  # The end of a terminal is an input/output error.
            while block := screen.read(4096):
                shown += block
        assert process.wait(TIMEOUT_S) == OK
    return shown.decode()


def check_message(ran: Ran, *mentioned: str) -> None:
    """The run printed one line on stderr, that mentions every word."""
    assert ran.stderr.startswith("tensorferry: ")
    assert ran.stderr.count("\n") == 1
    for word in mentioned:
        assert word in ran.stderr


def save(file: Path, array: Array) -> Path:
    np.save(file, array, allow_pickle=True)
    return file


def needs_name(array: Array) -> bool:
    """NumPy saves arrays of this dtype as void: the file does not say what the elements are."""
    return array.dtype.name in oracle.BY_NAME and array.dtype.kind in "VW"


def expect_file(array: Array) -> oracle.Expected:
    """The oracle's outcome of the file of `array`, which `--dtype` has named if that is needed."""
    dtype = array.dtype.name if needs_name(array) else array.dtype.str
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    return oracle.expect(dtype, array.shape, array.tobytes("F" if fortran else "C"), fortran_order=fortran)


def digest_of(expected: oracle.Expected) -> str:
    return xxhash.xxh3_128(expected.data).hexdigest()


def tensor_json(name: str, expected: oracle.Expected) -> dict[str, Any]:
    """What `--json` says of a tensor that is equal to its array."""
    return {
        **output_json(name, expected),
        "source_dtype": expected.source_dtype,
        "numpy_dtype": expected.numpy_dtype,
        "dtype_equal": True,
        "adjustments": [pb.Adjustment.Name(value).removeprefix("ADJUSTMENT_") for value in expected.adjustments],
        "digest": digest_of(expected),
        "digest_equal": True,
    }


def output_json(name: str, expected: oracle.Expected) -> dict[str, Any]:
    """What `--json` says of a model's output."""
    return {
        "name": name,
        "dtype": expected.torch_dtype,
        "shape": list(expected.shape),
        "strides": list(expected.strides),
        "numel": len(expected.data) // expected.itemsize,
        "nbytes": len(expected.data),
        "device": "cpu",
    }


def check_converted(
    outcome: dict[str, Any], server: str, arrays: dict[str, Array], *, skipped: tuple[str, ...] = ()
) -> None:
    """The object that `--json` prints of a file without a model, whole: all of its arrays were converted."""
    timing = outcome.pop("timing")
    assert timing.keys() == {"receive_ns", "convert_ns", "queue_ns", "compute_ns"}
    assert min(timing.values()) >= 0
    assert outcome.pop("request_id")
    assert outcome == {
        "server": server,
        "model": "",
        "model_version": "",
        "tensors": [tensor_json(name, expect_file(array)) for name, array in arrays.items()],
        "outputs": [],
        "refused": [],
        "skipped": list(skipped),
    }
