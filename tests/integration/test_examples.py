"""The examples and the demo: what their readers are promised is what they print."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xxhash

import oracle
from harness import REPO_ROOT, SERVER, TIMEOUT_S, Server, clean_environment
from proxy import tampering, wrong_digest

PYTHON = [sys.executable, REPO_ROOT / "client/examples/convert.py"]
CPP = [SERVER.with_name("example_convert")]
NUMBERS = np.array([0.5, -2])
PRINTED = {
    "python": f"torch.int32, bits equal: True\ntorch.int16, bits equal: True\n{NUMBERS}\n",
    "c++": "torch.float32, every bit equal\n",
}
each_example = pytest.mark.parametrize("language", PRINTED)


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    python_path = {"PYTHONPATH": str(REPO_ROOT / "client/python/src")}
    return subprocess.run(
        command, env=clean_environment(python_path), capture_output=True, text=True, timeout=5 * TIMEOUT_S, check=False
    )


def run_example(language: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(*(PYTHON if language == "python" else CPP), *arguments)


@each_example
def test_an_example_prints_what_the_server_made(language: str, server: Server) -> None:
    ran = run_example(language, server.address)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, PRINTED[language], "")


@each_example
def test_an_example_fails_without_a_server(language: str, tmp_path: Path) -> None:
    ran = run_example(language, f"unix:{tmp_path}/none")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "UNAVAILABLE" in ran.stderr


@each_example
def test_an_example_notices_a_tensor_that_is_not_the_array(language: str, server: Server) -> None:
    with tampering(server.address, wrong_digest) as address:
        ran = run_example(language, address)
    assert ran.returncode == 1
    assert ("DIFFERENT" if language == "c++" else "DIGEST_NOT_EQUAL") in ran.stdout + ran.stderr


def test_the_cpp_example_takes_addresses_only() -> None:
    assert run_example("c++", "nowhere").returncode == 2


@pytest.fixture(scope="module")
def demo() -> str:
    ran = run(sys.executable, REPO_ROOT / "scripts/demo.py", "--bin", SERVER.parent)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("dtype", oracle.ALL)
def test_the_demo_has_a_receipt_of_every_dtype(dtype: str, demo: str) -> None:
    receipt = rf"^  {dtype} +torch\.{dtype} +\[2,3\] +equal +equal +[0-9a-f]{{8}}$"
    assert len(re.findall(receipt, demo, re.MULTILINE)) == 1


@pytest.mark.parametrize("dtype", ["int32", "int16"])
def test_the_demo_shows_the_digest(dtype: str, demo: str) -> None:
    digest = xxhash.xxh3_128(np.array([1, 2, 3, 4], dtype).tobytes()).hexdigest()
    assert re.search(rf"\[1 2 3 4\] +torch\.{dtype} +\[4\] +equal +equal +{digest[:8]}\n", demo)


@pytest.mark.parametrize(
    "line",
    [
        r"float32, big-endian +torch\.float32 .* BYTE_ORDER_SWAPPED",
        r"bool, bytes 0 1 2 255 +torch\.bool .* BOOL_NORMALIZED",
        r"float32 +torch\.float32 +\[8192,8192\] +equal +equal +[0-9a-f]{8}",
        r"datetime64\[D\] +refused: UNSUPPORTED_DTYPE: .*",
    ],
)
def test_the_demo_shows(line: str, demo: str) -> None:
    assert len(re.findall(rf"^  {line}$", demo, re.MULTILINE)) == 1


def test_the_demo_shows_the_same_output_twice(demo: str) -> None:
    """The demo prints each model's output twice: the server's and PyTorch's."""
    outputs = re.findall(r"^    (?:server|PyTorch) +float32 (.*)$", demo, re.MULTILINE)
    assert len(outputs) == 6, "a program, a compiled package and TorchScript"
    assert outputs[::2] == outputs[1::2]
    assert len(re.findall(r"^    bits +equal$", demo, re.MULTILINE)) == 3
    assert len(re.findall(r"^    module +at most \S+ from what it gives itself$", demo, re.MULTILINE)) == 3


def test_the_demo_says_what_is_missing(tmp_path: Path) -> None:
    ran = run(sys.executable, REPO_ROOT / "scripts/demo.py", "--bin", tmp_path)
    assert ran.returncode == 1
    assert "make build" in ran.stderr
    assert "Traceback" not in ran.stderr
