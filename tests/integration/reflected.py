"""The services of a running server as its reflection tells them: a method that is added is found by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor

from harness import TIMEOUT_S
from rpc_protos import ServerReflectionRequest, ServerReflectionResponse

_INFO = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"


@dataclass(frozen=True)
class Method:
    """One method of one service."""

    path: str  # As calls name it: /PACKAGE.SERVICE/METHOD.
    request: Descriptor
    response: Descriptor


def _ask(channel: grpc.Channel, **question: str) -> ServerReflectionResponse:
    message = ServerReflectionRequest(**question).SerializeToString()
    (answer,) = channel.stream_stream(_INFO)(iter([message]), timeout=TIMEOUT_S)
    return ServerReflectionResponse.FromString(answer)


def methods(channel: grpc.Channel) -> Iterator[Method]:
    """Every method of every service that the server lists."""
    pool = descriptor_pool.DescriptorPool()
    for service in _ask(channel, list_services="").list_services_response.service:
        answer = _ask(channel, file_containing_symbol=service.name)
        for proto in answer.file_descriptor_response.file_descriptor_proto:
            pool.Add(descriptor_pb2.FileDescriptorProto.FromString(proto))
        for method in pool.FindServiceByName(service.name).methods:
            yield Method(f"/{service.name}/{method.name}", method.input_type, method.output_type)


def message_class(descriptor: Descriptor) -> type:
    return message_factory.GetMessageClass(descriptor)
