import io
import subprocess
import sys
import tracemalloc
from typing import Any, Literal

import ml_dtypes
import numpy as np
import pytest
import torch
from array_strategies import Array, arrays, canonical_bytes
from hypothesis import given
from hypothesis import strategies as st
from wire_arrays import announced, inlined

from tensorferry._arrays import WireArray, to_array
from tensorferry._errors import ArrayError, ProtocolError
from tensorferry.v1 import tensor_service_pb2 as pb


def decoded(message: pb.Array, elements: bytes) -> Array:
    """Reads the wire as its specification says."""
    flat: Array = np.frombuffer(elements, np.dtype(message.dtype))
    return flat.reshape(tuple(message.shape), order="F" if message.fortran_order else "C")


@given(arrays())
def test_array_survives_in_one_message(array: Array) -> None:
    message = inlined(WireArray(array))
    assert message.WhichOneof("payload") == "data"
    assert canonical_bytes(decoded(message, message.data)) == canonical_bytes(array)
    assert tuple(message.shape) == array.shape


@given(arrays(), st.integers(1, 40))
def test_array_survives_in_chunks(array: Array, limit: int) -> None:
    wire = WireArray(array)
    message = announced(wire)
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
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_dtype_as_the_wire_spells_it(array: Array, dtype: str) -> None:
    assert inlined(WireArray(array)).dtype == dtype


def test_pointers_never_travel() -> None:
    message = inlined(WireArray(np.zeros(3, object)))
    assert message.dtype == "|O"
    assert message.WhichOneof("payload") == "data"
    assert message.data == b""


@pytest.mark.parametrize(
    ("dtype", "text"),
    [
        ([("r", "u1"), ("g", "u1"), ("b", "u1"), ("a", "u1")], "send each by itself: 'r', 'g', 'b', 'a'"),
        ([("a", "<f4")], "has fields, and a tensor has none"),
        ([("a", "<f4"), ("b", "O")], "has fields"),
        ([("a", ">i2", (2,))], "has fields"),
        ({"names": ["a"], "formats": ["u1"], "itemsize": 2}, "has fields"),
        (np.dtype((np.record, [("a", "<f4")])), "has fields"),
        (np.dtypes.StringDType(), "torch has no such dtype"),
    ],
    ids=str,
)
def test_dtypes_that_no_type_string_says_are_refused_here(dtype: Any, text: str) -> None:
    with pytest.raises(ArrayError, match=text) as caught:
        WireArray(np.zeros(3, dtype), name="x")
    assert caught.value.reason == "UNSUPPORTED_DTYPE"
    assert caught.value.metadata["array"] == "x"


def test_big_endian_ml_dtypes_travel_little_endian() -> None:
    little = np.array([1, -2], ml_dtypes.bfloat16)
    big = little.astype(little.dtype.newbyteorder(">"))
    assert big.tobytes() != little.tobytes()
    assert inlined(WireArray(big)).data == little.tobytes()


def test_fortran_order_is_kept_only_where_it_says_something() -> None:
    assert inlined(WireArray(np.zeros((2, 3), order="F"))).fortran_order
    assert not inlined(WireArray(np.zeros((2, 3), order="C"))).fortran_order
    assert not inlined(WireArray(np.zeros(3))).fortran_order


SIZES = st.lists(st.sampled_from([1, 1, 2, 3, 7]), max_size=5)


@given(SIZES, st.sampled_from("CF"), st.permutations(range(5)))
def test_strides_are_those_of_torch_where_both_orders_describe_the_memory(
    shape: list[int], order: Literal["C", "F"], axes: list[int]
) -> None:
    array: Array = np.zeros(shape, "f4", order=order)
    transposed = array.transpose([axis for axis in axes if axis < len(shape)])
    assert told_strides(array) == torch.from_numpy(array).stride()
    possible = {np.zeros(transposed.shape, "f4", order=either).strides for either in ("C", "F")}
    if transposed.strides in possible:
        assert told_strides(transposed) == torch.from_numpy(transposed).stride()


def told_strides(array: Array) -> tuple[int, ...]:
    """What the server makes of shape and order, in elements."""
    header = inlined(WireArray(array))
    order: Literal["C", "F"] = "F" if header.fortran_order else "C"
    made: Array = np.empty(tuple(header.shape), array.dtype, order=order)
    return tuple(stride // array.itemsize for stride in made.strides)


SHARED_DTYPE = """
import copy, pickle, sys, io
import ml_dtypes, numpy as np
from tensorferry._arrays import WireArray, to_array
from tensorferry.v1 import tensor_service_pb2 as pb

def inlined(wire):
    return pb.ConvertRequest.FromString(b"".join(wire.inline())).arrays[0]

kind = getattr(ml_dtypes, sys.argv[1])
before = np.array([1, -2], kind)
elements = before.tobytes()
void = np.frombuffer(elements, f"V{before.itemsize}")
big = np.dtype(kind).newbyteorder(">")
pickle.loads(pickle.dumps(big))
assert np.dtype(kind).byteorder == ">"
after = np.array([1, -2], kind)

def sent(array, **settings):
    wire = WireArray(array, **settings)
    message = inlined(wire)
    assert message.dtype == sys.argv[1] and message.data == elements, (message, elements)
    return wire.digest

assert len({sent(before), sent(after), sent(before[::-1][::-1]), sent(np.asfortranarray(after))}) == 1
for name in (sys.argv[1], kind, np.dtype(kind), before.dtype):
    sent(void, dtype=name)
received = to_array(pb.TensorMetadata(dtype=sys.argv[1], shape=[2]), np.frombuffer(elements, np.uint8))
assert received.tobytes() == elements
assert received.dtype.newbyteorder("<") == received.dtype
swapped = np.frombuffer(elements, "u2").byteswap().view(big)
assert inlined(WireArray(swapped)).data == elements
assert inlined(WireArray(swapped.view("V2"), dtype=big)).data == elements
"""


@pytest.mark.parametrize("name", ["bfloat16"])
def test_names_mean_little_endian_whatever_happened_to_the_dtype_that_all_arrays_share(name: str) -> None:
    """Unpickling a big-endian dtype of ml_dtypes reverses the byte order of NumPy's one object for it."""
    ran = subprocess.run(
        [sys.executable, "-c", SHARED_DTYPE, name], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_big_endian_void_elements_are_what_the_dtype_says() -> None:
    saved = np.array([1, -2], ml_dtypes.bfloat16)
    big = saved.dtype.newbyteorder(">")
    assert inlined(WireArray(saved.astype(big).view("V2"), dtype=big)).data == saved.tobytes()


def test_a_dtype_that_the_array_has_already_is_no_conflict() -> None:
    for array in (np.zeros(2, "f4"), np.zeros(2, ml_dtypes.bfloat16)):
        assert inlined(WireArray(array, dtype=array.dtype.name)) == inlined(WireArray(array))


def test_loaded_void_array_is_sent_as_what_it_was() -> None:
    saved = np.array([1, -2], ml_dtypes.bfloat16)
    file = io.BytesIO()
    np.save(file, saved)
    file.seek(0)
    loaded = np.load(file)
    assert loaded.dtype.kind == "V"
    for dtype in ("bfloat16", ml_dtypes.bfloat16):
        message = inlined(WireArray(loaded, dtype=dtype))
        assert (message.dtype, message.data) == ("bfloat16", saved.tobytes())


def test_names_that_numpy_does_not_know_are_left_to_the_server() -> None:
    assert inlined(WireArray(np.zeros(2, "V2"), dtype="float17")).dtype == "float17"


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
        assert wire.digest
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
