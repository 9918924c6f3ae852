"""Every `.npy` case: files that NumPy wrote, and files that it would not write; the ids carry the cases' numbers."""

from __future__ import annotations

from dataclasses import replace

import grpc
import ml_dtypes
import numpy as np
import pytest

import oracle
from npy_files import MAGIC, file_of, file_with_header, saved
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import STRICT, WHOLE, Transport, npy_array, request

each_transport = pytest.mark.parametrize("convert", WHOLE.values(), ids=WHOLE.keys())

FLOATS = np.arange(6, dtype="<f4").reshape(2, 3)
NUMPY_SCALARS = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "c8", "c16"]
BASIC_ARRAYS = {
    f"123-{order}{scalar}-{layout}": source.astype(order + scalar)
    for scalar in NUMPY_SCALARS
    for order in "<>"
    for layout, source in {
        "empty": np.array([]),
        "0-d": np.array(10),
        "1-d": np.arange(1500) % 100,
        "c": np.arange(1500).reshape(30, 50) % 100,
        "fortran": (np.arange(1500).reshape(30, 50) % 100).T,
        "strided": np.arange(1500).reshape(30, 50)[::-1, ::2] % 100,
    }.items()
} | {"123-bool": np.array([True, False]), "123-f2": np.arange(4, dtype="<f2")}
for name in [name for name in BASIC_ARRAYS if name.endswith("-fortran")]:
    BASIC_ARRAYS[name] = np.asfortranarray(BASIC_ARRAYS[name])

# Each of these header texts describes [0, 0, 0] in float32.
ACCEPTED_HEADERS = {
    "85-keys-in-another-order": "{'shape': (3,), 'descr': '<f4', 'fortran_order': False}",
    "85-no-trailing-comma": "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}",
    "85-double-quotes": '{"descr": "<f4", "fortran_order": False, "shape": (3,)}',
    "85-no-spaces": "{'descr':'<f4','fortran_order':False,'shape':(3,),}",
    "85-much-padding": "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }" + " " * 500 + "\n",
    "111-newlines": "{'descr':\n'<f4',\n'fortran_order': False,\n'shape': (\n3,\n)}\n",
    "111-crlf": "{'descr': '<f4',\r\n'fortran_order': False,\r\n'shape': (3,)}\r\n",
    "111-tabs": "{'descr':\t'<f4',\t'fortran_order':\tFalse,\t'shape':\t(3,\t)}",
    "python-2-long": "{'descr': '<f4', 'fortran_order': False, 'shape': (3L,)}",
}

# Each of these header values is in a file that is otherwise [0, 0, 0] in float32.
REFUSED_VALUES = {
    **{f"106-shape-{s}": {"shape": s} for s in ("[3]", "(3)", "3", "(3.0,)", "((3,),)", "(3,,)", "(,)", "None")},
    "107-shape-(True,)": {"shape": "(True,)"},
    **{f"108-shape-{s}": {"shape": f"({s},)"} for s in ("0x3", "1_0", "010", "2*2", "3e0", "3j", "'3'")},
    **{f"109-fortran-{f}": {"fortran_order": f} for f in ("0", "1", "false", "None", "'False'")},
    "111-comment": {"shape": "(3,  # three\n)"},
    "111-concatenated-strings": {"descr": "'<' 'f4'"},
    "111-escape": {"descr": r"'\x3cf4'"},
    "111-raw-string": {"descr": "r'<f4'"},
    "bytes-descr": {"descr": "b'<f4'"},
    "67-dim-2-to-the-63": {"shape": "(9223372036854775808,)"},
    "67-dim-2-to-the-64": {"shape": "(18446744073709551619,)"},
    "67-dim-of-400-digits": {"shape": f"({'9' * 400},)"},
    "python-2-long-in-3.0": {"shape": "(3L,)", "version": (3, 0)},
}
WHOLE_DICT = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }"
BROKEN_DICTS = {
    "102-no-shape": "{'descr': '<f4', 'fortran_order': False}",
    "102-no-descr": "{'fortran_order': False, 'shape': (3,)}",
    "102-no-order": "{'descr': '<f4', 'shape': (3,)}",
    "102-empty-dict": "{}",
    "102-no-dict": "",
    "103-extra-key": WHOLE_DICT.replace("{", "{'x': 1, "),
    "text-behind-the-dict": WHOLE_DICT + " 1",
}
NO_VERSIONS = [(1, 1), (0, 0), (0, 1), (2, 2), (255, 255), (4, 0)]
NO_MAGIC = [
    b"\x92NUMPY\x01\x00",
    b"\x00NUMPY\x01\x00",
    b"\x93numpy\x01\x00",
    b"\x93MATLB\x01\x00",
    b"\x93NUMPY\x01",
    MAGIC,
    b"",
]
NO_TENSORS = ["<f16", "<c32", "<M8[ns]", "<m8[us]", "|S5", "<U3", "|V8"]
FILE = saved(FLOATS)
REFUSED_FILES = {
    **{f"88-93-version-{v}": (MAGIC + bytes(v) + FILE[8:], "BAD_VERSION") for v in NO_VERSIONS},
    **{f"94-100-magic-{magic!r}": (magic, "BAD_MAGIC") for magic in NO_MAGIC},
    "101-no-header-length": (FILE[:8], "BAD_HEADER"),
    "101-half-a-header-length": (FILE[:9], "BAD_HEADER"),
    "101-header-longer-than-the-file": (FILE[:20], "BAD_HEADER"),
    **{case: (file_with_header(text, bytes(12)), "BAD_HEADER") for case, text in BROKEN_DICTS.items()},
    **{case: (file_of(**values), "BAD_HEADER") for case, values in REFUSED_VALUES.items()},
    "64-negative-dim": (file_of(shape="(-3,)"), "BAD_SHAPE"),
    "65-dims": (file_of(shape="(" + "1," * 65 + ")", numel=1), "TOO_MANY_DIMS"),
    **{f"117-short-{case}": (saved(a)[:-1], "SIZE_MISMATCH") for case, a in BASIC_ARRAYS.items() if a.size},
    "118-trailing-byte": (FILE + b"\x00", "TRAILING_BYTES"),
    "118-second-array": (FILE * 2, "TRAILING_BYTES"),
    **{f"{n}-{t}": (saved(np.zeros(3, t)), "UNSUPPORTED_DTYPE") for n, t in enumerate(NO_TENSORS, 18)},
    "27-structured": (saved(np.zeros(3, [("a", "<f4")])), "UNSUPPORTED_DTYPE"),
    "object": (saved(np.array([None]), allow_pickle=True), "OBJECT_DTYPE"),
    "49-descr-!f4": (file_of(descr="'!f4'"), "BAD_DTYPE"),
}


