"""A server of ConvertStream whose every step a test decides."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from tensorferry.v1 import tensor_service_pb2 as pb

OK = pb.ConvertResponse(tensors=[pb.Tensor(metadata=pb.TensorMetadata(dtype="float64"))])


class Streaming(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers each request once its chunks are there.

    Attributes:
        answer: What answers the request of that number, or what it raises; it may wait.
        requests: Numbers of the streams that requests came on, in order.
        inline: Of each request the elements of its first array, as far as they are in its message.
        streams: How many streams were opened.
        ended: Counts streams that have ended, however.
        contexts: One for each stream.
    """

    def __init__(self, answer: Callable[[int, Any], pb.ConvertResponse] = lambda number, context: OK) -> None:
        self.answer = answer
        self.requests: list[int] = []
        self.inline: list[bytes] = []
        self.streams = 0
        self.ended = threading.Semaphore(0)
        self.contexts: list[Any] = []
        self._counting = threading.Lock()

    def service(self, details: Any) -> Any:
        if details.method.endswith("/ConvertStream"):
            return grpc.stream_stream_rpc_method_handler(self._stream)
        return grpc.unary_unary_rpc_method_handler(lambda request, context: OK.SerializeToString())

    def _stream(self, messages: Iterator[bytes], context: Any) -> Iterator[bytes]:
        with self._counting:
            stream, self.streams = self.streams, self.streams + 1
        self.contexts.append(context)
        context.add_callback(self.ended.release)
        missing = 0
        for message in messages:
            part = pb.ConvertStreamRequest.FromString(message)
            missing -= len(part.chunk)
            if part.HasField("request"):
                missing = sum(array.chunked_nbytes for array in part.request.arrays)
                self.inline += [array.data for array in part.request.arrays[:1]]
                self.requests.append(stream)
            if missing == 0:
                answer = self.answer(len(self.requests), context)
                yield pb.ConvertStreamResponse(response=answer).SerializeToString()
