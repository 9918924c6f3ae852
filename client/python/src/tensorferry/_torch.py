"""Arrays as torch tensors, also those of the dtypes that `torch.from_numpy` does not know."""

from __future__ import annotations

from typing import Any

from tensorferry._elements import Array

_NO_NUMPY = {
    "bfloat16",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
}


def as_torch(array: Array) -> Any:
    """Returns the torch tensor of the same dtype, shape and bits, over the array's own memory.

    Errors: TypeError for what torch has no dtype for, ImportError without torch.
    """
    import torch

    if array.dtype.name not in _NO_NUMPY:
        return torch.from_numpy(array)
    dtype = getattr(torch, array.dtype.name, None)
    if dtype is None:
        raise TypeError(f"torch {torch.__version__} has no dtype {array.dtype.name}")
    return torch.from_numpy(array.view("u1" if array.itemsize == 1 else "i2")).view(dtype)
