"""The messages of gRPC's own health and reflection services, as far as the tests speak them."""

from __future__ import annotations

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

_HEALTH = """
name: "tests/health.proto" package: "grpc.health.v1" syntax: "proto3"
message_type { name: "HealthCheckRequest" field { name: "service" number: 1 type: TYPE_STRING } }
message_type { name: "HealthCheckResponse" field { name: "status" number: 1 type: TYPE_INT32 } }
"""
_REFLECTION = """
name: "tests/reflection.proto" package: "grpc.reflection.v1alpha" syntax: "proto3"
message_type {
  name: "ServerReflectionRequest" oneof_decl { name: "message_request" }
  field { name: "file_containing_symbol" number: 4 type: TYPE_STRING oneof_index: 0 }
  field { name: "list_services" number: 7 type: TYPE_STRING oneof_index: 0 }
}
message_type {
  name: "ServerReflectionResponse"
  field { name: "file_descriptor_response" number: 4 type: TYPE_MESSAGE type_name: "FileDescriptorResponse" }
  field { name: "list_services_response" number: 6 type: TYPE_MESSAGE type_name: "ListServiceResponse" }
}
message_type {
  name: "FileDescriptorResponse"
  field { name: "file_descriptor_proto" number: 1 type: TYPE_BYTES label: LABEL_REPEATED }
}
message_type {
  name: "ListServiceResponse"
  field { name: "service" number: 1 type: TYPE_MESSAGE type_name: "ServiceResponse" label: LABEL_REPEATED }
}
message_type { name: "ServiceResponse" field { name: "name" number: 1 type: TYPE_STRING } }
"""

_pool = descriptor_pool.DescriptorPool()
for _text in (_HEALTH, _REFLECTION):
    _pool.Add(text_format.Parse(_text, descriptor_pb2.FileDescriptorProto()))


def _message(name: str) -> type:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(name))


HealthCheckRequest = _message("grpc.health.v1.HealthCheckRequest")
HealthCheckResponse = _message("grpc.health.v1.HealthCheckResponse")
ServerReflectionRequest = _message("grpc.reflection.v1alpha.ServerReflectionRequest")
ServerReflectionResponse = _message("grpc.reflection.v1alpha.ServerReflectionResponse")

SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3  # HealthCheckResponse.ServingStatus