def expect_file(source: np.ndarray) -> oracle.Expected:
    """What NumPy's file of this array converts to."""
    fortran_order = source.flags.f_contiguous and not source.flags.c_contiguous
    data = source.tobytes(order="F" if fortran_order else "C")
    return oracle.expect(source.dtype.str, source.shape, data, fortran_order=fortran_order)


@each_transport
@pytest.mark.parametrize("source", BASIC_ARRAYS.values(), ids=BASIC_ARRAYS.keys())
def test_converts_what_numpy_saved(source: np.ndarray, convert: Transport, stub: TensorServiceStub) -> None:
    oracle.check_converted(convert(stub, request(npy_array(saved(source)))), expect_file(source))


@each_transport
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)], ids=["85-1.0", "86-2.0", "87-3.0"])
def test_converts_every_version(version: tuple[int, int], convert: Transport, stub: TensorServiceStub) -> None:
    oracle.check_converted(convert(stub, request(npy_array(saved(FLOATS, version)))), expect_file(FLOATS))


@each_transport
@pytest.mark.parametrize("header", ACCEPTED_HEADERS.values(), ids=ACCEPTED_HEADERS.keys())
def test_takes_any_spelling_of_the_header(header: str, convert: Transport, stub: TensorServiceStub) -> None:
    outcome = convert(stub, request(npy_array(file_with_header(header, bytes(12)))))
    oracle.check_converted(outcome, oracle.expect("<f4", (3,), bytes(12)))


@each_transport
@pytest.mark.parametrize(("npy", "reason"), REFUSED_FILES.values(), ids=REFUSED_FILES.keys())
def test_refuses_saying_why(npy: bytes, reason: str, convert: Transport, stub: TensorServiceStub) -> None:
    refusal = convert(stub, request(npy_array(npy))).refusal
    assert refusal is not None
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert refusal.message.startswith("array 'x'")


@each_transport
@pytest.mark.parametrize("name", [n for n in oracle.BY_NAME if np.dtype(getattr(ml_dtypes, n)).kind in "VW"])
def test_30_an_ambiguous_descr_needs_the_name(name: str, convert: Transport, stub: TensorServiceStub) -> None:
    npy = saved(np.arange(3).astype(getattr(ml_dtypes, name)))
    assert convert(stub, request(npy_array(npy))).reason == "AMBIGUOUS_DTYPE"
    data = npy[-3 * oracle.numpy_dtype(name).itemsize :]
    oracle.check_converted(convert(stub, request(npy_array(npy, dtype=name))), oracle.expect(name, (3,), data))
    assert convert(stub, request(npy_array(npy, dtype=name), fidelity=STRICT)).reason == "UNSUPPORTED_DTYPE"


# A file may say in each of these ways what its elements of a dtype outside torch.from_numpy are: (name, descr).
SPELLINGS = [
    (name, order + kind + str(oracle.numpy_dtype(name).itemsize))
    for name in oracle.BY_NAME
    for kind in {"complex32": "VWc", "float8_e5m2": "Vf"}.get(name, "V")
    for order in ("<", ">", "=", "|", "")
]


