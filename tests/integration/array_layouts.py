"""NumPy arrays of every dtype and memory layout, and what must be said of one that a client converted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import xxhash

import oracle
import tensorferry
from tensorferry.v1 import tensor_service_pb2 as pb

Array = np.ndarray[Any, np.dtype[Any]]

_ADJUSTMENTS = {
    pb.ADJUSTMENT_BYTE_ORDER_SWAPPED: "BYTE_ORDER_SWAPPED",
    pb.ADJUSTMENT_BOOL_NORMALIZED: "BOOL_NORMALIZED",
}


def random_array(dtype: str, shape: tuple[int, ...] = (2, 3, 4)) -> Array:
    """Elements of any bit pattern; bools are 0 or 1."""
    data = oracle.random_bytes(dtype, int(np.prod(shape)))
    return np.frombuffer(data, np.uint8).view(oracle.numpy_dtype(dtype)).reshape(shape)


def unaligned(array: Array) -> Array:
    return np.ndarray(array.shape, array.dtype, b"\0" + array.tobytes(), offset=1)


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "c": lambda array: array,
    "fortran": np.asfortranarray,
    "sliced": lambda array: array[:, ::2, 1:],
    "negative-strides": lambda array: array[::-1, :, ::-2],
    "permuted": lambda array: array.transpose(1, 0, 2),
    "broadcast": lambda array: np.broadcast_to(array[:1], array.shape),
    "0-d": lambda array: array[1, 2, 3:].reshape(()),
    "no-elements": lambda array: array[:, :0],
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "big-endian-fortran": lambda array: np.asfortranarray(array).astype(array.dtype.newbyteorder(">")),
    "unaligned": unaligned,
}


def expect(array: Array) -> oracle.Expected:
    """The oracle's outcome of `array`: dtypes that torch knows by name only travel little-endian, and it is told."""
    dtype = array.dtype.str
    is_swapped = False
    if array.dtype.name in oracle.BY_NAME:
        is_swapped = array.dtype.byteorder == ">" and array.itemsize > 1
        dtype, array = array.dtype.name, array.astype(array.dtype.newbyteorder("<"))
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    expected = oracle.expect(dtype, array.shape, array.tobytes("F" if fortran else "C"), fortran_order=fortran)
    return replace(expected, adjustments=(pb.ADJUSTMENT_BYTE_ORDER_SWAPPED,)) if is_swapped else expected


def check_elements(array: Array, expected: oracle.Expected) -> None:
    """`array` is a new one of the expected dtype and elements."""
    assert array.dtype.name == expected.numpy_dtype
    assert array.dtype.newbyteorder("=") == array.dtype
    assert array.shape == expected.shape
    assert array.tobytes() == expected.data
    assert array.flags.c_contiguous and array.flags.writeable


def expected_receipt(expected: oracle.Expected, name: str = "") -> tensorferry.Receipt:
    return tensorferry.Receipt(
        name=name,
        dtype=expected.torch_dtype,
        numpy_dtype=expected.numpy_dtype,
        source_dtype=expected.source_dtype,
        dtype_equal=True,
        adjustments=tuple(_ADJUSTMENTS[value] for value in expected.adjustments),
        shape=expected.shape,
        strides=expected.strides,
        numel=len(expected.data) // expected.itemsize,
        itemsize=expected.itemsize,
        nbytes=len(expected.data),
        device="cpu",
        digest=xxhash.xxh3_128(expected.data).digest(),
        digest_equal=True,
    )


def check_receipt(receipt: tensorferry.Receipt, array: Array, name: str = "") -> None:
    """Every fact in the receipt is the oracle's; so are the elements, if they were fetched."""
    expected = expect(array)
    assert receipt == expected_receipt(expected, name)
    if receipt.data is not None:
        check_elements(receipt.data, expected)
