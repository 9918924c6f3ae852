import io
import tracemalloc
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from array_strategies import Array, arrays, canonical_bytes
from hypothesis import given
from hypothesis import strategies as st

from tensorferry._arrays import WireArray, to_array
from tensorferry._errors import ProtocolError
from tensorferry.v1 import tensor_service_pb2 as pb


def decoded(message: pb.Array, elements: bytes) -> Array:
    """Reads the wire as its specification says."""
    flat: Array = np.frombuffer(elements, np.dtype(message.dtype))
    return flat.reshape(tuple(message.shape), order="F" if message.fortran_order else "C")


@given(arrays())
def test_array_survives_in_one_message(array: Array) -> None:
    message = WireArray(array).inline()
    assert message.WhichOneof("payload") == "data"
    assert canonical_bytes(decoded(message, message.data)) == canonical_bytes(array)
    assert tuple(message.shape) == array.shape


@given(arrays(), st.integers(1, 40))
def test_array_survives_in_chunks(array: Array, limit: int) -> None:
    wire = WireArray(array)
    message = wire.announced()
    chunks = list(wire.chunks(limit))
    assert all(chunks)
    assert max(map(len, chunks), default=0) <= max(limit, array.itemsize)
    assert sum(map(len, chunks)) == message.chunked_nbytes == array.nbytes
    assert canonical_bytes(decoded(message, b"".join(chunks))) == canonical_bytes(array)


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (np.zeros(2, ">f4"), ">f4"),
        (np.zeros(2, "i1"), "|i1"),
        (np.zeros(2, np.longlong), "<i8"),
        (np.zeros(2, ml_dtypes.bfloat16), "bfloat16"),
        (np.zeros(2, ml_dtypes.float8_e5m2), "float8_e5m2"),
        (np.zeros(2, ml_dtypes.int4), "int4"),
        (np.zeros(2, np.dtype(ml_dtypes.bfloat16).newbyteorder(">")), "bfloat16"),
        (np.zeros(2, "M8[ns]"), "<M8[ns]"),
        (np.zeros(2, "V2"), "|V2"),
        (np.zeros(2, [("a", "<f4")]), "|V4"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_dtype_as_the_wire_spells_it(array: Array, dtype: str) -> None:
    assert WireArray(array).inline().dtype == dtype


@pytest.mark.parametrize("dtype", [object, [("a", "<f4"), ("b", "O")]], ids=str)
def test_pointers_never_travel(dtype: Any) -> None:
    message = WireArray(np.zeros(3, dtype)).inline()
    assert message.dtype == "|O"
    assert message.WhichOneof("payload") == "data"
    assert message.data == b""


def test_big_endian_ml_dtypes_travel_little_endian() -> None:
    little = np.array([1, -2], ml_dtypes.bfloat16)
    big = little.astype(little.dtype.newbyteorder(">"))
    assert big.tobytes() != little.tobytes()
    assert WireArray(big).inline().data == little.tobytes()


def test_fortran_order_is_kept_only_where_it_says_something() -> None:
    assert WireArray(np.zeros((2, 3), order="F")).inline().fortran_order
    assert not WireArray(np.zeros((2, 3), order="C")).inline().fortran_order
    assert not WireArray(np.zeros(3)).inline().fortran_order


def test_loaded_void_array_is_sent_as_what_it_was() -> None:
    saved = np.array([1, -2], ml_dtypes.bfloat16)
    file = io.BytesIO()
    np.save(file, saved)
    file.seek(0)
    loaded = np.load(file)
    assert loaded.dtype.kind == "V"
    for dtype in ("bfloat16", ml_dtypes.bfloat16):
        message = WireArray(loaded, dtype=dtype).inline()
        assert (message.dtype, message.data) == ("bfloat16", saved.tobytes())


def test_names_that_numpy_does_not_know_are_left_to_the_server() -> None:
    assert WireArray(np.zeros(2, "V2"), dtype="float17").inline().dtype == "float17"


@pytest.mark.parametrize(
    ("array", "dtype", "reason"),
    [
        (np.zeros(2, "f4"), "int32", "this array's are float32"),
        (np.zeros(2, [("a", "u1")]), "int8", "what void elements are"),
        (np.zeros(2, "V4"), "bfloat16", "bfloat16 has 2 bytes per element"),
    ],
)
def test_dtype_names_void_elements_of_its_itemsize_only(array: Array, dtype: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        WireArray(array, dtype=dtype)


@pytest.mark.parametrize("layout", ["C", "F", "strided", "big-endian"])
def test_chunks_and_digest_make_no_copy_of_a_large_array(layout: str) -> None:
    base = np.zeros((2048, 2048), "f8")
    array = {"C": base, "F": base.T, "strided": base[::-1], "big-endian": base.view(">f8")}[layout]
    tracemalloc.start()
    try:
        wire = WireArray(array)
        for _ in wire.chunks(1 << 20):
            pass
        assert wire.digest is not None
        wire.digest.digest()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < array.nbytes / 4


@given(arrays())
def test_tensor_becomes_an_array(array: Array) -> None:
    metadata = pb.TensorMetadata(dtype=array.dtype.name, shape=array.shape)
    elements = np.frombuffer(bytearray(canonical_bytes(array)), np.uint8)
    received = to_array(metadata, elements)
    assert (received.dtype.name, received.shape) == (array.dtype.name, array.shape)
    assert received.tobytes() == canonical_bytes(array)
    assert received.flags.writeable


@pytest.mark.parametrize(
    ("dtype", "shape", "reason"),
    [
        ("float33", [2], "know no dtype 'float33'"),
        ("float32", [3], r"float32 with shape \[3\] in 8 bytes"),
        ("float32", [-1], r"float32 with shape \[-1\] in 8 bytes"),
        ("complex128", [1], r"complex128 with shape \[1\] in 8 bytes"),
    ],
)
def test_tensor_that_contradicts_itself(dtype: str, shape: list[int], reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        to_array(pb.TensorMetadata(name="y", dtype=dtype, shape=shape), np.zeros(8, np.uint8))
