"""Converts over the generated stubs alone, and turns every way of doing so into one `Outcome`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from harness import TIMEOUT_S
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub

CONVERT = pb.FIDELITY_CONVERT
STRICT = pb.FIDELITY_STRICT
CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True)
class Refusal:
    """Why a request was refused or failed: in-band on a stream, else the status that ended the call."""

    code: grpc.StatusCode
    reason: str
    message: str
    metadata: dict[str, str]
    retry_after_ms: int
    ended_call: bool


@dataclass(frozen=True)
class ReceivedTensor:
    metadata: pb.TensorMetadata
    data: bytes | None  # None: no payload was set.


@dataclass(frozen=True)
class Outcome:
    """What came of one request, whichever way it was sent: tensors, or a refusal."""

    response: pb.ConvertResponse = field(default_factory=pb.ConvertResponse)
    tensors: tuple[ReceivedTensor, ...] = ()
    outputs: tuple[ReceivedTensor, ...] = ()
    refusal: Refusal | None = None

    @property
    def reason(self) -> str:
        """The refusal's reason, or the empty string."""
        return self.refusal.reason if self.refusal else ""


def array(
    dtype: str, shape: Sequence[int] = (), data: bytes = b"", *, fortran_order: bool = False, name: str = "x"
) -> pb.Array:
    return pb.Array(name=name, dtype=dtype, shape=shape, fortran_order=fortran_order, data=data)


def npy_array(npy: bytes, *, dtype: str = "", name: str = "x") -> pb.Array:
    return pb.Array(name=name, dtype=dtype, npy=npy)


def request(*arrays: pb.Array, **fields: object) -> pb.ConvertRequest:
    """A request that asks for all there is to compare: the digest and the elements."""
    defaults = {"digest": pb.DIGEST_ALGORITHM_XXH3_128, "return_data": True}
    return pb.ConvertRequest(arrays=arrays, **{**defaults, **fields})


def request_part(message: pb.ConvertRequest) -> pb.ConvertStreamRequest:
    return pb.ConvertStreamRequest(request=message)


def chunk_part(chunk: bytes) -> pb.ConvertStreamRequest:
    return pb.ConvertStreamRequest(chunk=chunk)


def chunked_parts(message: pb.ConvertRequest, chunk_nbytes: int) -> Iterator[pb.ConvertStreamRequest]:
    """The request with every inline `data` sent behind it, in chunks of at most `chunk_nbytes` bytes."""
    header = pb.ConvertRequest()
    header.CopyFrom(message)
    payloads = []
    for declared in header.arrays:
        if declared.WhichOneof("payload") == "data":
            payloads.append(declared.data)
            declared.chunked_nbytes = len(declared.data)
    yield request_part(header)
    for payload in payloads:
        for start in range(0, len(payload), chunk_nbytes):
            yield chunk_part(payload[start : start + chunk_nbytes])


def refusal_of_call(error: grpc.RpcError) -> Refusal:
    """The status of a call that failed, with its google.rpc details."""
    reason, metadata, retry_after_ms = "", {}, 0
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            assert info.domain == "tensorferry"
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(retry):
            retry_after_ms = retry.retry_delay.ToMilliseconds()
    return Refusal(error.code(), reason, error.details(), metadata, retry_after_ms, ended_call=True)


def refusal_in_band(error: pb.Error) -> Refusal:
    return Refusal(
        CODES[error.code],
        error.reason,
        error.message,
        dict(error.metadata),
        error.retry_after_ms,
        ended_call=False,
    )


def _inline(tensors: Iterable[pb.Tensor]) -> tuple[ReceivedTensor, ...]:
    return tuple(ReceivedTensor(t.metadata, t.data if t.WhichOneof("payload") else None) for t in tensors)


def _receive_payload(tensor: pb.Tensor, parts: Iterator[pb.ConvertStreamResponse]) -> ReceivedTensor:
    """The tensor with its elements, gathered from the chunks if they were announced so."""
    if tensor.WhichOneof("payload") != "chunked_nbytes":
        return _inline([tensor])[0]
    elements = bytearray()
    while len(elements) < tensor.chunked_nbytes:
        part = next(parts)
        assert part.WhichOneof("part") == "chunk"
        assert part.chunk
        elements += part.chunk
    assert len(elements) == tensor.chunked_nbytes, "a chunk holds bytes of two tensors"
    return ReceivedTensor(tensor.metadata, bytes(elements))


def receive_outcomes(parts: Iterator[pb.ConvertStreamResponse]) -> Iterator[Outcome]:
    """One outcome per response, each with the chunks that follow it."""
    for part in parts:
        assert part.WhichOneof("part") == "response"
        response = part.response
        if response.HasField("error"):
            assert not (response.tensors or response.outputs)
            yield Outcome(response, refusal=refusal_in_band(response.error))
            continue
        tensors = tuple(_receive_payload(tensor, parts) for tensor in response.tensors)
        outputs = tuple(_receive_payload(tensor, parts) for tensor in response.outputs)
        yield Outcome(response, tensors, outputs)


def converse(stub: TensorServiceStub, parts: Iterable[pb.ConvertStreamRequest]) -> tuple[list[Outcome], Refusal | None]:
    """Sends `parts` on one stream: the answers, and the status that ended the stream unless that is OK."""
    outcomes: list[Outcome] = []
    try:
        for outcome in receive_outcomes(stub.ConvertStream(iter(parts), timeout=TIMEOUT_S)):
            outcomes.append(outcome)
    except grpc.RpcError as error:
        return outcomes, refusal_of_call(error)
    return outcomes, None


def convert_unary(stub: TensorServiceStub, message: pb.ConvertRequest) -> Outcome:
    try:
        response = stub.Convert(message, timeout=TIMEOUT_S)
    except grpc.RpcError as error:
        return Outcome(refusal=refusal_of_call(error))
    assert not response.HasField("error")
    return Outcome(response, _inline(response.tensors), _inline(response.outputs))


def _only_outcome(stub: TensorServiceStub, parts: Iterable[pb.ConvertStreamRequest]) -> Outcome:
    outcomes, ended = converse(stub, parts)
    assert ended is None, ended
    (outcome,) = outcomes
    return outcome


def convert_stream(stub: TensorServiceStub, message: pb.ConvertRequest) -> Outcome:
    return _only_outcome(stub, [request_part(message)])


def convert_chunks(stub: TensorServiceStub, message: pb.ConvertRequest, chunk_nbytes: int = 7) -> Outcome:
    return _only_outcome(stub, chunked_parts(message, chunk_nbytes))


Transport = Callable[[TensorServiceStub, pb.ConvertRequest], Outcome]

# An `.npy` file travels whole and is never chunked.
WHOLE: dict[str, Transport] = {"unary": convert_unary, "stream": convert_stream}
TRANSPORTS: dict[str, Transport] = {**WHOLE, "chunks": convert_chunks}
CHUNK_SIZES: dict[str, Transport] = {
    f"chunks_of_{nbytes}": partial(convert_chunks, chunk_nbytes=nbytes) for nbytes in (1, 3, 7, 64, 1021)
}
