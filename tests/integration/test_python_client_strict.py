"""`strict=True` refuses what `torch.from_numpy` refuses, and nothing else; reasons are the same on every road."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from typing import Any

import grpc
import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorferry
from array_layouts import Array
from harness import TIMEOUT_S, Server
from tensorferry._errors import from_rpc_error
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub

NATIVE = [np.dtype(code) for code in "?bBhHiIlLqQefdgFDG"]
USER = [np.dtype(getattr(ml_dtypes, name)) for name in ("bfloat16", "float8_e5m2", "float8_e4m3fn", "int4")]
FOREIGN = [np.dtype(code) for code in ("M8[s]", "m8", "S3", "U2", "V2", "V3", "O")]
STRUCTS = [np.dtype([("a", "u1"), ("b", "<f4")]), np.dtype("i4,f4")]
DTYPES = [*NATIVE, *(dtype.newbyteorder(">") for dtype in NATIVE + USER), *USER, *FOREIGN, *STRUCTS]


def gap(array: Array) -> Array:
    """Elements with a byte between them: strides that are no multiple of their size."""
    if array.dtype.hasobject:
        return array
    struct = np.zeros(array.shape, [("skipped", "u1"), ("kept", array.dtype)])
    struct["kept"] = array
    return struct["kept"]


LAYOUTS = {
    "c": lambda array: array,
    "fortran": np.asfortranarray,
    "transposed": lambda array: array.T,
    "every second": lambda array: array[..., ::2] if array.ndim else array,
    "reversed": np.flip,
    "broadcast": lambda array: np.broadcast_to(array[..., None], (*array.shape, 2)),
    "gap": gap,
    "new axis": lambda array: array[None, ..., None],
}
KINDS = {
    "array": lambda array: array,
    "subclass": lambda array: array.view(np.matrix) if array.ndim == 2 else array,
    "unmasked": lambda array: np.ma.masked_array(array),
    "list": lambda array: array.tolist(),
    "number": lambda array: array[(0,) * array.ndim] if array.size else array,
    "memoryview": lambda array: memoryview(array) if array.dtype.char in "bBhHiIlLqQfd" else array,
    "tensor": lambda array: torch.ones(2),
}


@st.composite
def sources(draw: st.DrawFn) -> Any:
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    array = np.zeros(shape, draw(st.sampled_from(DTYPES)))
    return draw(st.sampled_from([*["array"] * 6, *KINDS])), draw(st.sampled_from(sorted(LAYOUTS))), array


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[tensorferry.Client]:
    with tensorferry.Client(server.address, timeout=TIMEOUT_S) as connected:
        yield connected


def torch_takes(source: Any) -> bool:
    try:
        torch.from_numpy(source)
    except (TypeError, ValueError):
        return False
    return True


def strict_takes(client: tensorferry.Client, source: Any) -> bool:
    try:
        receipt = client.convert(source, strict=True)
    except tensorferry.RefusedError:
        return False
    assert receipt.digest_equal
    return True


@settings(deadline=None, max_examples=1000)
@given(sources())
@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable:UserWarning")
def test_strict_refuses_exactly_what_from_numpy_refuses(client: tensorferry.Client, drawn: Any) -> None:
    kind, layout, array = drawn
    source = KINDS[kind](np.asanyarray(LAYOUTS[layout](array)))
    assert strict_takes(client, source) == torch_takes(source)


STRICT_REFUSALS: list[tuple[Any, str]] = [
    (np.arange(6.0)[::-1], "STRICT_STRIDES"),
    (gap(np.zeros(3)), "STRICT_STRIDES"),
    ([1.0], "NOT_AN_ARRAY"),
    (np.float64(1), "NOT_AN_ARRAY"),
    (torch.ones(2), "NOT_AN_ARRAY"),
    (np.zeros(2, np.ulonglong), "UNSUPPORTED_DTYPE"),
    (np.zeros(2, ">f4"), "BYTE_ORDER"),
    (np.zeros(2, ml_dtypes.bfloat16), "UNSUPPORTED_DTYPE"),
]


@pytest.mark.parametrize("method", ["convert", "convert_many", "infer"])
@pytest.mark.parametrize(("source", "reason"), STRICT_REFUSALS)
def test_strict_is_strict_in_each_method(method: str, source: Any, reason: str, server: Server) -> None:
    arguments: dict[str, tuple[Any, ...]] = {
        "convert": (source,),
        "convert_many": ([source],),
        "infer": ("identity", {"x": source}),
    }

    async def main() -> None:
        async with tensorferry.aio.Client(server.address, timeout=TIMEOUT_S) as client:
            result = getattr(client, method)(*arguments[method], strict=True)
            if method == "convert_many":
                await anext(result)
            else:
                await result

    with (
        tensorferry.Client(server.address, timeout=TIMEOUT_S) as client,
        pytest.raises(tensorferry.RefusedError) as blocking,
    ):
        list(getattr(client, method)(*arguments[method], strict=True))
    with pytest.raises(tensorferry.RefusedError) as asynchronous:
        asyncio.run(main())
    assert blocking.value.reason == asynchronous.value.reason == reason


ORDERS = [(shape, order) for shape in [(10000, 1), (1, 7), (1, 1, 5), (3, 1, 2), (1, 1)] for order in "CF"]


@pytest.mark.parametrize(("shape", "order"), ORDERS)
def test_strides_are_torchs(shape: tuple[int, ...], order: Any, client: tensorferry.Client) -> None:
    array = np.zeros(shape, order=order)
    receipt = client.convert(array)
    assert receipt.strides == torch.from_numpy(array).stride()


# The refusals have their reasons on every road.

EVERY = [
    *NATIVE,
    *USER,
    *FOREIGN,
    *(np.dtype(code) for code in ("S0", "U0", "V0", "V1", "V4", "V8", ">M8[s]", ">U3", ">g", "M8")),
    *(np.dtype(getattr(ml_dtypes, name)) for name in ("float8_e3m4", "float4_e2m1fn", "uint2", "complex32")),
]
RGBA = np.dtype([("r", "u1"), ("g", "u1"), ("b", "u1"), ("a", "u1")])
NO_TYPE_STRING = [
    *STRUCTS,
    RGBA,
    np.dtype([("a", "<f4"), ("b", "O")]),
    np.dtype([("a", ">i2", (2,))]),
    np.dtype([("a", [("b", "u1")])]),
]


def reason(action: Any) -> str:
    try:
        action()
    except tensorferry.RefusedError as error:
        return error.reason
    except grpc.RpcError as error:
        refusal = from_rpc_error(error)
        if not isinstance(refusal, tensorferry.RefusedError):
            raise
        return refusal.reason
    return ""


def npy(array: Array) -> pb.Array:
    """The array as a file, with the name of its type where the file's descr is ambiguous."""
    file = io.BytesIO()
    np.save(file, array)
    is_user_type = array.dtype.isbuiltin == 2 and array.dtype.str[1] in "VW"
    return pb.Array(name="x", npy=file.getvalue(), dtype=array.dtype.name if is_user_type else "")


