"""Every dtype, byte order, shape and value case of elements sent as they are; the ids carry the cases' numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import grpc
import ml_dtypes
import numpy as np
import pytest

import oracle
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import CONVERT, STRICT, TRANSPORTS, Transport, array, request

INFINITY = float("inf")


@dataclass(frozen=True)
class Sent:
    """Elements as they go on the wire."""

    case: str
    dtype: str
    shape: tuple[int, ...] = ()
    data: bytes = b""
    fortran_order: bool = False
    fidelity: int = CONVERT
    reason: str = ""  # The reason of the refusal; empty if it converts.

    def __str__(self) -> str:
        return self.case


def of(case: str, source: np.ndarray, dtype: str = "", *, fidelity: int = CONVERT) -> Sent:
    """An array as NumPy holds it, in C order."""
    return Sent(case, dtype or source.dtype.str, source.shape, source.tobytes(), fidelity=fidelity)


def extremes(name: str) -> np.ndarray:
    """Four values of a dtype, its smallest and its largest among them."""
    dtype = np.dtype(name)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return np.array([limits.min, 0, 1, limits.max], dtype)
    if dtype.kind == "b":
        return np.array([False, True, True, False])
    floats = np.finfo(dtype)
    return np.array([floats.min, -0.0, floats.smallest_subnormal, floats.max], dtype)


def special_floats(name: str) -> np.ndarray:
    """−0.0, subnormals, infinities and NaN."""
    floats = np.finfo(name)
    return np.array([-0.0, floats.smallest_subnormal, -floats.smallest_subnormal, INFINITY, -INFINITY, np.nan], name)


def randomly_filled(case: str, dtype: str, shape: tuple[int, ...], *, fortran_order: bool = False) -> Sent:
    return Sent(case, dtype, shape, oracle.random_bytes(dtype, int(np.prod(shape, dtype=int))), fortran_order)


CONVERTED = [
    *(of(f"{number}-{name}", extremes(name)) for number, name in enumerate(oracle.FROM_NUMPY, 1)),
    *(of(f"1-14-by-name-{name}", extremes(name), name) for name in oracle.FROM_NUMPY),
    of("15-longlong", np.array([-1, 2**62], np.longlong)),
    of("15-ulonglong", np.array([1, 2**63], np.ulonglong)),
    of("17-intc", np.array([-1, 2**30], np.intc)),
    Sent("29-bfloat16", "bfloat16", (2,), bytes.fromhex("803f00c0")),
    Sent("33-float8_e4m3fn", "float8_e4m3fn", (1,), b"\x7e"),
    *(Sent(f"33-36-every-byte-{name}", name, (256,), bytes(range(256))) for name in oracle.BY_NAME if "float8" in name),
    of("34-float8_e5m2-by-type-string", np.arange(4, dtype=ml_dtypes.float8_e5m2)),
    of("40-complex32", np.array([1 + 2j, -3j], ml_dtypes.complex32), "complex32"),
    of("40-complex32-by-type-string", np.array([1 + 2j, -3j], ml_dtypes.complex32), "<c4"),
    Sent("41-big-endian-f4", ">f4", (2,), bytes.fromhex("3f800000c0200000")),
    Sent("42-big-endian-i2", ">i2", (1,), b"\x01\x02"),
    of("43-big-endian-u8-max", np.array([2**64 - 1], ">u8")),
    *(
        randomly_filled(f"44-big-endian-{t}", t, (5,))
        for t in [">u2", ">i4", ">u4", ">i8", ">f2", ">f8", ">c8", ">c16"]
    ),
    *(randomly_filled(f"46-order-without-meaning-{t}", t, (4,)) for t in (">b1", ">i1", ">u1")),
    *(randomly_filled(f"47-native-{t}", t, (4,)) for t in ("=f4", "|f4", "f4", "=c16", "b1", "<b1", "=u1")),
    randomly_filled("50-big-endian-tail", ">f4", (10_007,)),
    *(randomly_filled(f"52-scalar-{name}", name, ()) for name in oracle.ALL),
    *(randomly_filled(f"53-empty-{name}", name, (0,)) for name in oracle.ALL),
    *(randomly_filled(f"54-zero-size-{shape}", "<f8", shape) for shape in [(0, 2), (2, 0)]),
    randomly_filled("55-zero-size-inside", "<f4", (3, 0, 5)),
    *(randomly_filled(f"55-zero-size-fortran-{s}", "<f4", s, fortran_order=True) for s in [(0, 2), (3, 0, 5)]),
    randomly_filled("56-64-dims", "<f4", (1,) * 64),
    *(randomly_filled(f"69-rank-5-{name}", name, (2, 3, 1, 4, 2)) for name in oracle.ALL),
    *(randomly_filled(f"69-rank-5-fortran-{name}", name, (2, 3, 1, 4, 2), fortran_order=True) for name in oracle.ALL),
    *(of(f"71-special-{t}", special_floats(t)) for t in ("<f2", "<f4", "<f8")),
    *(of(f"71-special-{t}", special_floats(t[1:]).astype(t)) for t in (">f2", ">f4", ">f8")),
    of("73-int64-min", np.array([np.iinfo(np.int64).min])),
    of("73-uint64-max", np.array([np.iinfo(np.uint64).max])),
    of("74-uint16-max", np.array([65535], "<u2")),
    randomly_filled("78-fortran-1-d", "<f4", (5,), fortran_order=True),
    randomly_filled("79-fortran-0-d", "<f4", (), fortran_order=True),
]

# ml_dtypes has these dtypes and torch has not: small integers, 4 and 6 bit floats, three float8.
NOT_IN_TORCH = [
    name
    for name, value in vars(ml_dtypes).items()
    if isinstance(value, type) and issubclass(value, np.generic) and name not in oracle.BY_NAME
]
STRICT_SENT = [
    *(of(f"strict-{name}", extremes(name), fidelity=STRICT) for name in oracle.FROM_NUMPY),
    *(Sent(f"strict-{name}", name, (2,), oracle.random_bytes(name, 2), fidelity=STRICT) for name in oracle.BY_NAME),
    of("41-strict-big-endian", np.array([1, -2.5], ">f4"), fidelity=STRICT),
    of("46-strict-order-without-meaning", np.array([1], ">i1"), ">i1", fidelity=STRICT),
    of("strict-order-before-dtype-U3", np.array(["abc"], ">U3"), fidelity=STRICT),
    of("strict-order-before-dtype-M8", np.zeros(1, ">M8[ns]"), fidelity=STRICT),
    of("strict-str", np.array(["abc"], "<U3"), fidelity=STRICT),
    of("strict-bool-1", np.array([0, 1], np.uint8), "|b1", fidelity=STRICT),
    of("strict-bool-2", np.array([0, 2], np.uint8), "|b1", fidelity=STRICT),
    of("strict-bool-255", np.array([255, 1], np.uint8), "|b1", fidelity=STRICT),
]

refused = partial(Sent, shape=(2,), data=bytes(8))
REFUSED = [
    *(of(f"{number}-{np.dtype(t).name}", np.zeros(4, t)) for number, t in [(18, "<f16"), (19, "<c32")]),
    *(of(f"{number}-{t}", np.zeros(4, t)) for number, t in enumerate(["<M8[ns]", "<m8[us]", "|S5", "<U3", "|V8"], 20)),
    *(refused(f"38-{name}", name) for name in NOT_IN_TORCH),
]
REFUSED = [Sent(s.case, s.dtype, s.shape, s.data, reason="UNSUPPORTED_DTYPE") for s in REFUSED] + [
    *(refused(f"32-void-{t}", t, reason="AMBIGUOUS_DTYPE") for t in ("<V1", "|V1", "<V2", "|V2", "<V4", "|V4")),
    refused("40-complex32-as-ml_dtypes-writes-it", "<W4", reason="AMBIGUOUS_DTYPE"),
    refused("object", "|O", reason="OBJECT_DTYPE"),
    *(refused(f"49-bad-dtype-{t}", t, reason="BAD_DTYPE") for t in ("!f4", "@f4", "f3", "i3", "f04", "f 4", "f+4")),
    *(refused(f"bad-dtype-{t}", t, reason="BAD_DTYPE") for t in ("long", "int", "l", "f", "?", "<", "<f", ">>f4")),
    *(
        refused(f"bad-dtype-{t!r}", t, reason="BAD_DTYPE")
        for t in ("", " float32", "<f4 ", "Float32", "\x00", "<f4\x00")
    ),
    Sent("58-one-byte-short", "<f4", (2, 3), bytes(23), reason="SIZE_MISMATCH"),
    Sent("59-one-byte-long", "<f4", (2, 3), bytes(25), reason="SIZE_MISMATCH"),
    Sent("59-bytes-for-an-empty-array", "<f4", (0,), bytes(4), reason="SIZE_MISMATCH"),
    Sent("52-scalar-without-bytes", "<f8", (), b"", reason="SIZE_MISMATCH"),
    Sent("64-negative-dim", "<f4", (2, -1), b"", reason="BAD_SHAPE"),
    Sent("65-dims", "<f4", (1,) * 65, bytes(4), reason="TOO_MANY_DIMS"),
]


def to_request(sent: Sent):
    return request(array(sent.dtype, sent.shape, sent.data, fortran_order=sent.fortran_order), fidelity=sent.fidelity)


def check_refused(sent: Sent, reason: str, stub: TensorServiceStub, convert: Transport) -> None:
    refusal = convert(stub, to_request(sent)).refusal
    assert refusal is not None
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert refusal.message.startswith("array 'x'")
    assert refusal.metadata["array"] == "x"
    assert refusal.retry_after_ms == 0


each_transport = pytest.mark.parametrize("convert", TRANSPORTS.values(), ids=TRANSPORTS.keys())


@each_transport
@pytest.mark.parametrize("sent", CONVERTED, ids=str)
def test_converts_as_the_oracle_does(sent: Sent, convert: Transport, stub: TensorServiceStub) -> None:
    expected = oracle.expect(sent.dtype, sent.shape, sent.data, fortran_order=sent.fortran_order)
    oracle.check_converted(convert(stub, to_request(sent)), expected)


@each_transport
@pytest.mark.parametrize("sent", STRICT_SENT, ids=str)
def test_strict_takes_what_from_numpy_takes(sent: Sent, convert: Transport, stub: TensorServiceStub) -> None:
    if reason := oracle.strict_refusal(sent.dtype, sent.data):
        check_refused(sent, reason, stub, convert)
    else:
        oracle.check_converted(convert(stub, to_request(sent)), oracle.expect(sent.dtype, sent.shape, sent.data))


@each_transport
@pytest.mark.parametrize("sent", REFUSED, ids=str)
def test_refuses_saying_why(sent: Sent, convert: Transport, stub: TensorServiceStub) -> None:
    check_refused(sent, sent.reason, stub, convert)


def test_a_size_mismatch_names_both_sizes(stub: TensorServiceStub) -> None:
    refusal = TRANSPORTS["unary"](stub, request(array("<f4", (2, 3), bytes(23)))).refusal
    assert refusal is not None
    assert refusal.message == "array 'x': float32 with shape [2, 3] needs 24 bytes, got 23"
    assert (refusal.metadata["expected"], refusal.metadata["actual"]) == ("24", "23")
