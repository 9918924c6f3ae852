"""Uploads of arrays that come piece by piece, as a test says."""

from __future__ import annotations

from queue import Queue

from harness import TIMEOUT_S
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import chunk_part, request, request_part


class Upload:
    """A request on a stream, of which some bytes are sent at a time."""

    def __init__(self, stub: TensorServiceStub, nbytes: int) -> None:
        declared = pb.Array(name="x", dtype="|u1", shape=[nbytes], chunked_nbytes=nbytes)
        self._parts: Queue[pb.ConvertStreamRequest | None] = Queue()
        self._parts.put(request_part(request(declared, return_data=False)))
        self._answers = stub.ConvertStream(iter(self._parts.get, None), timeout=TIMEOUT_S)

    def send(self, nbytes: int) -> None:
        self._parts.put(chunk_part(bytes(nbytes)))

    def answer(self) -> pb.ConvertResponse:
        return next(self._answers).response

    def end(self) -> None:
        self._parts.put(None)
        assert list(self._answers) == []

    def cancel(self) -> None:
        self._parts.put(None)
        self._answers.cancel()
