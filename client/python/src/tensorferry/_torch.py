"""Arrays as torch tensors, also those of the dtypes that `torch.from_numpy` does not know."""

from __future__ import annotations

from typing import Any

from tensorferry._elements import Array
from tensorferry._sources import native_view

_NO_NUMPY = {
    "bfloat16",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "complex32",
}


def as_torch(array: Array) -> Any:
    """Returns the torch tensor of the same dtype, shape and bits, over the array's own memory.

    Errors: TypeError for what torch has no dtype for, ValueError for what no tensor can be, such as
        big-endian elements and negative strides, ImportError without torch.
    """
    import torch

    if array.dtype.name not in _NO_NUMPY:
        return torch.from_numpy(array)
    dtype = getattr(torch, array.dtype.name, None)
    if dtype is None:
        raise TypeError(f"torch {torch.__version__} has no dtype {array.dtype.name}")
    array = native_view(array)
    if array.itemsize > 1 and not array.dtype.isnative:
        raise ValueError(f"the array has another byte order, {array.dtype.str}, which no tensor can have")
    return torch.from_numpy(array.view({1: "u1", 2: "i2", 4: "i4"}[array.itemsize])).view(dtype)