def swapped_by_hand(name: str, data: bytes) -> bytes:
    """Each element reversed; complex numbers half by half."""
    width = {"bfloat16": 2, "complex32": 2}.get(name, 1)
    return b"".join(data[i : i + width][::-1] for i in range(0, len(data), width))


@each_transport
@pytest.mark.parametrize(("name", "descr"), SPELLINGS)
def test_30_a_name_leaves_the_byte_order_to_the_descr(
    name: str, descr: str, convert: Transport, stub: TensorServiceStub
) -> None:
    data = oracle.random_bytes(name, 6)
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': (2, 3)}}"
    sent = npy_array(file_with_header(header, data), dtype=name)
    is_swapped = descr[0] == ">" and swapped_by_hand(name, data) != data
    expected = oracle.expect(name, (2, 3), swapped_by_hand(name, data) if is_swapped else data)
    expected = replace(
        expected,
        source_dtype=name if "V" in descr or "W" in descr else descr,
        adjustments=(pb.ADJUSTMENT_BYTE_ORDER_SWAPPED,) if is_swapped else (),
    )
    oracle.check_converted(convert(stub, request(sent)), expected)
    strict = convert(stub, request(sent, fidelity=STRICT))
    assert strict.reason == ("BYTE_ORDER" if is_swapped else "UNSUPPORTED_DTYPE")


@each_transport
def test_30_numpy_saves_the_byte_order_of_ml_dtypes(convert: Transport, stub: TensorServiceStub) -> None:
    """bfloat16 as big-endian hosts save it: the values that were saved come back."""
    values = np.array([1.0, -2.5, 3.0]).astype(ml_dtypes.bfloat16)
    npy = saved(values.astype(values.dtype.newbyteorder(">")))
    assert b"'>V2'" in npy and npy.endswith(bytes.fromhex("3f80c0204040"))
    outcome = convert(stub, request(npy_array(npy, dtype="bfloat16")))
    assert outcome.tensors[0].data == values.tobytes()


@each_transport
@pytest.mark.parametrize("name", oracle.ALL)
def test_a_name_that_repeats_the_descr_is_no_conflict(name: str, convert: Transport, stub: TensorServiceStub) -> None:
    data = oracle.random_bytes(name, 3)
    descrs = [name] + [str(np.dtype(name).newbyteorder(order).str) for order in "<>" if name in oracle.FROM_NUMPY]
    for descr in descrs:
        sent = npy_array(file_with_header(f"{{'descr': '{descr}', 'fortran_order': False, 'shape': (3,)}}", data))
        plain, named = convert(stub, request(sent)), pb.Array(dtype=name)
        named.MergeFrom(sent)
        outcome = convert(stub, request(named))
        assert outcome.tensors == plain.tensors
        oracle.check_converted(outcome, oracle.expect(descr, (3,), data))


@each_transport
def test_30_the_name_must_have_the_item_size(convert: Transport, stub: TensorServiceStub) -> None:
    npy = saved(np.arange(3).astype(ml_dtypes.bfloat16))
    assert convert(stub, request(npy_array(npy, dtype="float8_e4m3fn"))).reason in {
        "AMBIGUOUS_DTYPE",
        "CONFLICTING_FIELDS",
    }


@each_transport
@pytest.mark.parametrize("name", oracle.ALL)
def test_121_a_descr_may_be_a_name(name: str, convert: Transport, stub: TensorServiceStub) -> None:
    data = oracle.random_bytes(name, 3)
    header = f"{{'descr': '{name}', 'fortran_order': False, 'shape': (3,)}}"
    oracle.check_converted(
        convert(stub, request(npy_array(file_with_header(header, data)))), oracle.expect(name, (3,), data)
    )


@each_transport
@pytest.mark.parametrize(
    "conflict",
    [
        pb.Array(shape=[2, 3]),
        pb.Array(fortran_order=True),
        pb.Array(dtype="<f4"),
        pb.Array(dtype="bfloat16"),
        pb.Array(dtype="int32"),
        pb.Array(dtype="single"),
    ],
    ids=["shape", "fortran_order", "type-string", "other-dtype", "same-size", "no-name"],
)
def test_a_file_says_it_all(conflict: pb.Array, convert: Transport, stub: TensorServiceStub) -> None:
    sent = npy_array(saved(FLOATS))
    sent.MergeFrom(conflict)
    assert convert(stub, request(sent)).reason == "CONFLICTING_FIELDS"


@each_transport
def test_strict_refuses_big_endian_files(convert: Transport, stub: TensorServiceStub) -> None:
    big_endian = npy_array(saved(FLOATS.astype(">f4")))
    assert convert(stub, request(big_endian, fidelity=STRICT)).reason == oracle.strict_refusal(">f4", b"")
