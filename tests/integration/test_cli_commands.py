"""The `tensorferry` command beside `convert`: what it asks of a server, what it says of files, and its usage errors."""

from __future__ import annotations

import hashlib
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import torch

import cli
import models
import oracle
from array_layouts import random_array
from cli import BAD_FILE, DEADLINE, INTERNAL, OK, UNREACHABLE, USAGE, check_message
from harness import MIB, TIMEOUT_S, Server, clean_environment
from npy_files import saved

FLOATS = np.arange(6, dtype=">f4").reshape(2, 3)
CALLS = ["ping", "info", "models", "model m", "stats", "load m"]


@pytest.fixture
def x(tmp_path: Path) -> Path:
    return cli.save(tmp_path / "x.npy", FLOATS)


@pytest.mark.parametrize(
    "words",
    [
        *("version", "--help", "ping", "info", "models", "models --json", "stats", "inspect FILE", "convert FILE"),
        *("convert FILE --json", "bench --duration 100ms", "top --count 1 --interval 50ms"),
    ],
)
def test_what_standard_output_does_not_take(words: str, x: Path, server: Server) -> None:
    """The exit code says so: what was printed is not all there, if any of it."""
    with open("/dev/full", "wb") as full:
        ran = subprocess.run(
            [cli.COMMAND, *words.replace("FILE", str(x)).split()],
            env=clean_environment({"TENSORFERRY_SERVER": server.address}),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    assert ran.returncode == INTERNAL
    assert ran.stderr.startswith("tensorferry: internal error: cannot write to standard output")
    assert len(ran.stderr.splitlines()) == 1


# In these tests the server does not answer.


@pytest.mark.parametrize("call", [*CALLS, "convert"])
def test_no_server(call: str, x: Path, tmp_path: Path) -> None:
    ran = cli.run(*call.split(), *([x] if call == "convert" else []), server=f"unix:{tmp_path}/none")
    assert (ran.code, ran.stdout) == (UNREACHABLE, "")
    check_message(ran, "UNAVAILABLE")


def test_no_server_for_the_next_file_either(x: Path, tmp_path: Path) -> None:
    ran = cli.run("convert", x, x, "--json", server=f"unix:{tmp_path}/none")
    assert ran.code == UNREACHABLE
    assert (ran.json()["error"]["code"], ran.json()["error"]["reason"]) == ("UNAVAILABLE", "")
    check_message(ran, "UNAVAILABLE")


@pytest.fixture
def silent() -> Iterator[str]:
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("call", [*CALLS, "convert", "convert-in-chunks"])
def test_deadline(call: str, x: Path, silent: str, tmp_path: Path) -> None:
    if call == "convert-in-chunks":
        x = cli.save(tmp_path / "x.npy", np.zeros(5 * MIB, np.uint8))
    files = [x] if call.startswith("convert") else []
    ran = cli.run(*call.partition("-")[0].split(), *files, "--timeout", "100ms", server=silent)
    assert (ran.code, ran.stdout) == (DEADLINE, "")
    check_message(ran, "DEADLINE")


@pytest.fixture
def not_serving() -> Iterator[str]:
    """Answers the standard health service's Check with NOT_SERVING: field 1, value 2."""
    check = grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"\x08\x02")
    with ThreadPoolExecutor(1) as pool:
        fake = grpc.server(pool)
        fake.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": check})])
        port = fake.add_insecure_port("127.0.0.1:0")
        fake.start()
        yield f"127.0.0.1:{port}"
        fake.stop(grace=None).wait()


def test_ping_of_a_server_that_does_not_serve(not_serving: str) -> None:
    assert cli.run("ping", server=not_serving) == (UNREACHABLE, "NOT_SERVING\n", "")


def test_ping_tells_a_server_from_none() -> None:
    with Server() as server:
        assert cli.run("ping", server=server.address) == (OK, "SERVING\n", "")
        assert server.stop() == 0
        ran = cli.run("ping", server=server.address)
    assert (ran.code, ran.stdout) == (UNREACHABLE, "")


