"""Requests that are wrong, each in one way: the code and the text by which one finds out what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from grpc import StatusCode
from tritonclient.grpc import service_pb2 as pb

from calls import (
    TIMEOUT_S,
    A,
    B,
    Stub,
    check_refusal,
    check_words,
    packed,
    parameters_of,
    refused,
    request_of,
    simple_request,
    tensor_of,
)

Request = pb.ModelInferRequest

INVALID = StatusCode.INVALID_ARGUMENT
ROW = bytes(64)  # One of `simple`.

ACCEPTS = "Triton accepts it"


@dataclass(frozen=True)
class Bad:
    request: Request
    says: tuple[str, ...] = ()  # Parts of the text of either server.
    ours: tuple[str, ...] = ()  # Parts of this server's text only: what was expected, and what came.
    codes: tuple[StatusCode, ...] = (INVALID,)
    triton: str = ""  # Why a real Triton is not asked.


def simple(*inputs: tuple[str, list[int], bytes], **more: object) -> Request:
    return request_of("simple", *inputs, **more)


def first(datatype: str, shape: list[int], data: bytes) -> Request:
    """INPUT0 as it says, and INPUT1 as it should be."""
    return simple((datatype, shape, data), ("INT32", [1, 16], ROW))


def one(model: str, datatype: str, shape: list[int], data: bytes, **more: object) -> Request:
    return request_of(model, (datatype, shape, data), **more)


def named(*names: str) -> Request:
    return Request(
        model_name="simple",
        inputs=[tensor_of(name, "INT32", [1, 16]) for name in names],
        raw_input_contents=[ROW] * len(names),
    )


def typed(datatype: str, shape: list[int], model: str = "", **contents: object) -> Request:
    given = tensor_of("INPUT0", datatype, shape, contents=pb.InferTensorContents(**contents))
    return Request(model_name=model or f"identity_{datatype.lower()}", inputs=[given])


def output(name: str, **parameters: object) -> Request:
    wanted = pb.ModelInferRequest.InferRequestedOutputTensor(name=name, parameters=parameters_of(parameters))
    return simple_request(outputs=[wanted])


def strings(data: bytes, shape: tuple[int, ...] = (1,)) -> Request:
    return request_of("simple_string", ("BYTES", shape, data), ("BYTES", [1], packed(b"1")))


BATCHES = simple(("INT32", [1, 16], ROW), ("INT32", [2, 16], 2 * ROW))
SURPLUS = Request(model_name="idle", inputs=[tensor_of("INPUT0", "FP32", [1])], raw_input_contents=[bytes(4), bytes(4)])
MISSING = Request(model_name="simple", inputs=simple_request().inputs, raw_input_contents=[A.tobytes()])
NO_DATA = Request(model_name="simple", inputs=simple_request().inputs)
BOTH_KINDS = Request(
    model_name="simple",
    inputs=[
        tensor_of("INPUT0", "INT32", [1, 16], contents=pb.InferTensorContents(int_contents=range(16))),
        tensor_of("INPUT1", "INT32", [1, 16]),
    ],
    raw_input_contents=[B.tobytes()],
)

BAD = {
    # These requests name models and versions that there are not.
    "unknown model": Bad(one("no-such", "FP32", [1], bytes(4)), ("'no-such'",), codes=(StatusCode.NOT_FOUND,)),
    "unknown version": Bad(
        simple_request(model_version="9"), ("'simple'", "9"), codes=(StatusCode.NOT_FOUND, StatusCode.UNAVAILABLE)
    ),
    "version that is no number": Bad(
        simple_request(model_version="one"), ("'one'", "version should be an integral value > 0"), codes=(INVALID,)
    ),
    "no model": Bad(Request(), codes=(INVALID, StatusCode.NOT_FOUND)),
    # These requests name their inputs wrongly.
    "no inputs": Bad(Request(model_name="simple"), ("simple",), ("INPUT0",)),
    "one input": Bad(named("INPUT0"), ("simple",), ("INPUT1",)),
    "the other input": Bad(named("INPUT1"), ("simple",), ("INPUT0",)),
    "unknown input": Bad(named("INPUT0", "INPUT7"), ("simple",), ("INPUT7",)),
    "extra input": Bad(named("INPUT0", "INPUT1", "INPUT2"), ("simple",), ("INPUT2",)),
    "input twice": Bad(named("INPUT0", "INPUT0"), ("INPUT0",)),
    "three, of which two are the same": Bad(named("INPUT0", "INPUT1", "INPUT1"), ("INPUT1",)),
    "input without a name": Bad(named("", "INPUT1"), ("simple",)),
    "name in other letters": Bad(named("input0", "INPUT1"), ("input0",)),
    # These requests have wrong datatypes.
    "another datatype": Bad(first("FP32", [1, 16], ROW), ("INPUT0", "FP32", "INT32")),
    "a datatype of the same size": Bad(first("UINT32", [1, 16], ROW), ("INPUT0", "UINT32", "INT32")),
    "no datatype": Bad(first("", [1, 16], ROW), ("INPUT0",), ("INT32",)),
    "NumPy's name": Bad(first("int32", [1, 16], ROW), ("INPUT0",), ("'int32'",)),
    "configuration's name": Bad(first("TYPE_INT32", [1, 16], ROW), ("INPUT0",), ("'TYPE_INT32'",)),
    "unknown datatype": Bad(one("idle", "FLOAT32", [1], bytes(4)), ("INPUT0",), ("'FLOAT32'",)),
    "strings for numbers": Bad(first("BYTES", [1, 16], b"\0\0\0\0" * 16), ("INPUT0", "BYTES", "INT32")),
    # These requests have wrong shapes.
    "too narrow": Bad(first("INT32", [1, 15], bytes(60)), ("INPUT0", "[1,15]", "[-1,16]")),
    "too wide": Bad(first("INT32", [1, 17], bytes(68)), ("INPUT0", "[1,17]", "[-1,16]")),
    "no batch dimension": Bad(first("INT32", [16], ROW), ("INPUT0",), ("[16]", "[-1,16]")),
    "a dimension too many": Bad(first("INT32", [1, 1, 16], ROW), ("INPUT0", "[1,1,16]", "[-1,16]")),
    "no dimension": Bad(first("INT32", [], bytes(4)), ("INPUT0",)),
    "batch too large": Bad(simple(("INT32", [9, 16], 9 * ROW), ("INT32", [9, 16], 9 * ROW)), ("8", "simple"), ("9",)),
    "batches unequal": Bad(BATCHES, ("INPUT", "simple"), ("INPUT0", "INPUT1")),
    "variable dimension": Bad(first("INT32", [1, -1], ROW), ("INPUT0",), ("-1",)),
    "variable batch": Bad(first("INT32", [-1, 16], ROW), ("INPUT0",), ("-1",)),
    "negative dimensions": Bad(
        one("grid", "FP32", [-2, -3], bytes(24)), ("INPUT0",), ("[-2,-3]", "negative dimension")
    ),
    "product of two negatives": Bad(first("INT32", [-2, -8], ROW), ("INPUT0",)),
    "negative, in another rank": Bad(
        one("idle", "FP32", [-2, 2], bytes(16)), ("INPUT0",), ("[-2,2]", "negative dimension")
    ),
    "a grid of another shape": Bad(one("grid", "FP32", [3, 2], bytes(24)), ("INPUT0", "[3,2]", "[2,3]")),
    "a grid that is flat": Bad(one("grid", "FP32", [6], bytes(24)), ("INPUT0", "[6]", "[2,3]")),
    "rank where it is fixed": Bad(one("idle", "FP32", [2, 2], bytes(16)), ("INPUT0", "[2,2]", "[-1]")),
    "a scalar where there is none": Bad(one("idle", "FP32", [], bytes(4)), ("INPUT0",)),
    "a size that overflows": Bad(one("grid", "FP32", [1 << 62, 3], bytes(4)), ("INPUT0",), ("larger than 2^63 bytes",)),
    "the largest dimension": Bad(one("idle", "FP32", [(1 << 63) - 1], bytes(4)), ("INPUT0",)),
    "a terabyte": Bad(one("idle", "FP32", [1 << 38], bytes(4)), ("INPUT0",), ("4",)),
    "many dimensions": Bad(one("idle", "FP32", [1] * 1000, bytes(4)), ("INPUT0",)),
    # These requests have wrong raw contents.
    "one byte short": Bad(first("INT32", [1, 16], bytes(63)), ("INPUT0", "64", "63")),
    "one byte long": Bad(first("INT32", [1, 16], bytes(65)), ("INPUT0", "64", "65")),
    "no bytes": Bad(first("INT32", [1, 16], b""), ("INPUT0", "64", "0")),
    "bytes of nothing": Bad(one("idle", "FP32", [0], bytes(4)), ("INPUT0",), ("0", "4")),
    "half an element": Bad(one("idle", "FP32", [2], bytes(6)), ("INPUT0", "8", "6")),
    "raw contents missing": Bad(MISSING, (), ("INPUT1", "1", "2")),
    "raw contents surplus": Bad(SURPLUS, (), ("1", "2"), triton=ACCEPTS),
    "no contents at all": Bad(NO_DATA, ("INPUT0",)),
    "typed and raw": Bad(BOTH_KINDS, ("raw_input_contents", "'INPUT0'", "'simple'")),
    # These requests have wrong strings.
    "length cut off": Bad(strings(packed(b"1")[:3]), ("INPUT0",)),
    "string cut off": Bad(strings(packed(b"12345")[:5]), ("INPUT0",)),
    "length that is huge": Bad(strings(b"\xff\xff\xff\xff1"), ("INPUT0",)),
    "too few strings": Bad(strings(packed(b"1"), (2,)), ("INPUT0",), ("1", "2")),
    "too many strings": Bad(strings(packed(b"1", b"2")), ("INPUT0",), ("1", "2")),
    "bytes after the strings": Bad(strings(packed(b"1") + b"x"), ("INPUT0",)),
    # These requests have wrong typed contents.
    "typed, too few": Bad(typed("INT32", [2], int_contents=[1]), ("INPUT0",), ("1", "2")),
    "typed, too many": Bad(typed("INT32", [2], int_contents=[1, 2, 3]), ("INPUT0",), ("2", "3")),
    "typed, in another field": Bad(typed("INT32", [1], fp32_contents=[1]), ("INPUT0",)),
    "typed, in two fields": Bad(typed("INT32", [1], int_contents=[1], fp32_contents=[1]), ("INPUT0",)),
    "typed halves": Bad(typed("FP16", [1], fp32_contents=[1]), ("INPUT0",), ("FP16",)),
    "typed bfloat16": Bad(typed("BF16", [1], uint_contents=[1]), ("INPUT0",), ("BF16",)),
    "typed, above INT8": Bad(typed("INT8", [1], int_contents=[300]), (), ("INPUT0", "INT8", "300"), triton=ACCEPTS),
    "typed, below INT8": Bad(typed("INT8", [1], int_contents=[-129]), (), ("INPUT0", "-129"), triton=ACCEPTS),
    "typed, above UINT8": Bad(typed("UINT8", [1], uint_contents=[256]), (), ("INPUT0", "256"), triton=ACCEPTS),
    "typed, below INT16": Bad(typed("INT16", [1], int_contents=[-32769]), (), ("INPUT0", "-32769"), triton=ACCEPTS),
    "typed, above UINT16": Bad(typed("UINT16", [1], uint_contents=[65536]), (), ("INPUT0", "65536"), triton=ACCEPTS),
    # These requests have wrong outputs and parameters.
    "unknown output": Bad(output("OUTPUT7"), ("OUTPUT7", "simple")),
    "output without a name": Bad(output(""), ("simple",)),
    "classes, none": Bad(output("OUTPUT0", classification=0), ("classification",)),
    "classes, negative": Bad(output("OUTPUT0", classification=-1), ("classification",)),
    "a reserved parameter": Bad(simple_request(parameters=parameters_of({"triton_any": 1})), ("triton_",)),
    "a timeout that is text": Bad(simple_request(parameters=parameters_of({"timeout": "1"})), ("timeout",)),
    "a priority that is text": Bad(simple_request(parameters=parameters_of({"priority": "1"})), ("priority",)),
    "a priority below zero": Bad(simple_request(parameters=parameters_of({"priority": -1})), ("priority",)),
    "a final response that is no bool": Bad(
        simple_request(parameters=parameters_of({"triton_enable_empty_final_response": "yes"})), ("triton_",)
    ),
}


@pytest.fixture(scope="module", autouse=True)
def unharmed(stub: Stub) -> Iterator[None]:
    yield
    check_unharmed(stub)


def check_unharmed(stub: Stub) -> None:
    assert stub.ServerReady(pb.ServerReadyRequest(), timeout=TIMEOUT_S).ready
    response = stub.ModelInfer(simple_request(), timeout=TIMEOUT_S)
    assert list(response.raw_output_contents) == [(A + B).tobytes(), (A - B).tobytes()]


def words_of(bad: Bad, target: object) -> tuple[str, ...]:
    if target.is_triton and bad.triton:
        pytest.skip(bad.triton)
    return bad.says if target.is_triton else (*bad.says, *bad.ours)


@pytest.mark.parametrize("case", BAD)
def test_a_call_is_refused(case: str, stub: Stub, target: object) -> None:
    bad = BAD[case]
    words = words_of(bad, target)
    with refused(bad.codes, *words):
        stub.ModelInfer(bad.request, timeout=TIMEOUT_S)
    check_unharmed(stub)


def test_a_stream_answers_each_with_an_error(stub: Stub, target: object) -> None:
    cases = {name: bad for name, bad in BAD.items() if not (target.is_triton and bad.triton)}
    requests = []
    for name, bad in cases.items():
        requests += [Request(), simple_request(id=f"after {name}")]
        requests[-2].CopyFrom(bad.request)
        requests[-2].id = name
    answers = {r.infer_response.id: r for r in stub.ModelStreamInfer(iter(requests), timeout=TIMEOUT_S)}
    assert len(answers) == 2 * len(cases)
    for name, bad in cases.items():
        check_words(answers[name].error_message, *words_of(bad, target))
        assert not answers[f"after {name}"].error_message
        assert len(answers[f"after {name}"].infer_response.outputs) == 2


def test_many_at_once(stub: Stub, target: object) -> None:
    cases = [bad for bad in BAD.values() if not (target.is_triton and bad.triton)]
    calls = [(bad, stub.ModelInfer.future(bad.request, timeout=TIMEOUT_S)) for bad in cases * 3]
    for bad, call in calls:
        check_refusal(call.exception(), bad.codes, *words_of(bad, target))
