"""The Python and the curl that the page shows for a file run as they stand, beside that file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
import xxhash

from harness import REPO_ROOT, TIMEOUT_S, Server
from npy_files import file_with_header

PROGRAM = Path(__file__).parent / "page/snippet.mjs"
VALUES = np.arange(6, dtype=">f4").reshape(2, 3)


def snippet(language: str, address: str, path: Path, member: str, model: str = "", dtype: str = "") -> str:
    """The program that the page shows."""
    words = [language, REPO_ROOT / "server/page", path, member, address, model, dtype]
    shown = subprocess.run(
        ["node", str(PROGRAM), *map(str, words)], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


def printed_by(command: list[str], folder: Path) -> str:
    """Commands find the tests' own Python first, as in an environment that somebody has activated."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout.strip()


def check_cpp(program: str, folder: Path) -> None:
    """The headers of the C++ library have all that the program uses."""
    (folder / "program.cc").write_text(program)
    includes = [f"-I{REPO_ROOT / part}" for part in ("client/include", "server")]
    printed_by(["c++", "-std=c++20", "-Wall", "-Werror", "-fsyntax-only", *includes, "program.cc"], folder)


def run_snippet(server: Server, path: Path, member: str, model: str = "", dtype: str = "") -> str:
    """What the program in Python prints."""
    program = snippet("Python", server.address, path, member, model, dtype)
    return printed_by([sys.executable, "-c", program], path.parent)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.save(tmp_path / "a file's.npy", VALUES)
    np.save(tmp_path / "open.npy", VALUES.astype(ml_dtypes.bfloat16))
    np.savez(tmp_path / "w.npz", **{"layer.0/w": VALUES})
    safetensors.numpy.save_file({'a"b': VALUES.astype("<f4")}, tmp_path / "w.safetensors")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "member"), [("a file's.npy", "a file's"), ("w.npz", "layer.0/w"), ("w.safetensors", 'a"b')]
)
def test_converts_what_the_file_holds(file: str, member: str, folder: Path, server: Server) -> None:
    assert run_snippet(server, folder / file, member) == "torch.float32, bits equal: True"


def test_converts_with_the_dtype_that_was_chosen(folder: Path, server: Server) -> None:
    printed = run_snippet(server, folder / "open.npy", "open", dtype="bfloat16")
    assert printed == "torch.bfloat16, bits equal: True"


def test_runs_a_model(folder: Path, server: Server) -> None:
    assert run_snippet(server, folder / "w.npz", "layer.0/w", model="identity") == "x float32 (2, 3)"


def test_runs_a_model_on_the_dtype_that_was_chosen(folder: Path, server: Server) -> None:
    printed = run_snippet(server, folder / "open.npy", "open", model="identity", dtype="bfloat16")
    assert printed == "x bfloat16 (2, 3)"


def big_endian(name: str, suffix: str, folder: Path) -> Path:
    """A file of VALUES as big-endian hosts save them; complex numbers have two parts. numpy.load forgets the order."""
    values = VALUES.astype(ml_dtypes.bfloat16 if name == "bfloat16" else np.float16)
    words = values.view("<u2").astype(">u2")
    nbytes, shape = (2, (2, 3)) if name == "bfloat16" else (4, (1, 3))
    header = f"{{'descr': '>V{nbytes}', 'fortran_order': False, 'shape': {shape}}}"
    file = folder / f"big.{suffix}"
    if suffix == "npy":
        file.write_bytes(file_with_header(header, words.tobytes()))
    else:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("big.npy", file_with_header(header, words.tobytes()))
    return file


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize("name", ["bfloat16", "complex32"])
def test_the_byte_order_of_a_dtype_that_was_chosen_is_the_files(name: str, suffix: str, tmp_path: Path) -> None:
    file = big_endian(name, suffix, tmp_path)
    right = VALUES.astype(ml_dtypes.bfloat16 if name == "bfloat16" else np.float16).tobytes()
    with Server("--http-listen", "127.0.0.1:0") as server:
        converts = snippet("Python", server.address, file, "big", dtype=name) + "print(receipt.digest.hex())\n"
        runs = snippet("Python", server.address, file, "big", "identity", name) + "print(output.tobytes().hex())\n"
        assert printed_by([sys.executable, "-c", converts], tmp_path).split()[-1] == xxhash.xxh3_128(right).hexdigest()
        assert printed_by([sys.executable, "-c", runs], tmp_path).split()[-1] == right.hex()
        assert server.http is not None
        curl = snippet("curl", server.http, file, "big", "identity", name)
        (output,) = json.loads(printed_by(["bash", "-c", curl], tmp_path))["outputs"]
    flat = np.array(output["data"], np.float32).reshape(-1)
    assert flat.tolist() == VALUES.ravel().tolist()


@pytest.fixture(scope="module")
def http_address() -> Iterator[str]:
    with Server("--http-listen", "127.0.0.1:0") as running:
        assert running.http is not None
        yield running.http


@pytest.mark.parametrize(
    ("file", "member", "dtype"), [("a file's.npy", "a file's", ""), ("open.npy", "open", "bfloat16")]
)
def test_curl_converts(file: str, member: str, dtype: str, folder: Path, http_address: str) -> None:
    program = snippet("curl", http_address, folder / file, member, dtype=dtype)
    (tensor,) = json.loads(printed_by(["bash", "-c", program], folder))["tensors"]
    assert (tensor["dtype"], tensor["digest_equal"]) == (dtype or "float32", True)


def test_curl_runs_a_model(folder: Path, http_address: str) -> None:
    """The elements are the end of a file that holds them as they are sent."""
    np.save(folder / "a b.npy", VALUES.astype("<f4"))
    program = snippet("curl", http_address, folder / "a b.npy", "a b", model="identity")
    (output,) = json.loads(printed_by(["bash", "-c", program], folder))["outputs"]
    assert (output["datatype"], output["shape"], output["data"]) == ("FP32", [2, 3], VALUES.ravel().tolist())


@pytest.mark.parametrize(
    ("file", "member", "dtype"),
    [
        ("w.npz", "layer.0/w", ""),
        ("w.safetensors", 'a"b', ""),
        ("a file's.npy", "a file's", ""),
        ("named.npy", "named", ""),
        ("open.npz", "x", "bfloat16"),
    ],
)
def test_curl_runs_a_model_on_what_is_not_as_it_is_sent(
    file: str, member: str, dtype: str, folder: Path, http_address: str
) -> None:
    """A line of Python reads a member, changes the byte order, or that of the elements, within the same command."""
    brain = VALUES.astype(ml_dtypes.bfloat16)
    np.savez(folder / "open.npz", x=brain)
    with (folder / "named.npy").open("wb") as named:
        head = {"descr": "bfloat16", "fortran_order": True, "shape": brain.shape}
        np.lib.format.write_array_header_1_0(named, head)
        named.write(brain.tobytes("F"))
    program = snippet("curl", http_address, folder / file, member, model="identity", dtype=dtype)
    (output,) = json.loads(printed_by(["bash", "-c", program], folder))["outputs"]
    assert output["datatype"] == ("BF16" if file in ("named.npy", "open.npz") else "FP32")
    assert output["data"] == VALUES.ravel().tolist()


@pytest.mark.parametrize(
    ("file", "member", "model", "dtype"),
    [("w.npz", "layer.0/w", "identity", ""), ("w.safetensors", 'a"b', "", ""), ("open.npy", "open", "", "bfloat16")],
)
def test_cpp_fits_the_headers(file: str, member: str, model: str, dtype: str, folder: Path) -> None:
    check_cpp(snippet("C++", "localhost:8001", folder / file, member, model, dtype), folder)
