"""Requests of the Open Inference Protocol: `identity` gives the inputs back, raw ones and typed ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

import faults
from arrays import Sent, expect, random_array, random_name
from dtypes import DTYPES, DType
from oip_messages import InferTensorContents, ModelInferRequest
from oracle import Expected

# The fields of InferTensorContents by the datatypes whose elements they hold.
FIELDS = {"BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
          "INT64": "int64_contents", "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
          "UINT64": "uint64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents"}  # fmt: skip
TYPED = [dtype for dtype in DTYPES if dtype.oip in FIELDS]
NO_DATATYPES = ["", "FLOAT", "fp32", "FP8", "<f4", "float32", "INT128", "FP32 ", "STRING", "TYPE_FP32"]


@dataclass
class OipCase:
    message: Any  # A ModelInferRequest.
    expected: dict[str, Expected]  # By the names of the inputs.
    reasons: set[str] = field(default_factory=set)


def _random_input(rng: Random, name: str, dtype: DType) -> Sent:
    sent = random_array(rng, name, dtype=dtype)
    data = sent.data
    return Sent(name, dtype, False, dtype.name, sent.shape, False, data)


def _typed_contents(sent: Sent) -> Any:
    """The elements in the field of their datatype. Floating-point numbers go in as bytes: NaNs keep their bits."""
    field_name = FIELDS[sent.dtype.oip]
    if sent.dtype.oip in ("FP32", "FP64"):
        number = InferTensorContents.DESCRIPTOR.fields_by_name[field_name].number
        length, nbytes = bytearray(), len(sent.data)
        while nbytes > 0x7F:
            length.append(nbytes & 0x7F | 0x80)
            nbytes >>= 7
        length.append(nbytes)
        return InferTensorContents.FromString(bytes([number << 3 | 2]) + length + sent.data)
    values = np.frombuffer(sent.data, sent.dtype.carrier).tolist()
    return InferTensorContents(
        **{field_name: [bool(value) if sent.dtype.name == "bool" else value for value in values]}
    )


def _add_input(message: Any, sent: Sent, typed: bool) -> None:
    added = message.inputs.add(name=sent.name, datatype=sent.dtype.oip, shape=sent.shape)
    if typed:
        added.contents.CopyFrom(_typed_contents(sent))
    else:
        message.raw_input_contents.append(sent.data)


def _break_raw(rng: Random, case: OipCase, sent: Sent, place: int) -> None:
    message = case.message
    kind = rng.randrange(3)
    if kind == 0:
        message.raw_input_contents[place] = faults.break_length(rng, sent.data)
        case.reasons.add("SIZE_MISMATCH")
    elif kind == 1:
        message.raw_input_contents.append(b"1234")
        case.reasons.add("INPUT_MISMATCH")
    else:
        message.inputs[place].contents.SetInParent()
        case.reasons.add("CONFLICTING_FIELDS")


def _out_of_range(rng: Random, dtype: DType) -> int | None:
    """An integer that the field holds and the datatype does not."""
    if dtype.oip not in ("INT8", "INT16", "UINT8", "UINT16"):
        return None
    limits = np.iinfo(dtype.carrier)
    low = limits.min - 1 if limits.min else limits.max + 2
    return rng.choice([int(limits.max) + 1, int(low), 2**31 - 1])


def _break_typed(rng: Random, case: OipCase, sent: Sent, place: int) -> None:
    contents = case.message.inputs[place].contents
    values = getattr(contents, FIELDS[sent.dtype.oip])
    wrong = _out_of_range(rng, sent.dtype)
    kind = rng.randrange(3)
    if kind == 0 and wrong is not None and len(values):
        values[rng.randrange(len(values))] = wrong
        case.reasons.add("INPUT_MISMATCH")
    elif kind == 1:
        contents.bytes_contents.append(b"1")
        case.reasons.add("INPUT_MISMATCH")
    else:
        values.append(True if sent.dtype.name == "bool" else 1)
        case.reasons.add("SIZE_MISMATCH")


def _break_shape(rng: Random, case: OipCase, sent: Sent, place: int, typed: bool) -> None:
    shape = faults.random_bad_shape(rng, sent.shape)
    if reason := faults.reason_of_shape(shape, sent.dtype.itemsize, len(sent.data)):
        case.message.inputs[place].shape[:] = shape
        case.reasons.add(reason)
        if typed and reason == "TENSOR_TOO_LARGE":
            case.reasons.add("SIZE_MISMATCH")  # Both are true, and elements are counted first.


def _break_names(rng: Random, case: OipCase) -> None:
    message = case.message
    kind = rng.randrange(6)
    if kind == 0:
        message.id = faults.bad_name(rng)
        case.reasons.add("BAD_NAME")
    elif kind == 1:
        rng.choice(message.inputs).name = faults.bad_name(rng)
        case.reasons.add("BAD_NAME")
    elif kind == 2:
        message.model_name = "no such model"
        case.reasons.add("MODEL_NOT_FOUND")
    elif kind == 3:
        message.outputs.add(name="no such output")
        case.reasons.add("UNKNOWN_OUTPUT")
    elif kind == 4:
        message.inputs[-1].name = message.inputs[0].name if len(message.inputs) > 1 else ""
        case.reasons.add("INPUT_MISMATCH")
    else:
        rng.choice(message.inputs).datatype = rng.choice(NO_DATATYPES)
        case.reasons.add("BAD_DTYPE")


def _break(rng: Random, case: OipCase, sent: list[Sent], typed: bool) -> None:
    place = rng.randrange(len(sent))
    kind = rng.randrange(4)
    if kind == 0:
        _break_names(rng, case)
    elif kind == 1:
        _break_shape(rng, case, sent[place], place, typed)
    elif typed:
        _break_typed(rng, case, sent[place], place)
    else:
        _break_raw(rng, case, sent[place], place)


def make(rng: Random) -> OipCase:
    typed = rng.random() < 0.35
    count = 1 if rng.random() < 0.75 else rng.randint(2, 4)
    inputs = [_random_input(rng, random_name(rng, i), rng.choice(TYPED if typed else DTYPES)) for i in range(count)]
    message = ModelInferRequest(model_name="identity", id=random_name(rng, 0) if rng.random() < 0.7 else "")
    for sent in inputs:
        _add_input(message, sent, typed)
    if rng.random() < 0.3:
        for name in rng.sample([sent.name for sent in inputs], rng.randint(1, count)):
            message.outputs.add(name=name)
    case = OipCase(message, {sent.name: expect(_as_typed(sent) if typed else sent) for sent in inputs})
    if rng.random() < 0.2:
        _break(rng, case, inputs, typed)
    return case


def _as_typed(sent: Sent) -> Sent:
    """What is left of the elements in `contents`: bools are true or false there."""
    if sent.dtype.name != "bool":
        return sent
    data = (np.frombuffer(sent.data, np.uint8) != 0).tobytes()
    return Sent(sent.name, sent.dtype, False, sent.source, sent.shape, False, data)


def check(case: OipCase, response: Any) -> None:
    """Compares a ModelInferResponse with what the inputs are; raises AssertionError."""
    assert not case.reasons, f"answered; it should have been refused: {sorted(case.reasons)}"
    request = case.message
    assert (response.id, response.model_name) == (request.id, "identity"), (response.id, response.model_name)
    wanted = [output.name for output in request.outputs] or list(case.expected)
    assert [output.name for output in response.outputs] == wanted, response
    datatypes = {sent.name: sent.datatype for sent in request.inputs}
    for output, raw in zip(response.outputs, response.raw_output_contents, strict=True):
        expected = case.expected[output.name]
        assert output.datatype == datatypes[output.name], output
        assert tuple(output.shape) == expected.shape, output
        assert raw == expected.data, f"{output.name}: {raw!r}, not {expected.data!r}"
        assert len(raw) == math.prod(expected.shape) * expected.itemsize


def check_refusal(case: OipCase, reason: str, message: str) -> None:
    assert reason in case.reasons, f"refused: {reason} {message!r}; may be for {sorted(case.reasons) or 'nothing'}"
    assert message
