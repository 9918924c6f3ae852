"""What is to come of an array: what torch.from_numpy makes of it, or a refusal where that refuses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import xxhash


@dataclass(frozen=True)
class Tensor:
    """The tensor that an array becomes."""

    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # In elements.
    digest: str  # XXH3-128 of the elements in C order, little-endian, in hexadecimal.


@dataclass(frozen=True)
class Refused:
    reason: str


Answer = Tensor | Refused | None  # None: it was passed over.


@dataclass(frozen=True)
class Verdict:
    """What an answer has to be."""

    kind: str  # For the table: "converted", or the reason and the kind of array.
    answer: Tensor | Refused

    def allows(self, answer: Answer) -> bool:
        return answer == self.answer


def tensor_of(array: np.ndarray) -> Tensor:
    """What torch makes of the array in native byte order. Errors: TypeError, as torch.from_numpy raises it."""
    tensor = torch.from_numpy(array.astype(array.dtype.newbyteorder("="), order="K", copy=False))
    elements = tensor.contiguous().reshape(-1).view(torch.uint8).numpy() if tensor.numel() else b""
    # The strides are the array's own: a copy may have others where dimensions are 1. Arrays without elements have
    # those of their shape with each 0 counted as 1.
    strides = [stride // array.itemsize for stride in array.strides]
    if array.size == 0:
        strides = [int(np.prod([max(dim, 1) for dim in array.shape[axis + 1 :]])) for axis in range(array.ndim)]
    return Tensor(
        dtype=str(tensor.dtype).removeprefix("torch."),
        shape=tuple(tensor.shape),
        strides=tuple(strides),
        digest=xxhash.xxh3_128(elements).hexdigest(),
    )


def expected_of(load: Callable[[], np.ndarray]) -> tuple[Verdict, np.ndarray | None]:
    """The verdict on what `load` reads with NumPy, and the array, if there is one."""
    try:
        array = load()
    except ValueError as error:  # NumPy reads no objects without their pickles being allowed.
        if "allow_pickle" not in str(error):
            raise
        return Verdict("OBJECT_DTYPE (objects)", Refused("OBJECT_DTYPE")), None
    try:
        return Verdict("converted", tensor_of(array)), array
    except TypeError:
        kinds = {"S": "bytes", "U": "strings", "V": "structs", "M": "dates", "m": "times", "f": "longdouble"}
        return Verdict(f"UNSUPPORTED_DTYPE ({kinds[array.dtype.kind]})", Refused("UNSUPPORTED_DTYPE")), array
