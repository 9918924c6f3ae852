"""tritonclient's streams, and requests for a stub's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2 as pb

from calls import TIMEOUT_S, Answers, Stub, inputs_of

Client = triton.InferenceServerClient


class Stream(Answers):
    """tritonclient's stream of a client, and what came of it."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    def send(self, model: str, *arrays: np.ndarray, **options: object) -> None:
        self._client.async_stream_infer(model, inputs_of(*arrays), **options)


@contextmanager
def streaming(client: Client, **options: object) -> Iterator[Stream]:
    stream = Stream(client)
    client.start_stream(stream, **options)
    yield stream
    client.stop_stream()


def stream_all(stub: Stub, *requests: pb.ModelInferRequest, **options: object) -> list[pb.ModelStreamInferResponse]:
    return list(stub.ModelStreamInfer(iter(requests), timeout=TIMEOUT_S, **options))