# In these tests the server answers.


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("models")
    return {**models.save_all(directory), "absent": directory / "absent.pt"}


@pytest.fixture(scope="module")
def model_server(files: dict[str, Path]) -> Iterator[str]:
    flags = [flag for name, file in files.items() for flag in ("--model", f"{name}={file}")]
    with Server(*flags) as running:
        yield running.address


@pytest.mark.parametrize("service", ["", "tensorferry.v1.TensorService"])
def test_ping_of_a_service(service: str, server: Server) -> None:
    ran = cli.run("ping", "--service", service, "--json", server=server.address)
    assert (ran.code, ran.stderr) == (OK, "")
    assert ran.json() == {"server": server.address, "service": service, "status": "SERVING"}


def test_ping_of_an_unknown_service(server: Server) -> None:
    ran = cli.run("ping", "--service", "no.such.Service", server=server.address)
    assert (ran.code, ran.stdout) == (UNREACHABLE, "")
    check_message(ran, "NOT_FOUND")


def test_info(server: Server) -> None:
    info = cli.run("info", "--json", server=server.address).json()
    assert info["torch_version"] == torch.__version__.partition("+")[0]
    assert info["max_message_bytes"] == 64 * MIB
    assert info["max_tensor_bytes"] == 8 << 30
    assert 0 < info["recommended_chunk_bytes"] < info["max_message_bytes"]
    assert info["max_ndim"] == 64
    assert "models" in info["features"]
    dtypes = {row["numpy_dtype"]: (row["torch_dtype"], row["itemsize"]) for row in info["dtypes"]}
    assert dtypes == {name: (name, getattr(torch, name).itemsize) for name in oracle.ALL}
    assert info["dtypes"][oracle.ALL.index("float32")] == {
        "numpy_dtype": "float32",
        "numpy_descr": "<f4",
        "torch_dtype": "float32",
        "itemsize": 4,
        "oip_datatype": "FP32",
    }

    text = cli.run("info", server=server.address)
    assert (text.code, text.stderr) == (OK, "")
    for word in info["version"], info["torch_version"], "64.0 MiB", "8.0 GiB", *oracle.ALL:
        assert word in text.stdout


