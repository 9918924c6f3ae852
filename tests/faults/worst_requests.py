"""Requests that are as they should be, and take as much memory as requests can. Random ones are hardly ever so."""

from __future__ import annotations

from collections.abc import Callable

from harness import MIB
from oip_messages import ModelInferRequest
from random_message import END_GROUP, GROUP, tag, text, varint
from tensorferry.v1 import tensor_service_pb2 as pb
from wire import array, request

CONVERT = "/tensorferry.v1.TensorService/Convert"
INFER = "/inference.GRPCInferenceService/ModelInfer"
MESSAGE = 64 * MIB  # The most that a server takes by default.


def _infer(datatype: str, count: int, *, classes: int = 0) -> ModelInferRequest:
    wanted = ModelInferRequest(model_name="identity")
    wanted.inputs.add(name="x", datatype=datatype, shape=[count])
    if classes:
        wanted.outputs.add(name="x").parameters["classification"].int64_param = classes
    return wanted


def _raw(wanted: ModelInferRequest, nbytes: int) -> bytes:
    wanted.raw_input_contents.append(bytes(nbytes))
    return wanted.SerializeToString()


def _typed(datatype: str, field: int, content: bytes, count: int) -> bytes:
    """A request whose only input has this packed content in a field of `contents`."""
    tensor = text(1, b"x") + text(2, datatype.encode()) + text(3, varint(count)) + text(5, text(field, content))
    return text(1, b"identity") + text(5, tensor)


def _strings(content: bytes, count: int) -> bytes:
    contents = text(8, content) * count
    tensor = text(1, b"x") + text(2, b"BYTES") + text(3, varint(count)) + text(5, contents)
    return text(1, b"identity") + text(5, tensor)


def _fortran() -> bytes:
    square = array("<f4", (3584, 3584), bytes(49 * MIB), fortran_order=True)
    return request(square, model_name="identity").SerializeToString()


def _swapped_and_unsent() -> bytes:
    """Its elements come back, and with its receipt they are more than a message holds."""
    nbytes = MESSAGE - 64
    return request(array(">i4", (nbytes // 4,), bytes(nbytes), name="")).SerializeToString()


def _unknown_groups() -> bytes:
    known = request(array("|u1", (8,), bytes(8)), model_name="identity").SerializeToString()
    return known + (tag(999, GROUP) + tag(999, END_GROUP)) * (MIB // 4 - 100)


def _unusual_name() -> bytes:
    """Only protobuf's parser reads a name that is not ASCII, and with it all elements."""
    return pb.ConvertRequest(arrays=[array("|u1", (60 * MIB,), bytes(60 * MIB), name="größe")]).SerializeToString()


WORST: dict[str, tuple[str, Callable[[], bytes]]] = {
    "one class of many": (INFER, lambda: _raw(_infer("UINT8", 60 * MIB, classes=1), 60 * MIB)),
    "65,536 classes of many": (INFER, lambda: _raw(_infer("FP64", 7 * MIB, classes=1 << 16), 56 * MIB)),
    "small integers": (INFER, lambda: _typed("INT64", 3, b"\1" * (15 * MIB), 15 * MIB)),
    "bytes as integers": (INFER, lambda: _typed("INT8", 2, b"\1" * (15 * MIB), 15 * MIB)),
    "typed floats": (INFER, lambda: _typed("FP32", 6, bytes(60 * MIB), 15 * MIB)),
    "empty strings": (INFER, lambda: _strings(b"", 2_000_000)),
    "long strings": (INFER, lambda: _strings(bytes(20 * MIB), 3)),
    "Fortran order": (CONVERT, _fortran),
    "an answer too large": (CONVERT, _swapped_and_unsent),
    "unknown groups": (CONVERT, _unknown_groups),
    "an unusual name": (CONVERT, _unusual_name),
}
