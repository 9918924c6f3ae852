"""What a WireArray sends, as protobuf reads it."""

from __future__ import annotations

from tensorferry._arrays import WireArray
from tensorferry.v1 import tensor_service_pb2 as pb


def inlined(array: WireArray) -> pb.Array:
    sent: pb.Array
    (sent,) = pb.ConvertRequest.FromString(b"".join(array.inline())).arrays
    return sent


def announced(array: WireArray) -> pb.Array:
    sent: pb.Array
    (sent,) = pb.ConvertRequest.FromString(array.announced()).arrays
    return sent
