"""Chunks and digests that the compiled core makes are those of NumPy and xxhash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import xxhash

from tensorferry._arrays import WireArray

pytest.importorskip("tensorferry._core")

from tensorferry._compiled import native_chunks

DTYPES: list[Any] = [
    *("?", "i1", "<i2", ">i2", "<f4", ">f4", "<f8", ">f8", "<c8", ">c8", "<c16", ">c16", "V3"),
    ml_dtypes.bfloat16,
    ml_dtypes.float8_e5m2,
    np.dtype(ml_dtypes.bfloat16).newbyteorder(">"),
]
LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "c": lambda array: array,
    "fortran": np.asfortranarray,
    "every other": lambda array: array[::2, :, ::3],
    "backwards": lambda array: array[::-1, ::-1, ::-1],
    "permuted": lambda array: array.transpose(1, 2, 0),
    "broadcast": lambda array: np.broadcast_to(array[:, :1], array.shape),
    "a scalar": lambda array: array[1, 2, 3:4].reshape(()),
    "a row": lambda array: array[1, :, 2],
    "read-only": lambda array: np.frombuffer(array.tobytes(), array.dtype),
}


@pytest.mark.parametrize("limit", [1, 100, 4096])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_elements_and_digest(dtype: Any, layout: str, limit: int) -> None:
    dtype = np.dtype(dtype)
    shape = (5, 6, 7)
    data = np.random.default_rng(1).integers(0, 256, 5 * 6 * 7 * dtype.itemsize, np.uint8)
    array = LAYOUTS[layout](data.view(dtype).reshape(shape))
    pure, native = WireArray(array), WireArray(array)
    chunks = list(native.native_chunks(limit, native_chunks))
    assert b"".join(chunks) == b"".join(pure.chunks(limit))
    assert max(map(len, chunks)) <= max(limit, dtype.itemsize)
    canonical = np.ascontiguousarray(array).astype(dtype.newbyteorder("<"))
    if dtype == np.bool_:
        canonical = (canonical.view(np.uint8) != 0).astype(np.uint8)
    assert native.digest == xxhash.xxh3_128(canonical.tobytes()).digest()


def test_a_digest_of_what_was_not_sent() -> None:
    array = np.arange(1000.0)[::-1]
    wire = WireArray(array)
    chunks = wire.native_chunks(1 << 10, native_chunks)
    next(chunks)
    chunks.end()
    assert list(chunks) == []
    assert wire.digest == xxhash.xxh3_128(array.tobytes()).digest()


def test_without_a_digest() -> None:
    wire = WireArray(np.arange(1000.0), digest=False)
    assert b"".join(wire.native_chunks(1 << 10, native_chunks)) == np.arange(1000.0).tobytes()
    assert wire.digest == b""


def test_bytes_that_were_sent_before() -> None:
    wire = WireArray(array := np.arange(1000.0))
    wire.inline()
    wire.keep(array.tobytes())
    expected = wire.digest
    array[:] = 0
    assert b"".join(wire.native_chunks(1 << 10, native_chunks)) == np.arange(1000.0).tobytes()
    assert wire.digest == expected
