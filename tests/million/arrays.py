"""Random arrays as they travel, and the tensors that NumPy and torch make of them."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from random import Random

import numpy as np
import torch

from dtypes import DTYPES, STRICT_REFUSALS, Descr, DType
from oracle import Expected
from tensorferry.v1 import tensor_service_pb2 as pb

SMALL, LARGE, HUGE = 1 << 10, 1 << 16, 3 << 20  # Bytes of one array, about.
SIZES = [SMALL] * 60 + [LARGE]

# The most significant bytes of infinities, NaNs (quiet and signalling), zeros, ones and subnormals of several formats.
PATTERNS = list(map(bytes.fromhex, [
    "0000", "8000", "0001", "8001", "7f80", "ff80", "7ff0", "fff0", "7c00", "fc00", "7fc0", "7f81", "7ff4", "7d00",
    "7fff", "ffff", "3f80", "3ff0", "3c00", "0080", "0008", "7f7f",
]))  # fmt: skip


@dataclass(frozen=True)
class Sent:
    """One array in the byte order and layout in which it travels."""

    name: str
    dtype: DType
    big: bool
    source: str  # The spelling that the receipt quotes.
    shape: tuple[int, ...]
    fortran: bool
    data: bytes

    def strict_refusal(self) -> str:
        """The reason for which STRICT refuses it; empty if it is taken."""
        refused = STRICT_REFUSALS[self.dtype.name, self.big]
        not_bool = self.dtype.name == "bool" and max(self.data, default=0) > 1
        return refused or ("BOOL_RANGE" if not_bool else "")


def random_shape(rng: Random, most: int) -> tuple[int, ...]:
    """At most `most` elements, in 0 to 8 dimensions; now and then in up to 64, or none beside a huge dimension."""
    ndim = rng.choice([0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 7, 8])
    draw = rng.random()
    if draw < 0.005:
        return (0, 1 << rng.randrange(30, 50))[:: rng.choice([1, -1])]
    shape: list[int] = []
    numel = 1
    for _ in range(ndim):
        kind = rng.random()
        longest = max(1, most // numel)
        dim = 0 if kind < 0.03 else 1 if kind < 0.2 else rng.randint(1, min(longest, 7 if ndim > 1 else longest))
        numel *= max(dim, 1)
        shape.append(dim)
    if most > SMALL and shape:
        shape[rng.randrange(len(shape))] *= max(1, most // numel)
    ones = rng.randint(0, 64 - len(shape)) if draw > 0.99 else 0
    return (*shape, *[1] * ones)


def random_elements(rng: Random, dtype: DType, numel: int) -> bytes:
    """Any bits, or special values; of bools often those of 0 and 1 alone."""
    nbytes = numel * dtype.itemsize
    if dtype.name == "bool" and rng.random() < 0.6:
        return bytes(rng.getrandbits(1) for _ in range(numel)) if numel < SMALL else bytes(nbytes)
    if rng.random() < 0.65 or dtype.itemsize == 1 or numel > SMALL:
        return rng.randbytes(nbytes)
    width, rest = dtype.swap_width, rng.choice([b"\0", b"\1", b"\xff"])
    words = [(rng.choice(PATTERNS) + rest * width)[:width] for _ in range(nbytes // width)]
    return b"".join(word[:: rng.choice([1, -1])] for word in words)


def random_array(
    rng: Random, name: str, *, dtype: DType | None = None, descr: Descr | None = None, most: int = 0
) -> Sent:
    """An array under a random spelling of its dtype, or under `descr`, of `most` bytes, about, or often less."""
    dtype = dtype or rng.choice(DTYPES)
    text, big = (descr.source, descr.big) if descr else dtype.spell(rng)
    shape = random_shape(rng, (most or rng.choice(SIZES)) // dtype.itemsize)
    data = random_elements(rng, dtype, math.prod(shape))
    return Sent(name, dtype, big, text, shape, rng.random() < 0.35, data)


def expect(sent: Sent) -> Expected:
    """What CONVERT makes of it, by NumPy and torch."""
    dtype, data = sent.dtype, sent.data
    adjustments = []
    if sent.big:
        data = dtype.swap(data)
        adjustments.append(pb.ADJUSTMENT_BYTE_ORDER_SWAPPED)
    if dtype.name == "bool" and max(data, default=0) > 1:
        data = (np.frombuffer(data, np.uint8) != 0).tobytes()
        adjustments.append(pb.ADJUSTMENT_BOOL_NORMALIZED)
    native = np.ndarray(sent.shape, dtype.carrier, bytearray(data), order="F" if sent.fortran else "C")
    tensor = torch.from_numpy(native)
    if not dtype.in_from_numpy:
        tensor = tensor.view(dtype.torch)
    return Expected(
        source_dtype=sent.source,
        numpy_dtype=dtype.name,
        torch_dtype=str(tensor.dtype).removeprefix("torch."),
        shape=tuple(tensor.shape),
        strides=tensor.stride(),
        itemsize=tensor.element_size(),
        data=native.tobytes(),
        adjustments=tuple(adjustments),
    )


def npy_file(rng: Random, sent: Sent, descr: str) -> bytes:
    """The file, with a header that NumPy writes in one of its three versions."""
    file = io.BytesIO()
    header = {"descr": descr, "fortran_order": sent.fortran, "shape": sent.shape}
    version = rng.choice([1, 1, 1, 2, 3])
    if version == 1:
        np.lib.format.write_array_header_1_0(file, header)
        return file.getvalue() + sent.data
    np.lib.format.write_array_header_2_0(file, header)
    text = file.getvalue()
    return text[:6] + bytes([version]) + text[7:] + sent.data  # 3.0 differs in the encoding of its ASCII text alone.


def random_name(rng: Random, index: int) -> str:
    """A name that is not empty, and that no other index has."""
    kind = rng.random()
    if kind < 0.7:
        return f"x{index}"
    if kind < 0.9:
        return f"{index} " + "".join(rng.choice("aä→\u00a0𝛼 /.'\"\\") for _ in range(rng.randint(1, 20)))
    return f"{index}".ljust(256, "n")
