"""What methods return pickles and copies, so that pools of processes can pass it on."""

from __future__ import annotations

import copy
import enum
import inspect
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import tensorferry
from tensorferry import _receipt
from tensorferry._arrays import WireArray
from tensorferry.v1 import tensor_service_pb2 as pb

ARRAY = np.arange(6, dtype=ml_dtypes.bfloat16).reshape(2, 3)
TIMING = tensorferry.Timing(1, 2, 3, 4)
SPEC = tensorferry.TensorSpec("x", "float32", (-1, 3))
DTYPE = tensorferry.DtypeInfo("float32", "<f4", "float32", 4, "FP32")
METADATA = pb.TensorMetadata(
    name="x", dtype="bfloat16", shape=[2, 3], strides=[3, 1], receipt=pb.Receipt(digest=b"1")
)
RESPONSE = pb.ConvertResponse(request_id="7", timing=pb.Timing(receive_ns=5))
RESULTS: list[Any] = [
    _receipt.make_receipt(WireArray(ARRAY, name="x"), METADATA, ARRAY, RESPONSE),
    tensorferry.Outputs({"y": ARRAY}, model="m", version="2", request_id="7", timing=TIMING),
    tensorferry.Infer("m", {"x": ARRAY}, version=2, outputs=["y"], request_id="7"),
    tensorferry.Model("m", "1", "READY", "", "torch", (SPEC,), (SPEC, SPEC), "00ff"),
    tensorferry.ServerInfo("0.1.0", "2.13", 1 << 26, 1 << 33, 1 << 20, 64, (DTYPE,), ("a",)),
    tensorferry.TLS(ca="ca.pem"),
    tensorferry.HealthStatus.SERVING,
    TIMING,
    SPEC,
    DTYPE,
]


def pickled(protocol: int, value: Any) -> Any:
    return pickle.loads(pickle.dumps(value, protocol))


WAYS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {number}": partial(pickled, number) for number in range(2, pickle.HIGHEST_PROTOCOL + 1)},
}


def facts(value: Any) -> Any:
    """Everything that a result says, in forms that compare."""
    if isinstance(value, enum.Enum):
        return value
    if isinstance(value, np.ndarray):
        return value.dtype.name, value.shape, value.tobytes()
    if isinstance(value, dict):
        return {name: facts(item) for name, item in {**value, **getattr(value, "__dict__", {})}.items()}
    attributes = getattr(value, "__dict__", None)
    return {name: facts(item) for name, item in attributes.items()} if attributes else value


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_a_copy_is_the_result(result: Any, way: str) -> None:
    copied = WAYS[way](result)
    assert type(copied) is type(result)
    assert facts(copied) == facts(result)
    assert str(copied) == str(result)


def test_every_class_of_the_package_is_here() -> None:
    public = {getattr(tensorferry, name) for name in tensorferry.__all__}
    classes = {value for value in public if inspect.isclass(value) and not issubclass(value, Exception)}
    assert classes - {tensorferry.Client, tensorferry.Server} == {type(result) for result in RESULTS}


def test_a_receipt_has_every_field() -> None:
    assert set(vars(RESULTS[0])) == set(inspect.signature(tensorferry.Receipt).parameters)
