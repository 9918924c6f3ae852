"""A client that stops for ever in the middle of an array: run as a program, and killed there.

Argument: the server's address. Prints `midstream` once part of a chunked array has been sent.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import grpc

from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub

NBYTES = 64 << 20
BLOCK = bytes(1 << 20)


def parts() -> Iterator[pb.ConvertStreamRequest]:
    array = pb.Array(name="x", dtype="|u1", shape=[NBYTES], chunked_nbytes=NBYTES)
    yield pb.ConvertStreamRequest(request=pb.ConvertRequest(arrays=[array]))
    for _ in range(32):
        yield pb.ConvertStreamRequest(chunk=BLOCK)
    # Flow control asked for more only after it took these chunks, so the server has most of them.
    print("midstream", flush=True)
    threading.Event().wait()


with grpc.insecure_channel(sys.argv[1]) as channel:
    for _ in TensorServiceStub(channel).ConvertStream(parts()):
        raise AssertionError("answered before the array was whole")
