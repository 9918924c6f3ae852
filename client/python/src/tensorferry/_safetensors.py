"""The tensors of safetensors files, without the package of that name."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import ml_dtypes  # noqa: F401  Registers bfloat16, float8_… as names that np.dtype knows.
import numpy as np

from tensorferry._elements import Array
from tensorferry._errors import ArrayError, Label, array_error

# The names of safetensors 0.8, and NumPy's or ml_dtypes'.
DTYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32",
    "I32": "int32", "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16", "F32": "float32",
    "F64": "float64", "C64": "complex64", "F8_E4M3": "float8_e4m3fn", "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2": "float8_e5m2", "F8_E5M2FNUZ": "float8_e5m2fnuz", "F8_E8M0": "float8_e8m0fnu",
}  # fmt: skip
SMALL_BITS = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}  # Bits of elements that no tensor has one by one.
MAX_HEADER = 100_000_000  # Bytes; it is the limit of the safetensors package.

_LENGTH = 8  # Bytes of the header's length, before its text.
_FIELDS = {"dtype", "shape", "data_offsets"}


@dataclass(frozen=True)
class Tensor:
    """What a header says of one tensor: its elements are the bytes from `begin` to `end` of the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def looks_like_safetensors(path: Path, begin: bytes) -> bool:
    """Whether it is such a file by its content, which begins with these nine bytes, or else by its name."""
    is_one = begin[_LENGTH:] == b"{" and int.from_bytes(begin[:_LENGTH], "little") <= MAX_HEADER
    return is_one or path.suffix == ".safetensors"


def read_header(opened: IO[bytes], nbytes: int) -> list[Tensor]:
    """Returns the tensors of a file of so many bytes, in the order of their elements.

    Errors: ValueError, which says what breaks a rule of the format.
    """
    length = opened.read(_LENGTH)
    if len(length) < _LENGTH:
        raise ValueError(f"the length of the header has {len(length)} bytes instead of {_LENGTH}")
    announced = int.from_bytes(length, "little")
    if announced > MAX_HEADER:
        raise ValueError(f"a header of {announced} bytes, at most {MAX_HEADER} are taken")
    text = opened.read(announced)
    if len(text) < announced:
        raise ValueError(f"the header has {len(text)} bytes instead of {announced}")
    data = _LENGTH + announced
    tensors = sorted(_tensors(text, data), key=lambda tensor: (tensor.begin, tensor.end))
    _check_layout(tensors, data, nbytes)
    return tensors


def safetensors_arrays(path: Path) -> Iterator[tuple[str, Array | ArrayError]]:
    """Yields name and array of each tensor of the file, which is mapped.

    Errors: OSError for a file that cannot be opened; ValueError as of read_header.
    """
    with path.open("rb") as opened:
        tensors = read_header(opened, path.stat().st_size)
    content = np.memmap(path, np.uint8, "r")
    for tensor in tensors:
        yield tensor.name, _array(content, tensor)


def _array(content: Any, tensor: Tensor) -> Array | ArrayError:
    label = Label(tensor.name)
    if tensor.dtype not in DTYPES:
        is_small = tensor.dtype in SMALL_BITS
        why = (
            f"has elements of {SMALL_BITS[tensor.dtype]} bits"
            if is_small
            else "is not one of safetensors 0.8"
        )
        reason = "UNSUPPORTED_DTYPE" if is_small else "BAD_DTYPE"
        return array_error(label, f"dtype {tensor.dtype!r} {why}", reason, field="dtype", actual=tensor.dtype)
    try:
        elements = np.asarray(content[tensor.begin : tensor.end]).view(DTYPES[tensor.dtype])
        return elements.reshape(tensor.shape)
    except ValueError as error:  # More dimensions than NumPy has.
        return array_error(label, f"the file cannot be read as an array: {error}", "NOT_AN_ARRAY")


def _tensors(text: bytes, data: int) -> Iterator[Tensor]:
    if not text.startswith(b"{"):
        raise ValueError("the header does not begin with {")
    entries = json.loads(text.decode(), object_pairs_hook=_without_repeats)
    for name, entry in entries.items():
        if name == "__metadata__":
            if not (isinstance(entry, dict) and all(isinstance(value, str) for value in entry.values())):
                raise ValueError("__metadata__ is not an object of strings")
            continue
        if not (isinstance(entry, dict) and entry.keys() == _FIELDS):
            raise ValueError(f"tensor {name!r} is not an object with dtype, shape and data_offsets alone")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not (isinstance(dtype, str) and _are_sizes(shape) and _are_sizes(offsets) and len(offsets) == 2):
            raise ValueError(
                f"tensor {name!r}: expected a name, sizes and two offsets, got {dtype}, {shape}, {offsets}"
            )
        yield Tensor(name, dtype, tuple(shape), data + offsets[0], data + offsets[1])


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError("a key of the header comes twice")
    return entries


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(each) is int and 0 <= each < 2**63 for each in value)


def _check_layout(tensors: list[Tensor], data: int, nbytes: int) -> None:
    """Checks that the tensors fill the file from `data` on, each with the bytes of its dtype and shape."""
    place = data
    for tensor in tensors:
        if tensor.begin != place or tensor.end < tensor.begin:
            found = f"[{tensor.begin - data}, {tensor.end - data}]"
            raise ValueError(
                f"tensor {tensor.name!r} has data_offsets {found}, expected a begin of {place - data}"
            )
        bits = _bits(tensor)
        if bits is not None and bits != 8 * (tensor.end - tensor.begin):
            has = f"has {tensor.end - tensor.begin} bytes"
            raise ValueError(
                f"tensor {tensor.name!r} {has}, expected {bits / 8:g} for {tensor.dtype} {tensor.shape}"
            )
        place = tensor.end
    if place != nbytes:
        raise ValueError(f"the elements end at byte {place}, the file at {nbytes}")


def _bits(tensor: Tensor) -> int | None:
    if tensor.dtype in DTYPES:
        return math.prod(tensor.shape) * 8 * np.dtype(DTYPES[tensor.dtype]).itemsize
    return math.prod(tensor.shape) * SMALL_BITS[tensor.dtype] if tensor.dtype in SMALL_BITS else None
