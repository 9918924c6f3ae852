"""Loads of whole calls, which the server answers or refuses: each costs about as much as one call may."""

from __future__ import annotations

from itertools import cycle

import grpc

from harness import MIB
from oip_messages import ModelInferRequest
from pressure import Load, Pressure
from tensorferry.v1 import tensor_service_pb2 as pb
from wire import array, request

CONVERT = "/tensorferry.v1.TensorService/Convert"
STREAM = "/tensorferry.v1.TensorService/ConvertStream"
INFER = "/inference.GRPCInferenceService/ModelInfer"
CLASSES = 1 << 16  # The most of one answer.
NAMES = 4096  # The most of one request.


def large_messages(pressure: Pressure) -> None:
    data = bytes(48 * MIB)
    message = request(array("|u1", (len(data),), data), return_data=False).SerializeToString()
    pressure.repeat(lambda channel: pressure.call(channel, CONVERT, message), callers=2)


def large_answers(pressure: Pressure) -> None:
    data = bytes(48 * MIB)
    message = request(array("|u1", (len(data),), data)).SerializeToString()
    pressure.repeat(lambda channel: pressure.call(channel, CONVERT, message), callers=2)


def classifications(pressure: Pressure) -> None:
    wanted = ModelInferRequest(model_name="identity")
    wanted.inputs.add(name="x", datatype="FP64", shape=[1, CLASSES])
    wanted.outputs.add(name="x").parameters["classification"].int64_param = CLASSES
    wanted.raw_input_contents.append(bytes(8 * CLASSES))
    message = wanted.SerializeToString()
    pressure.repeat(lambda channel: pressure.call(channel, INFER, message), callers=4)


def wide_metadata(pressure: Pressure) -> None:
    names = [f"{'n' * 100}{number:04}" for number in range(NAMES)]
    arrays = (array("|u1", (0,), name=name) for name in names)
    message = request(*arrays, model_name="identity", requested_outputs=names[::-1]).SerializeToString()
    pressure.repeat(lambda channel: pressure.call(channel, CONVERT, message), callers=4)


REFUSED = [
    request(array("!f4", (1,), bytes(4))).SerializeToString(),
    request(array("<f8", (2**33, 2**33))).SerializeToString(),
    request(array("<f4", (-(2**63),))).SerializeToString(),
    request(array("|u1", (1,) * 65, bytes(1))).SerializeToString(),
    request(array("<f4", (1000,))).SerializeToString(),
    request(array("<f4", (1,), bytes(4), name="x\nFORGED")).SerializeToString(),
    request(array("<f4", (1,), bytes(4)), model_name="nobody").SerializeToString(),
    b"\xff" * 100,
    b"\x42\x00" * (MIB // 2),  # Half a million arrays without content.
    b"\x3a\x00" * (MIB // 2),  # As many outputs without a name.
]


def refused_requests(pressure: Pressure) -> None:
    messages = cycle(REFUSED)
    pressure.repeat(lambda channel: pressure.call(channel, CONVERT, next(messages)), callers=8)


def reset_streams(pressure: Pressure) -> None:
    """Calls and streams that their caller cancels as soon as they are begun, with and without content."""
    data = bytes(64 << 10)
    message = request(array("|u1", (len(data),), data))
    part = pb.ConvertStreamRequest(request=message).SerializeToString()

    def reset(channel: grpc.Channel) -> None:
        call = channel.unary_unary(CONVERT).future(message.SerializeToString())
        call.cancel()
        for parts in ([], [part]):
            stream = channel.stream_stream(STREAM)(iter(parts))
            stream.cancel()
            pressure.count(stream.code().name)

    pressure.repeat(reset, callers=4)


CALL_LOADS = [
    Load("large messages", large_messages),
    Load("large answers", large_answers),
    Load("classification of 65,536 classes", classifications),
    Load("4,096 arrays and outputs in 1 MiB of names", wide_metadata),
    Load("small requests that are refused", refused_requests),
    Load("streams opened and reset", reset_streams),
]
