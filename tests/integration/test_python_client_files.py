"""Files of arrays, and outputs as torch tensors, through both Python clients."""

from __future__ import annotations

import asyncio
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
import xxhash

import oracle
import tensorferry
from array_layouts import check_receipt, random_array
from harness import MIB, TIMEOUT_S, Server
from npy_files import file_with_header, saved

each_kind = pytest.mark.parametrize("kind", ["Client", "aio.Client"])
FLOATS = np.arange(6, dtype=np.float32).reshape(2, 3)


def convert_file(kind: str, address: str, path: Any, **settings: Any) -> dict[str, Any]:
    if kind == "Client":
        with tensorferry.Client(address, timeout=TIMEOUT_S) as client:
            return client.convert_file(path, **settings)

    async def main() -> dict[str, tensorferry.Receipt]:
        async with tensorferry.aio.Client(address, timeout=TIMEOUT_S) as client:
            return await client.convert_file(path, **settings)

    return asyncio.run(main())


@each_kind
def test_every_member_of_an_archive(kind: str, server: Server, tmp_path: Path) -> None:
    arrays = {name: random_array(name) for name in oracle.ALL if name not in oracle.BY_NAME}
    arrays |= {"fortran": np.asfortranarray(FLOATS), "big": FLOATS.astype(">f4"), "empty": np.zeros((0, 3))}
    arrays["large"] = random_array("float64", (MIB,))
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "x.npz", **arrays)
        receipts = convert_file(kind, server.address, tmp_path / "x.npz", return_data=True)
        assert list(receipts) == list(arrays)
        for name, array in arrays.items():
            check_receipt(receipts[name], array, name)


@pytest.mark.parametrize("array", [FLOATS, np.zeros((0, 3)), np.float64(3), FLOATS.T], ids=str)
@each_kind
def test_a_single_array(kind: str, array: Any, server: Server, tmp_path: Path) -> None:
    np.save(tmp_path / "weights.npy", array)
    ((name, receipt),) = convert_file(kind, server.address, str(tmp_path / "weights.npy"), return_data=True).items()
    assert name == "weights"
    check_receipt(receipt, np.asarray(array), "weights")


@each_kind
def test_the_dtype_of_void_elements_is_for_them_alone(kind: str, server: Server, tmp_path: Path) -> None:
    half = FLOATS.astype(ml_dtypes.bfloat16)
    np.savez(tmp_path / "x.npz", half=half, whole=FLOATS)
    receipts = convert_file(kind, server.address, tmp_path / "x.npz", dtype="bfloat16")
    check_receipt(receipts["half"], half, "half")
    check_receipt(receipts["whole"], FLOATS, "whole")