def test_models(model_server: str, files: dict[str, Path]) -> None:
    listed = {model["name"]: model for model in cli.run("models", "--json", server=model_server).json()}
    assert listed.keys() == {*files, "identity"}
    for name, file in files.items():
        model = listed[name]
        assert model["version"] == "1"
        if name == "absent":
            assert (model["state"], bool(model["reason"])) == ("UNAVAILABLE", True)
        else:
            assert (model["state"], model["reason"], model["platform"]) == ("READY", "", "torchscript")
            assert model["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert [spec["name"] for spec in listed["affine"]["inputs"]] == ["left", "right"]
    assert [spec["name"] for spec in listed["affine"]["outputs"]] == ["OUTPUT__0"]

    text = cli.run("models", server=model_server)
    assert (text.code, text.stderr) == (OK, "")
    title, *lines, sum_ = text.stdout.splitlines()
    assert title.split()[:4] == ["model", "version", "state", "platform"]
    states = [line.split()[:3] for line in lines]
    assert states == [[name, model["version"], model["state"]] for name, model in listed.items()]
    assert sum_ == f"{len(listed)} versions, {len(listed) - 1} ready"


def test_version_is_the_servers(server: Server) -> None:
    version = cli.run("info", "--json", server=server.address).json()["version"]
    assert cli.run("version") == cli.run("--version") == (OK, f"tensorferry {version}\n", "")


# In these tests there is no server at all.


def inspection(name: str, array: np.ndarray) -> dict[str, Any]:
    expected = cli.expect_file(array)
    return {
        "name": name,
        "source_dtype": array.dtype.str,
        "shape": list(array.shape),
        "fortran_order": array.flags.f_contiguous and not array.flags.c_contiguous,
        "file_nbytes": len(saved(array)),
        "dtype": expected.torch_dtype,
        "digest": cli.digest_of(expected),
    }


def test_inspect(tmp_path: Path) -> None:
    arrays = {
        "": FLOATS,
        "a/b": np.asfortranarray(FLOATS),
        "bools": np.array([0, 2], np.uint8).view(np.bool_),
        "0-d": np.array(1j),
        "void": random_array("float8_e4m3fn"),
        "nothing": np.zeros((0, 3), np.uint64),
    }
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    ran = cli.run("inspect", tmp_path / "x.npz", "--dtype", "float8_e4m3fn", "--json")
    assert (ran.code, ran.stderr) == (OK, "")
    assert ran.json() == [inspection(name, array) for name, array in arrays.items()]


def test_inspect_in_text(x: Path) -> None:
    digest = cli.digest_of(cli.expect_file(FLOATS))
    text = f"x  >f4 (2, 3)  C order  152 B  -> torch.float32  digest {digest}\n"
    assert cli.run("inspect", x) == (OK, text, "")
    assert cli.run("inspect", "-", stdin=x.read_bytes()) == (OK, text.replace("x ", "stdin ", 1), "")


@pytest.mark.parametrize(
    ("array", "reason"),
    [(np.array([None]), "OBJECT_DTYPE"), (random_array("bfloat16"), "AMBIGUOUS_DTYPE")],
    ids=["object", "void"],
)
def test_inspect_says_what_would_be_refused(array: np.ndarray, reason: str, x: Path, tmp_path: Path) -> None:
    refused = cli.save(tmp_path / "refused.npy", array)
    ran = cli.run("inspect", refused, x, "--json")
    assert ran.code == BAD_FILE
    check_message(ran, str(refused), reason)
    told, good = ran.json()
    assert (told["name"], told["dtype"], told["reason"]) == ("refused", "", reason)
    assert good == inspection("x", FLOATS)


USAGE_ERRORS = {
    "nothing": ([], "command"),
    "unknown-command": (["conver", "x.npy"], "convert"),
    "unknown-flag": (["convert", "x.npy", "--stric"], "--strict"),
    "unknown-flag-with-a-value": (["convert", "x.npy", "--timeot=3s"], "--timeout"),
    "unknown-flag-of-another-command": (["info", "--jsn"], "--json"),
    "unknown-flag-like-no-other": (["convert", "x.npy", "--frobnicate"], "--frobnicate"),
    "no-file": (["convert"], "FILE"),
    "no-value": (["convert", "x.npy", "--model"], "--model"),
    "too-many-words": (["ping", "twice"], "twice"),
    "no-model": (["load"], "MODEL"),
    "two-models": (["unload", "a", "b"], "'b'"),
    "timeout-without-a-unit": (["ping", "--timeout", "3"], "write 3s"),
    "timeout-of-nothing": (["ping", "--timeout", "0s"], "--timeout"),
    "standard-input-twice": (["convert", "-", "-"], "standard input"),
    "arrays-of-standard-input-twice": (["convert", "-:a", "-:b"], "standard input"),
    "array-of-standard-input-where-no-file-goes": (["ping", "-:a"], "'-:a'"),
    "output-of-one-array": (["convert", "x.npy", "-o", "y.npy"], "OUT.npz"),
    "output-in-no-directory": (["convert", "x.npy", "-o", "none/y.npz"], "none"),
    "address-without-a-port": (["ping", "--server", "localhost"], "localhost"),
    "address-with-a-strange-port": (["ping", "--server", "localhost:http"], "localhost:http"),
}


@pytest.mark.parametrize("case", USAGE_ERRORS)
def test_usage_errors(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words, mentioned = USAGE_ERRORS[case]
    monkeypatch.chdir(tmp_path)
    ran = cli.run(*words)
    assert (ran.code, ran.stdout) == (USAGE, "")
    check_message(ran, mentioned)


@pytest.mark.parametrize("command", ["convert", "inspect", *CALLS])
def test_help_is_a_result(command: str) -> None:
    ran = cli.run(command.split()[0], "-h")
    assert (ran.code, ran.stderr) == (OK, "")
    assert f"tensorferry {command.split()[0]} [OPTIONS]" in ran.stdout
