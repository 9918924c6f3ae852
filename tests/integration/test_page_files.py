"""What the page's modules read from files is what NumPy, ml_dtypes and safetensors have written to them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
import safetensors.numpy
import xxhash

from harness import REPO_ROOT, TIMEOUT_S

MODULES = REPO_ROOT / "server/page"
PROGRAM = Path(__file__).parent / "page/read.mjs"

DTYPES = ["?", "i1", "<i2", ">i2", "<i4", ">i4", "<i8", ">i8", "u1", "<u2", ">u2", "<u4", "<u8", ">u8"]
DTYPES += ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "<c8", ">c8", "<c16", ">c16"]
# What numpy.save writes as bytes without a meaning; a .npy may also name them, as tensorferry's clients do.
NAMED = ["bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"]
SHAPES: list[tuple[int, ...]] = [(), (0,), (7,), (3, 4), (2, 3, 5), (2, 0, 3)]


def read(*files: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["node", str(PROGRAM), str(MODULES), *map(str, files)],
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def random_array(dtype: npt.DTypeLike, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Random bits, NaN and subnormals among them."""
    dtype = np.dtype(dtype)
    data = os.urandom(int(np.prod(shape)) * dtype.itemsize)
    if dtype == np.bool_:
        data = bytes(byte & 1 for byte in data)
    return np.frombuffer(data, dtype).reshape(shape)


def digest(array: np.ndarray[Any, Any]) -> str:
    """The digest of the elements in C order and little-endian."""
    return xxhash.xxh3_128(array.astype(array.dtype.newbyteorder("<")).tobytes("C")).hexdigest()