# Descrs of voids that say which byte order their elements have, and whose elements they are.
NAMED = [
    (order + kind, name)
    for order in "<>"
    for kind, name in [("V2", "bfloat16"), ("V4", "complex32"), ("V1", "float8_e4m3fn")]
]


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("descr", "name"), NAMED)
@each_kind
def test_void_elements_have_the_byte_order_of_the_file(
    kind: str, descr: str, name: str, order: str, suffix: str, server: Server, tmp_path: Path
) -> None:
    """The bytes are swapped by hand, pair by pair: complex32 has two halves of two bytes. numpy.load does not tell."""
    itemsize = int(descr[2:])
    part = min(itemsize, 2)
    right = np.frombuffer(oracle.random_bytes(name, 6), np.uint8).reshape(2, 3, itemsize // part, part)
    in_file = right.transpose(1, 0, 2, 3) if order == "F" else right
    is_swapped = descr[0] == ">" and itemsize > 1
    data = np.ascontiguousarray(in_file[..., ::-1] if is_swapped else in_file).tobytes()
    npy = file_with_header(f"{{'descr': '{descr}', 'fortran_order': {order == 'F'}, 'shape': (2, 3)}}", data)
    file = tmp_path / f"x.{suffix}"
    if suffix == "npy":
        file.write_bytes(npy)
    else:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("x.npy", npy)
    receipt = convert_file(kind, server.address, file, dtype=name, return_data=True)["x"]
    assert (receipt.dtype, receipt.source_dtype) == (name, name)
    assert receipt.adjustments == (("BYTE_ORDER_SWAPPED",) if is_swapped else ())
    assert receipt.data is not None and receipt.data.tobytes() == right.tobytes()
    assert receipt.digest == xxhash.xxh3_128_digest(right.tobytes())
    assert receipt.digest_equal
    with pytest.raises(tensorferry.RefusedError) as caught:
        convert_file(kind, server.address, file, dtype=name, strict=True)
    assert caught.value.reason == ("BYTE_ORDER" if is_swapped else "UNSUPPORTED_DTYPE")


@each_kind
def test_no_array_of_a_file_hides_behind_another(kind: str, server: Server, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "names.npz", "w") as archive:
        archive.writestr("x", saved(FLOATS))
        archive.writestr("x.npy", saved(FLOATS + 1))
    with zipfile.ZipFile(tmp_path / "member.npz", "w") as archive:
        archive.writestr("x.npy", saved(FLOATS) * 2)
    (tmp_path / "file.npy").write_bytes(saved(FLOATS) * 2)
    (tmp_path / "empty.npy").write_bytes(saved(np.zeros(0)) + saved(FLOATS))
    reasons = {"names.npz": "NOT_AN_ARRAY", "member.npz": "TRAILING_BYTES"}
    for name in ("names.npz", "member.npz", "file.npy", "empty.npy"):
        with pytest.raises(tensorferry.ArrayError) as caught:
            convert_file(kind, server.address, tmp_path / name)
        assert caught.value.reason == reasons.get(name, "TRAILING_BYTES")


@each_kind
def test_what_one_array_cannot_do_costs_the_others_nothing(kind: str, server: Server, tmp_path: Path) -> None:
    bad = {"text": np.array(["csr"]), "objects": np.array([{}], object), "struct": np.zeros(2, [("a", "<f4")])}
    np.savez(tmp_path / "x.npz", first=FLOATS, **bad, last=FLOATS.T)
    with zipfile.ZipFile(tmp_path / "x.npz", "a") as archive:
        archive.writestr("notes.txt", "no array")
        archive.writestr("first", saved(FLOATS + 1))
    outcomes = convert_file(kind, server.address, tmp_path / "x.npz", on_error="return")
    assert list(outcomes) == ["first", *bad, "last", "notes.txt", "first (2)"]
    check_receipt(outcomes["first"], FLOATS, "first")
    check_receipt(outcomes["last"], FLOATS.T, "last")
    reasons = {name: error.reason for name, error in outcomes.items() if isinstance(error, tensorferry.RefusedError)}
    assert reasons == {
        "text": "UNSUPPORTED_DTYPE",
        "objects": "NOT_AN_ARRAY",
        "struct": "UNSUPPORTED_DTYPE",
        "notes.txt": "NOT_AN_ARRAY",
        "first (2)": "NOT_AN_ARRAY",
    }


# Each file is none, and the error says why.
NO_FILES = {
    "pickled.npy": "it holds Python objects, and nothing is ever unpickled",
    "pickled.npz": "it holds Python objects, and nothing is ever unpickled",
    "short.npy": "",  # In NumPy's words.
    "long-header.npy": "its header has 20000 bytes, at most 10000 are taken",
    "text.npy": "it is neither a .npy, a .npz nor a safetensors file",
    "nothing.npy": "it is neither a .npy, a .npz nor a safetensors file",
    "archive.npz": "",
    "other.npz": "it has no header of an array",
}


def files_that_are_none(folder: Path) -> dict[str, Path]:
    np.save(folder / "pickled.npy", np.array([{}], object), allow_pickle=True)
    np.savez(folder / "pickled.npz", x=np.array([{}], object))
    np.save(folder / "short.npy", FLOATS)
    (folder / "short.npy").write_bytes((folder / "short.npy").read_bytes()[:-1])
    (folder / "long-header.npy").write_bytes(b"\x93NUMPY\2\0" + (20_000).to_bytes(4, "little") + b" " * 20_000)
    (folder / "text.npy").write_text("1 2 3")
    (folder / "nothing.npy").write_bytes(b"")
    (folder / "archive.npz").write_bytes(b"PK\x03\x04 and no more")
    with zipfile.ZipFile(folder / "other.npz", "w") as archive:
        archive.writestr("x.npy", "no array")
    return {path.name: path for path in folder.iterdir()}


@each_kind
def test_files_that_cannot_be_read_as_arrays(kind: str, server: Server, tmp_path: Path) -> None:
    files = files_that_are_none(tmp_path)
    assert files.keys() == NO_FILES.keys()
    for name, path in files.items():
        with pytest.raises(tensorferry.ArrayError, match="cannot be read as an array: ") as caught:
            convert_file(kind, server.address, path)
        assert caught.value.reason == "NOT_AN_ARRAY", name
        assert caught.value.message.endswith(NO_FILES[name])
        assert "allow_pickle" not in caught.value.message
    np.savez(tmp_path / "empty.npz")
    assert convert_file(kind, server.address, tmp_path / "empty.npz") == {}
    with pytest.raises(FileNotFoundError):
        convert_file(kind, server.address, tmp_path / "none.npy")


@pytest.mark.parametrize("dtype", oracle.ALL)
def test_outputs_as_torch_tensors(dtype: str, server: Server) -> None:
    array = random_array(dtype)
    with tensorferry.Client(server.address, timeout=TIMEOUT_S) as client:
        outputs = client.infer("identity", {"x": array, "scalar": array.reshape(-1)[0]})
    tensors = outputs.as_torch()
    assert list(tensors) == list(outputs)
    for name, tensor in tensors.items():
        assert (tensor.dtype, tuple(tensor.shape)) == (getattr(torch, dtype), outputs[name].shape)
        assert tensor.reshape(-1).view(torch.uint8).numpy().tobytes() == outputs[name].tobytes()
        assert tensor.data_ptr() == outputs[name].ctypes.data


@pytest.mark.parametrize("dtype", oracle.ALL)
def test_big_endian_elements_are_no_tensor(dtype: str) -> None:
    """As for `torch.from_numpy`; elements of one byte have no order."""
    array = random_array(dtype).copy()
    big = array.view(array.dtype.newbyteorder(">"))
    if array.itemsize == 1:
        assert tensorferry.as_torch(big).reshape(-1).view(torch.uint8).numpy().tobytes() == array.tobytes()
    else:
        with pytest.raises(ValueError, match="byte order"):
            tensorferry.as_torch(big)


def test_what_torch_has_no_dtype_for() -> None:
    for array in (np.zeros(2, "M8[s]"), np.zeros(2, ml_dtypes.int4)):
        with pytest.raises(TypeError):
            tensorferry.as_torch(array)
