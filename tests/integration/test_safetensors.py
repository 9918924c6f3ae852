"""safetensors files through the command and both Python clients; the package of that name writes and judges them."""

from __future__ import annotations

import asyncio
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch

import array_layouts
import cli
import oracle
import tensorferry
from array_layouts import Array, random_array
from cli import BAD_FILE, OK, REFUSED, Run
from harness import TIMEOUT_S, Server

NAMES = [name for name in oracle.ALL if name not in {"complex128", "complex32"}]  # safetensors has all others.
ARRAYS = {name: random_array(name) for name in NAMES} | {
    "layer.0/ünïcode →": random_array("float32", (1000, 300)),
    "scalar": np.array(1.5),
    "empty": np.zeros((0, 3), "<i8"),
}


def tensor_of(array: Array) -> torch.Tensor:
    dtype = getattr(torch, array.dtype.name)
    if not array.size:
        return torch.zeros(array.shape, dtype=dtype)
    return torch.frombuffer(bytearray(array.tobytes()), dtype=torch.uint8).view(dtype).reshape(array.shape)


def save(path: Path, arrays: dict[str, Array], **others: torch.Tensor) -> Path:
    tensors = {name: tensor_of(array) for name, array in arrays.items()}
    safetensors.torch.save_file({**tensors, **others}, path, metadata={"format": "pt"})
    return path


def four_bits() -> torch.Tensor:
    return torch.zeros(2, 4, dtype=torch.uint8).view(torch.float4_e2m1fn_x2)


def convert_file(kind: str, address: str, path: Path) -> dict[str, tensorferry.Receipt]:
    if kind == "Client":
        with tensorferry.Client(address, timeout=TIMEOUT_S) as client:
            return client.convert_file(path, return_data=True)

    async def main() -> dict[str, tensorferry.Receipt]:
        async with tensorferry.aio.Client(address, timeout=TIMEOUT_S) as client:
            return await client.convert_file(path, return_data=True)

    return asyncio.run(main())


def check_tensors(tensors: list[dict[str, Any]], arrays: dict[str, Array]) -> None:
    expected = {name: cli.tensor_json(name, array_layouts.expect(array)) for name, array in arrays.items()}
    assert {tensor["name"]: tensor for tensor in tensors} == expected


def test_the_command_proves_every_tensor(run: Run, tmp_path: Path) -> None:
    file = save(tmp_path / "x.safetensors", ARRAYS)
    ran = run("convert", file, "--json", "-o", tmp_path / "out.safetensors")
    assert (ran.code, ran.stderr) == (OK, "")
    check_tensors(ran.json()["tensors"], ARRAYS)
    written, read = safetensors.torch.load_file(tmp_path / "out.safetensors"), safetensors.torch.load_file(file)
    assert written.keys() == ARRAYS.keys()
    for name, tensor in written.items():
        original = read[name]
        assert (tensor.dtype, tensor.shape) == (original.dtype, original.shape)
        assert bits_of(tensor) == bits_of(original)
    piped = run("convert", "-", "--json", stdin=file.read_bytes())
    check_tensors(piped.json()["tensors"], ARRAYS)


def test_what_the_format_cannot_hold_is_told_in_words(run: Run, tmp_path: Path) -> None:
    file = cli.save(tmp_path / "x.npy", random_array("complex128"))
    ran = run("convert", file, "-o", tmp_path / "out.safetensors")
    assert ran.code == cli.USAGE
    cli.check_message(
        ran, "UNSUPPORTED_DTYPE: array 'x': safetensors has no dtype for complex128", ".npz would hold it"
    )
    assert "digest equal" in ran.stdout
    assert not (tmp_path / "out.safetensors").exists()
    np.savez(tmp_path / "x.npz", __metadata__=random_array("int8"))
    ran = run("convert", tmp_path / "x.npz", "-o", tmp_path / "out.safetensors")
    assert ran.code == cli.USAGE
    cli.check_message(ran, "BAD_NAME: name '__metadata__'", ".npz would hold it")


def bits_of(tensor: torch.Tensor) -> bytes:
    return tensor.reshape(-1).view(torch.uint8).numpy().tobytes()


def test_a_model_runs_on_tensors_by_their_names(run: Run, tmp_path: Path) -> None:
    arrays = {"a": random_array("bfloat16"), "b": random_array("int8")}
    ran = run("convert", save(tmp_path / "x.safetensors", arrays), "--model", "identity", "--json")
    assert ran.code == OK
    assert {output["name"]: output["dtype"] for output in ran.json()["outputs"]} == {"a": "bfloat16", "b": "int8"}


