"""An array larger than protobuf's 2 GiB: the right digest, and no second copy of it in the server."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import xxhash

from harness import MIB, Server, connect_stub
from tensorferry.v1 import tensor_service_pb2 as pb
from wire import chunk_part, receive_outcomes, request, request_part

NBYTES = 3072 * MIB


class CountedChunks:
    """Chunks of 1 MiB, each different, made as they are sent; `digest` is that of all made so far."""

    def __init__(self) -> None:
        self._block = np.random.default_rng(3).bytes(MIB - 8)
        self.digest = xxhash.xxh3_128()

    def __iter__(self) -> Iterator[bytes]:
        for number in range(NBYTES // MIB):
            chunk = number.to_bytes(8, "little") + self._block
            self.digest.update(chunk)
            yield chunk


@pytest.mark.large
def test_three_gibibytes_in_chunks() -> None:
    chunks = CountedChunks()
    declared = pb.Array(name="x", dtype="<f4", shape=[3, NBYTES // 12], chunked_nbytes=NBYTES)

    def parts() -> Iterator[pb.ConvertStreamRequest]:
        yield request_part(request(declared, return_data=False))
        yield from map(chunk_part, chunks)

    with Server("--memory-budget", "4GiB") as server, connect_stub(server.address) as stub:
        (outcome,) = receive_outcomes(stub.ConvertStream(parts()))
        assert outcome.refusal is None, outcome.refusal
        metadata = outcome.tensors[0].metadata
        assert metadata.receipt.digest == chunks.digest.digest()
        assert (metadata.dtype, list(metadata.shape), metadata.nbytes) == (
            "float32",
            [3, NBYTES // 12],
            NBYTES,
        )
        assert server.peak_rss() <= NBYTES + 200 * MIB