@pytest.mark.parametrize("dtype", EVERY + NO_TYPE_STRING, ids=str)
def test_the_reason_is_the_same_on_every_road(
    dtype: np.dtype[Any], client: tensorferry.Client, stub: TensorServiceStub
) -> None:
    array = np.zeros(2, dtype)
    reasons = {"client": reason(lambda: client.convert(array))}
    if dtype.isbuiltin != 2 or dtype.name in {row.numpy_dtype for row in client.server_info().dtypes}:
        reasons["npy"] = reason(lambda: stub.Convert(pb.ConvertRequest(arrays=[npy(array)])))
    if dtype not in NO_TYPE_STRING:
        spelling = dtype.name if dtype.isbuiltin == 2 else dtype.str
        data = b"" if dtype.hasobject else array.tobytes()
        raw = pb.Array(name="x", dtype=spelling, shape=[2], data=data)
        reasons["wire"] = reason(lambda: stub.Convert(pb.ConvertRequest(arrays=[raw])))
    assert len(set(reasons.values())) == 1, reasons
    if dtype in NO_TYPE_STRING:
        assert reasons["client"] == "UNSUPPORTED_DTYPE"


def test_numpys_strings_are_an_unsupported_dtype(client: tensorferry.Client, stub: TensorServiceStub) -> None:
    """A file of them is a pickle, so that the wire alone can be asked."""
    array = np.array(["a"], np.dtypes.StringDType())
    raw = pb.Array(name="x", dtype="|T16", shape=[1], data=b"")
    wire = reason(lambda: stub.Convert(pb.ConvertRequest(arrays=[raw])))
    assert reason(lambda: client.convert(array)) == wire == "UNSUPPORTED_DTYPE"
