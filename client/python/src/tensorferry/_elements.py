"""The bytes of an array's elements, in blocks: the one place that knows memory layouts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_MAX_SMALL_NBYTES = 4096


def element_blocks(array: Array, dtype: np.dtype[Any], limit: int) -> Iterator[memoryview]:
    """Yields the elements in C order, in the byte order of `dtype`, as blocks of at most `limit` bytes.

    A block borrows the array's memory where its layout allows, else it is a copy, of one element at least;
    the array is never copied as a whole. `dtype` may differ from the array's own in byte order only.
    """
    if array.nbytes == 0:
        return
    if array.flags.c_contiguous and array.dtype == dtype:
        flat = array.reshape(-1).view(np.uint8).data
        for start in range(0, flat.nbytes, limit):
            yield flat[start : start + limit]
    else:
        for part in _parts(array, limit):
            yield np.array(part, dtype=dtype, order="C").reshape(-1).view(np.uint8).data


def whole_elements(array: Array, dtype: np.dtype[Any]) -> bytes | memoryview:
    """Returns all elements in C order, in the byte order of `dtype`; they may borrow the array's memory.

    Small arrays are copied, which costs less than to ask for their memory.
    """
    if array.nbytes == 0:
        return b""
    if array.dtype == dtype:
        if array.nbytes <= _MAX_SMALL_NBYTES or not array.flags.c_contiguous:
            return array.tobytes()
        return array.reshape(-1).view(np.uint8).data
    return np.array(array, dtype=dtype, order="C").tobytes()


def _parts(array: Array, limit: int) -> Iterator[Array]:
    """Cuts an array into views of at most `limit` bytes that follow each other in C order."""
    if array.nbytes <= limit or array.ndim == 0:
        yield array
        return
    row_nbytes = array.nbytes // len(array)
    if row_nbytes > limit and array.ndim > 1:
        for row in array:
            yield from _parts(row, limit)
    else:
        step = max(1, limit // row_nbytes)
        for start in range(0, len(array), step):
            yield array[start : start + step]