def npy_header(descr: object, shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


def same_numbers(texts: list[str], array: np.ndarray[Any, Any]) -> bool:
    """Whether each text reads as the element, in the array's own dtype."""
    elements = array.reshape(-1)[: len(texts)]
    if array.dtype == np.bool_:
        return texts == [str(bool(element)) for element in elements]
    if array.dtype.kind in "iu":
        return texts == [str(int(element)) for element in elements]
    kind = complex if array.dtype.kind == "c" else float
    with np.errstate(over="ignore"):
        back = np.array([kind(text) for text in texts]).astype(array.dtype)
    with np.errstate(invalid="ignore"):  # A NaN is looked for.
        return bool(np.all((back == elements) | ((back != back) & (elements != elements))))


def test_every_dtype_shape_and_order_of_npy(tmp_path: Path) -> None:
    arrays = {}
    for dtype in DTYPES:
        for shape in SHAPES:
            for order in ("C", "F"):
                path = tmp_path / f"{len(arrays)}.npy"
                arrays[path] = np.asarray(random_array(dtype, shape), order=order)
                np.save(path, arrays[path])
    for (path, array), answer in zip(arrays.items(), read(*arrays), strict=True):
        (found,) = answer["arrays"]
        assert (found["dtype"], tuple(found["shape"])) == (array.dtype.name, array.shape)
        assert (found["name"], found["source"]) == (path.stem, array.dtype.str)
        assert found["digest"] == digest(array), array.dtype
        assert same_numbers(found["texts"], array), (array.dtype, found["texts"])


@pytest.mark.parametrize("name", NAMED)
def test_dtypes_that_numpy_lacks(name: str, tmp_path: Path) -> None:
    dtype = np.dtype(getattr(ml_dtypes, name))
    every_bit_pattern = np.arange(256**dtype.itemsize, dtype=f"u{dtype.itemsize}").view(dtype)
    some = every_bit_pattern[:: max(1, every_bit_pattern.size // 256)][:300]
    named, saved = tmp_path / "named.npy", tmp_path / "saved.npy"
    named.write_bytes(npy_header(name, some.shape) + some.tobytes())
    np.save(saved, some)
    by_name, by_numpy = (answer["arrays"][0] for answer in read(named, saved))
    assert (by_name["dtype"], by_name["digest"]) == (name, digest(some))
    assert same_numbers(by_name["texts"], some), by_name["texts"]
    meant = "float8_e5m2" if some.dtype.str == "<f1" else None  # Others are void, which may be several types.
    assert (by_numpy["dtype"], by_numpy["itemsize"]) == (meant, dtype.itemsize)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_members_of_npz(save: Any, tmp_path: Path) -> None:
    arrays = {f"layer.{n}/w": random_array(dtype, (2, n)) for n, dtype in enumerate(DTYPES)}
    save(tmp_path / "w.npz", **arrays)
    (answer,) = read(tmp_path / "w.npz")
    assert {found["name"]: found["digest"] for found in answer["arrays"]} == {
        name: digest(array) for name, array in arrays.items()
    }
    assert [found["dtype"] for found in answer["arrays"]] == [array.dtype.name for array in arrays.values()]


def test_tensors_of_safetensors(tmp_path: Path) -> None:
    plain = [dtype for dtype in DTYPES if not dtype.startswith(">") and "c16" not in dtype]
    extra = ["bfloat16", "float8_e4m3fn", "float8_e5m2"]
    arrays = {f"w.{dtype}": random_array(dtype, (3, 5)) for dtype in plain}
    arrays |= {f"w.{name}": random_array(getattr(ml_dtypes, name), (4, 2)) for name in extra}
    safetensors.numpy.save_file(arrays, tmp_path / "w.safetensors", {"format": "np"})
    (answer,) = read(tmp_path / "w.safetensors")
    assert {found["name"]: (found["dtype"], tuple(found["shape"]), found["digest"]) for found in answer["arrays"]} == {
        name: (array.dtype.name, array.shape, digest(array)) for name, array in arrays.items()
    }


def test_a_member_that_is_no_array_costs_the_others_nothing(tmp_path: Path) -> None:
    good = np.arange(6, dtype=">i2")
    np.savez(tmp_path / "w.npz", a=np.array([{}], object), b=good, c=np.array(["text"]))
    with zipfile.ZipFile(tmp_path / "w.npz", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("d.npy", npy_header("<f4", (2, 3)) + bytes(23))
    header = {
        "a": {"dtype": "F4", "shape": [2], "data_offsets": [0, 1]},
        "b": {"dtype": "U8", "shape": [2], "data_offsets": [1, 3]},
    }
    text = json.dumps(header).encode()
    (tmp_path / "w.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"abc")
    npz, tensors = read(tmp_path / "w.npz", tmp_path / "w.safetensors")
    assert [(found["name"], found["dtype"]) for found in npz["arrays"]] == [("b", "int16")]
    assert npz["arrays"][0]["digest"] == digest(good)
    assert npz["notes"] == [
        "Left out: 'a': an array of Python objects is no tensor",
        "Left out: 'c': <U4 is no dtype of a tensor",
        "Left out: 'd': <f4 with shape (2, 3) needs 24 bytes, the file has 23",
    ]
    assert [(found["name"], found["texts"]) for found in tensors["arrays"]] == [("b", ["98", "99"])]
    assert tensors["notes"] == ["Left out: 'a': F4 is no dtype of a tensor here"]


def cut_archive() -> bytes:
    file = io.BytesIO()
    np.savez(file, x=np.arange(100))
    return file.getvalue()[:-30]


def changed_archive(save: Any, place: bytes, offset: int) -> bytes:
    """An archive whose member and checksum contradict each other: one bit is flipped, behind the last `place`."""
    file = io.BytesIO()
    save(file, x=np.arange(100, dtype=np.uint8))
    changed = bytearray(file.getvalue())
    changed[changed.rindex(place) + offset] ^= 1
    return bytes(changed)


BROKEN = {
    "nothing.npy": (b"", "is empty"),
    "changed.npz": (changed_archive(np.savez, bytes(range(100)), 50), "its checksum differs"),
    "changed_deflated.npz": (changed_archive(np.savez_compressed, b"PK\1\2", 16), "its checksum differs"),
    "cut.npy": (npy_header("<f4", (2, 3)) + bytes(23), "needs 24 bytes, the file has 23"),
    "long.npy": (npy_header("<f4", (2, 3)) + bytes(25), "needs 24 bytes, the file has 25"),
    "object.npy": (npy_header("|O", (1,)) + bytes(8), "Python objects"),
    "structured.npy": (npy_header([("a", "<i4"), ("b", "<f4")], (1,)) + bytes(8), "structured arrays"),
    "text.npy": (npy_header("<U3", (1,)) + bytes(12), "<U3 is no dtype of a tensor"),
    "evaluated.npy": (npy_header("<f4", (1,)).replace(b"(1,)", b"f(1)") + bytes(4), "makes no sense"),
    "version.npy": (b"\x93NUMPY\x09\x00\x10\x00" + bytes(16), "version 9.0"),
    "header.npy": (b"\x93NUMPY\x01\x00\xff\x00", "ends within its header"),
    "cut.npz": (cut_archive(), "has no end"),
    "text.txt": (b"neither an array nor an image", "none of .npy"),
    "beyond.safetensors": (
        (67).to_bytes(8, "little") + b'{"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}      ' + bytes(4),
        "beyond the end of the file",
    ),
}


def test_broken_files_are_told(tmp_path: Path) -> None:
    for name, (data, _) in BROKEN.items():
        (tmp_path / name).write_bytes(data)
    for answer, (_, message) in zip(read(*(tmp_path / name for name in BROKEN)), BROKEN.values(), strict=True):
        assert answer["error"] == "FormatError", answer
        assert message in answer["message"]


def test_digests_of_every_length(tmp_path: Path) -> None:
    """XXH3 has a way of its own for each range of lengths: 0, 3, 8, 16, 128, 240 bytes, and blocks of 1024."""
    lengths = [*range(300), 511, 512, 513, 1023, 1024, 1025, 1088, 2048, 2049, 100_001]
    arrays = {tmp_path / f"{length}.npy": random_array("u1", (length,)) for length in lengths}
    for path, array in arrays.items():
        np.save(path, array)
    answers = read(*arrays)
    assert [answer["arrays"][0]["digest"] for answer in answers] == [digest(array) for array in arrays.values()]