@pytest.mark.parametrize("command", ["convert", "inspect"])
def test_a_tensor_without_a_torch_dtype_costs_the_others_nothing(command: str, run: Run, tmp_path: Path) -> None:
    arrays = {"a": random_array("float32"), "b": random_array("int8")}
    ran = run(command, save(tmp_path / "x.safetensors", arrays, small=four_bits()), "--json")
    cli.check_message(ran, "'small'", "UNSUPPORTED_DTYPE", "4 bits")
    if command == "inspect":
        assert ran.code == BAD_FILE
        expected = {name: cli.digest_of(array_layouts.expect(array)) for name, array in arrays.items()}
        assert {entry["name"]: entry["digest"] for entry in ran.json()} == expected
    else:
        assert ran.code == REFUSED
        check_tensors(ran.json()["tensors"], arrays)
        (refused,) = ran.json()["refused"]
        assert (refused["name"], refused["error"]["reason"]) == ("small", "UNSUPPORTED_DTYPE")


def test_a_dtype_may_only_repeat_what_the_file_says(run: Run, tmp_path: Path) -> None:
    file = save(tmp_path / "x.safetensors", {"x": random_array("bfloat16")})
    assert run("convert", file, "--dtype", "bfloat16").code == OK
    ran = run("convert", file, "--dtype", "float16")
    assert ran.code == BAD_FILE
    cli.check_message(ran, "CONFLICTING_FIELDS", "--dtype 'float16' conflicts with the file, which says bfloat16")


@pytest.mark.parametrize("kind", ["Client", "aio.Client"])
def test_the_python_clients_convert_every_tensor(kind: str, server: Server, tmp_path: Path) -> None:
    receipts = convert_file(kind, server.address, save(tmp_path / "x.safetensors", ARRAYS))
    assert receipts.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        array_layouts.check_receipt(receipts[name], array, name)
    with pytest.raises(tensorferry.ArrayError, match="elements of 4 bits") as caught:
        convert_file(kind, server.address, save(tmp_path / "x.safetensors", {}, small=four_bits()))
    assert caught.value.reason == "UNSUPPORTED_DTYPE"


def entry(**changed: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **changed}


def file_of(header: Any, nbytes: int = 4) -> bytes:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    return struct.pack("<Q", len(text)) + text + bytes(nbytes)


# Each case is a file that the package safetensors refuses, too, and what the command says of it.
DAMAGED = {
    "cut": (file_of({"x": entry()})[:30], "the header has too few bytes"),
    "short": (file_of({"x": entry()}, 3), "expected 4, got 3"),
    "long": (file_of({"x": entry()}, 5), "expected 4, got 5"),
    "no-object": (file_of("[1, 2]", 0), "does not begin with {"),
    "not-json": (file_of("{'x': 1}", 0), "not JSON at byte 2"),
    "no-shape": (file_of({"x": {"dtype": "F32", "data_offsets": [0, 4]}}), "has 2 of them"),
    "field-twice": (file_of('{"x":{"dtype":"F32","dtype":"F32"}}', 0), "'dtype' twice"),
    "metadata": (file_of({"__metadata__": {"a": 1}, "x": entry()}), "whose values are to be strings"),
    "negative": (file_of({"x": entry(shape=[-1])}), "a negative number"),
    "fraction": (file_of({"x": entry(shape=[1.0])}), "a fraction"),
    "overflow": (file_of({"x": entry(shape=[2**32, 2**32])}), "larger than 2^63"),
    "hole": (file_of({"x": entry(data_offsets=[4, 8])}, 8), "expected 0, got 4"),
    "overlap": (file_of({"x": entry(), "y": entry(data_offsets=[3, 7])}, 7), "expected 4, got 3"),
    "size": (file_of({"x": entry(shape=[2])}), "expected 8, got 4"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_are_refused_with_the_reason(name: str, run: Run, server: Server, tmp_path: Path) -> None:
    content, message = DAMAGED[name]
    with pytest.raises(safetensors.SafetensorError):
        safetensors.deserialize(content)
    (tmp_path / "x.safetensors").write_bytes(content)
    ran = run("convert", tmp_path / "x.safetensors", "--json")
    assert ran.code == BAD_FILE
    cli.check_message(ran, message)
    assert ran.json()["error"]["metadata"].get("field", "shape") in {"safetensors", "shape"}
    with pytest.raises(tensorferry.ArrayError, match="cannot be read as an array"):
        convert_file("Client", server.address, tmp_path / "x.safetensors")
