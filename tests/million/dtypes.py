"""The 21 dtypes: their spellings on the wire, and what NumPy, ml_dtypes and torch know of them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np
import torch

import oracle

OIP_NAMES = {"float16": "FP16", "float32": "FP32", "float64": "FP64", "bfloat16": "BF16"}
TYPE_CODES = {"float8_e5m2": "f1", "complex32": "c4"}  # Spellings of ml_dtypes that NumPy's own parser lacks.


@dataclass(frozen=True)
class DType:
    name: str
    itemsize: int  # Bytes.
    swap_width: int  # Bytes that a change of the byte order reverses together: half of a complex number.
    in_from_numpy: bool
    carrier: np.dtype  # What torch.from_numpy takes in its place: itself, or the unsigned integer of its size.
    torch: torch.dtype
    code: str  # Kind and itemsize of its type string; empty where there is none.
    oip: str

    def is_big(self, order: str) -> bool:
        """Whether elements under this order character are to be swapped."""
        return order == ">" and self.swap_width > 1

    def spell(self, rng: Random) -> tuple[str, bool]:
        """A spelling for the field `dtype`, and whether elements are big-endian under it."""
        if not self.code or rng.random() < 0.25:
            return self.name, False
        order = rng.choice("<><>=|_").replace("_", "")
        return order + self.code, self.is_big(order)

    def swap(self, data: bytes) -> bytes:
        """The elements in the other byte order: as NumPy swaps its own dtypes, others by hand."""
        if self.in_from_numpy:
            return np.frombuffer(data, self.carrier).byteswap().tobytes()
        return np.frombuffer(data, f"u{self.swap_width}").byteswap().tobytes()


@dataclass(frozen=True)
class Descr:
    """How a `.npy` file, and the field `dtype` beside it, say what the elements are."""

    text: str
    named: str  # For the field `dtype`; may be empty.
    big: bool
    source: str  # What the receipt quotes.


def _dtype(name: str) -> DType:
    numpy = oracle.numpy_dtype(name)
    taken = name in oracle.FROM_NUMPY
    carrier = numpy if taken else np.dtype(f"u{numpy.itemsize}")
    is_complex = name.startswith("complex")
    return DType(
        name=numpy.name,
        itemsize=numpy.itemsize,
        swap_width=numpy.itemsize // 2 if is_complex else numpy.itemsize,
        in_from_numpy=taken,
        carrier=carrier,
        torch=getattr(torch, name),
        code=numpy.str[1:] if taken else TYPE_CODES.get(name, ""),
        oip=OIP_NAMES.get(name, name.upper()),
    )


DTYPES = [_dtype(name) for name in oracle.ALL]
BY_NAME = {dtype.name: dtype for dtype in DTYPES}


def descr_of(rng: Random, dtype: DType) -> Descr:
    """A descr with which NumPy, or ml_dtypes, saves this dtype, with the name beside it where it is needed."""
    order = "|" if dtype.swap_width == 1 else rng.choice("<>")
    big = dtype.is_big(order)
    if dtype.in_from_numpy:
        text = order + dtype.code
        return Descr(text, dtype.name if rng.random() < 0.1 else "", big, text)
    if dtype.code and rng.random() < 0.3:
        return Descr(order + dtype.code, "", big, order + dtype.code)
    if rng.random() < 0.1:
        return Descr(dtype.name, "", False, dtype.name)
    kind = "W" if dtype.name == "complex32" and rng.random() < 0.5 else "V"
    return Descr(f"{order}{kind}{dtype.itemsize}", dtype.name, big, dtype.name)


def _refusal_of_from_numpy(dtype: DType, big: bool) -> str:
    array = np.zeros(1, oracle.numpy_dtype(dtype.name).newbyteorder(">" if big else "<"))
    try:
        torch.from_numpy(array)
    except (TypeError, ValueError):
        return "BYTE_ORDER" if big else "UNSUPPORTED_DTYPE"
    return ""


# The reasons for which STRICT refuses a dtype, by what torch.from_numpy says of it; the byte order comes first.
STRICT_REFUSALS = {(dtype.name, big): _refusal_of_from_numpy(dtype, big) for dtype in DTYPES for big in ([False, True])}
