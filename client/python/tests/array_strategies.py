"""Hypothesis strategies for arrays of every dtype, byte order, shape and memory layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
from hypothesis import strategies as st

Array = np.ndarray[Any, np.dtype[Any]]

NUMPY_CODES = "b1 i1 u1 i2 u2 i4 u4 i8 u8 f2 f4 f8 c8 c16"
ML_NAMES = "bfloat16 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz"
NUMPY_DTYPES = [np.dtype(order + code) for order in "<>" for code in NUMPY_CODES.split()]
ML_DTYPES = [np.dtype(getattr(ml_dtypes, name)) for name in ML_NAMES.split()]
LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "C": lambda array: array,
    "F": lambda array: array.T,
    "transposed": lambda array: np.moveaxis(array, 0, -1) if array.ndim else array,
    "every second": lambda array: array[..., ::2] if array.ndim else array,
    "reversed": np.flip,
    "broadcast": lambda array: np.broadcast_to(array[..., None], (*array.shape, 3)),
}


@st.composite
def arrays(draw: st.DrawFn) -> Array:
    """Random bytes, so that NaN payloads, subnormals and bools other than 0 and 1 occur."""
    dtype = draw(st.sampled_from(NUMPY_DTYPES + ML_DTYPES))
    shape = draw(st.lists(st.integers(0, 5), max_size=5))
    nbytes = int(np.prod(shape, dtype=int)) * dtype.itemsize
    seed = draw(st.integers(0, 2**32 - 1))
    elements = np.frombuffer(bytearray(np.random.default_rng(seed).bytes(nbytes)), np.uint8)
    layout = LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))]
    return layout(elements.view(dtype).reshape(shape))


def canonical_bytes(array: Array) -> bytes:
    """What a tensor made of `array` must hold: C order, little-endian, bools 0 or 1. Makes full copies."""
    if array.dtype == np.bool_:
        return bytes(byte != 0 for byte in array.tobytes())
    if array.dtype.byteorder == ">":
        component = array.dtype.itemsize // (2 if array.dtype.kind == "c" else 1)
        return np.frombuffer(array.tobytes(), f">u{component}").astype(f"<u{component}").tobytes()
    return array.tobytes()
