"""Requests, and refusals of them, in few words."""

from __future__ import annotations

import queue
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

Stub = service_pb2_grpc.GRPCInferenceServiceStub
Array = np.ndarray

TIMEOUT_S = 60  # Until a call that hangs fails; nothing is expected to take that long.

A = np.arange(16, dtype=np.int32).reshape(1, 16)
B = np.full((1, 16), 3, dtype=np.int32)


def input_of(name: str, array: Array) -> triton.InferInput:
    given = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    given.set_data_from_numpy(array)
    return given


def inputs_of(*arrays: Array) -> list[triton.InferInput]:
    """INPUT0, INPUT1, …"""
    return [input_of(f"INPUT{i}", array) for i, array in enumerate(arrays)]


def tensor_of(name: str, datatype: str, shape: Sequence[int], **more: object) -> pb.ModelInferRequest.InferInputTensor:
    return pb.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=shape, **more)


def request_of(model: str, *tensors: tuple[str, Sequence[int], bytes], **more: object) -> pb.ModelInferRequest:
    """A request with INPUT0, INPUT1, … as datatype, shape and raw bytes."""
    inputs = [tensor_of(f"INPUT{i}", datatype, shape) for i, (datatype, shape, _) in enumerate(tensors)]
    return pb.ModelInferRequest(
        model_name=model, inputs=inputs, raw_input_contents=[data for *_, data in tensors], **more
    )


def packed(*strings: bytes) -> bytes:
    """The raw form of a BYTES tensor."""
    return b"".join(struct.pack("<I", len(string)) + string for string in strings)


def simple_request(**more: object) -> pb.ModelInferRequest:
    return request_of("simple", *(("INT32", x.shape, x.tobytes()) for x in (A, B)), **more)


def parameters_of(parameters: Mapping[str, object]) -> dict[str, pb.InferParameter]:
    kinds = {bool: "bool_param", int: "int64_param", str: "string_param", float: "double_param"}
    return {name: pb.InferParameter(**{kinds[type(value)]: value}) for name, value in parameters.items()}


def check_simple(result: triton.InferResult, a: Array = A, b: Array = B) -> None:
    """The result of `simple`, whole."""
    response = result.get_response()
    assert (response.model_name, response.model_version) == ("simple", "1")
    assert [output.name for output in response.outputs] == ["OUTPUT0", "OUTPUT1"]
    assert len(response.raw_output_contents) == 2
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), a + b, strict=True)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), a - b, strict=True)


Answer = tuple[triton.InferResult | None, InferenceServerException | None]


class Answers:
    """A callback of tritonclient's, and what it was given."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Answer] = queue.SimpleQueue()

    def __call__(self, result: triton.InferResult | None, error: InferenceServerException | None) -> None:
        self._queue.put((result, error))

    def receive(self) -> Answer:
        return self._queue.get(timeout=TIMEOUT_S)

    def result(self) -> triton.InferResult:
        result, error = self.receive()
        assert error is None, error
        return result

    def error(self) -> InferenceServerException:
        result, error = self.receive()
        assert result is None, result.get_response()
        return error

    def empty(self) -> bool:
        return self._queue.empty()


Codes = grpc.StatusCode | tuple[grpc.StatusCode, ...]


@contextmanager
def refused(code: Codes, *words: str) -> Iterator[None]:
    """The call in the block is answered with this code (or one of several), and a text with these words."""
    with pytest.raises((InferenceServerException, grpc.RpcError)) as caught:
        yield
    check_refusal(caught.value, code, *words)


def check_refusal(error: Exception, code: Codes, *words: str) -> None:
    if isinstance(error, InferenceServerException):
        status, text = error.status(), error.message()
    else:
        status, text = str(error.code()), error.details()
    assert status in [str(code) for code in (code if isinstance(code, tuple) else (code,))], text
    check_words(text, *words)


def check_words(text: str, *words: str) -> None:
    text = text.replace(", ", ",")  # Shapes are written with spaces and without.
    for word in words:
        assert word.replace(", ", ",") in text, text
