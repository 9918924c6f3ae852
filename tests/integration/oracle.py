"""What a conversion must yield, from NumPy, torch, ml_dtypes and xxhash themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ml_dtypes
import numpy as np
import torch
import xxhash

from tensorferry.v1 import tensor_service_pb2 as pb
from wire import Outcome, ReceivedTensor

FROM_NUMPY = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128",
]  # fmt: skip
BY_NAME = [
    "bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "complex32",
]  # fmt: skip
ALL = FROM_NUMPY + BY_NAME

# np.dtype() does not take these type strings: ml_dtypes' own that are not void, and complex32's of its newer versions.
_TYPE_STRINGS = {
    np.dtype(getattr(ml_dtypes, name)).str: name
    for name in BY_NAME
    if np.dtype(getattr(ml_dtypes, name)).kind not in "VW"
} | {"<c4": "complex32"}


def numpy_dtype(name: str) -> np.dtype:
    """The dtype of a wire spelling, byte order included."""
    name = _TYPE_STRINGS.get(name, name)
    return np.dtype(getattr(ml_dtypes, name)) if name in BY_NAME else np.dtype(name)


def swap_bytes(data: bytes, dtype: np.dtype) -> bytes:
    """The elements in the other byte order; complex numbers half by half."""
    width = dtype.itemsize // 2 if dtype.kind == "c" else dtype.itemsize
    return np.frombuffer(data, f"u{width}").byteswap().tobytes()


@dataclass(frozen=True)
class Expected:
    """What the receipt and the tensor must say."""

    source_dtype: str
    numpy_dtype: str
    torch_dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # In elements.
    itemsize: int
    data: bytes  # C order, little-endian.
    adjustments: tuple[int, ...]


def expect(dtype: str, shape: Sequence[int], data: bytes, *, fortran_order: bool = False) -> Expected:
    """The outcome in CONVERT mode of elements `data`, in the byte order and layout that the other arguments name."""
    sent = numpy_dtype(dtype)
    adjustments = []
    if sent.byteorder == ">":
        data = swap_bytes(data, sent)
        adjustments.append(pb.ADJUSTMENT_BYTE_ORDER_SWAPPED)
    if sent == np.bool_ and max(data, default=0) > 1:
        data = (np.frombuffer(data, np.uint8) != 0).tobytes()
        adjustments.append(pb.ADJUSTMENT_BOOL_NORMALIZED)

    # torch.from_numpy refuses the types of ml_dtypes, which go through an unsigned integer of their size.
    by_name = sent.name in BY_NAME
    held = np.dtype(f"u{sent.itemsize}") if by_name else sent.newbyteorder("=")
    native = np.ndarray(tuple(shape), held, bytearray(data), order="F" if fortran_order else "C")
    tensor = torch.from_numpy(native)
    if by_name:
        tensor = tensor.view(getattr(torch, sent.name))
    return Expected(
        source_dtype=dtype,
        numpy_dtype=sent.name,
        torch_dtype=str(tensor.dtype).removeprefix("torch."),
        shape=tuple(tensor.shape),
        strides=tensor.stride(),
        itemsize=tensor.element_size(),
        data=native.tobytes(order="C"),
        adjustments=tuple(adjustments),
    )


def strict_refusal(dtype: str, data: bytes) -> str:
    """The reason for which STRICT refuses these elements, after what torch.from_numpy does; empty if it takes them.

    Of an array refused for its byte order and for its dtype, the service names the byte order.
    """
    source = np.zeros(1, numpy_dtype(dtype))
    try:
        torch.from_numpy(source)
    except (TypeError, ValueError):
        return "BYTE_ORDER" if source.dtype.byteorder == ">" else "UNSUPPORTED_DTYPE"
    return "BOOL_RANGE" if source.dtype == np.bool_ and max(data, default=0) > 1 else ""


def check_tensor(received: ReceivedTensor, expected: Expected, name: str = "x") -> None:
    """Compares all that the server states, and the elements it returned, with the oracle's."""
    metadata, receipt = received.metadata, received.metadata.receipt
    numel = len(expected.data) // expected.itemsize
    assert metadata.name == name
    assert metadata.dtype == expected.torch_dtype
    assert tuple(metadata.shape) == expected.shape
    assert tuple(metadata.strides) == expected.strides
    assert metadata.numel == numel
    assert metadata.itemsize == expected.itemsize
    assert metadata.nbytes == len(expected.data)
    assert metadata.device == "cpu"
    assert receipt.source_dtype == expected.source_dtype
    assert receipt.numpy_dtype == expected.numpy_dtype
    assert receipt.dtype_equal
    assert tuple(receipt.adjustments) == expected.adjustments
    assert receipt.digest == xxhash.xxh3_128(expected.data).digest()
    assert received.data == expected.data


def check_converted(outcome: Outcome, *expected: Expected) -> None:
    """All arrays were converted, in order, each as expected."""
    assert outcome.refusal is None, outcome.refusal
    assert len(outcome.tensors) == len(expected)
    for received, wanted in zip(outcome.tensors, expected, strict=True):
        check_tensor(received, wanted, received.metadata.name)


def random_bytes(dtype: str, numel: int, seed: int = 0) -> bytes:
    """Elements of any bit pattern; bools are 0 or 1."""
    itemsize = numpy_dtype(dtype).itemsize
    data = np.random.default_rng(seed).integers(0, 256, numel * itemsize, np.uint8)
    return (data & 1 if numpy_dtype(dtype) == np.bool_ else data).tobytes()


def zero_size_strides(shape: Sequence[int]) -> list[int]:
    """The element strides of C order, each 0 counted as 1."""
    return [int(np.prod([max(dim, 1) for dim in shape[i + 1 :]], dtype=object)) for i in range(len(shape))]
