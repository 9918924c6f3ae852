"""The messages of other services than TensorService, as far as the tests of that one speak them."""

from __future__ import annotations

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

_HEALTH = """
name: "tests/health.proto" package: "grpc.health.v1" syntax: "proto3"
message_type { name: "HealthCheckRequest" field { name: "service" number: 1 type: TYPE_STRING } }
message_type { name: "HealthCheckResponse" field { name: "status" number: 1 type: TYPE_INT32 } }
"""
_REFLECTION = """
name: "tests/reflection.proto" package: "grpc.reflection.v1" syntax: "proto3"
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
_INFERENCE = """
name: "tests/inference.proto" package: "inference" syntax: "proto3"
message_type {
  name: "SystemSharedMemoryRegisterRequest"
  field { name: "name" number: 1 type: TYPE_STRING }
  field { name: "key" number: 2 type: TYPE_STRING }
  field { name: "offset" number: 3 type: TYPE_UINT64 }
  field { name: "byte_size" number: 4 type: TYPE_UINT64 }
}
message_type {
  name: "SystemSharedMemoryUnregisterRequest"
  field { name: "name" number: 1 type: TYPE_STRING }
}
message_type {
  name: "CudaSharedMemoryRegisterRequest"
  field { name: "name" number: 1 type: TYPE_STRING }
  field { name: "raw_handle" number: 2 type: TYPE_BYTES }
  field { name: "device_id" number: 3 type: TYPE_INT64 }
  field { name: "byte_size" number: 4 type: TYPE_UINT64 }
}
message_type {
  name: "CudaSharedMemoryUnregisterRequest"
  field { name: "name" number: 1 type: TYPE_STRING }
}
message_type {
  name: "InferParameter" oneof_decl { name: "parameter_choice" }
  field { name: "int64_param" number: 2 type: TYPE_INT64 oneof_index: 0 }
  field { name: "string_param" number: 3 type: TYPE_STRING oneof_index: 0 }
}
message_type {
  name: "InferParameterEntry"
  field { name: "key" number: 1 type: TYPE_STRING }
  field { name: "value" number: 2 type: TYPE_MESSAGE type_name: "InferParameter" }
}
message_type {
  name: "InferTensor"
  field { name: "name" number: 1 type: TYPE_STRING }
  field { name: "datatype" number: 2 type: TYPE_STRING }
  field { name: "shape" number: 3 type: TYPE_INT64 label: LABEL_REPEATED }
  field { name: "parameters" number: 4 type: TYPE_MESSAGE type_name: "InferParameterEntry" label: LABEL_REPEATED }
}
message_type {
  name: "RequestedOutput"
  field { name: "name" number: 1 type: TYPE_STRING }
  field { name: "parameters" number: 2 type: TYPE_MESSAGE type_name: "InferParameterEntry" label: LABEL_REPEATED }
}
message_type {
  name: "ModelInferRequest"
  field { name: "model_name" number: 1 type: TYPE_STRING }
  field { name: "inputs" number: 5 type: TYPE_MESSAGE type_name: "InferTensor" label: LABEL_REPEATED }
  field { name: "outputs" number: 6 type: TYPE_MESSAGE type_name: "RequestedOutput" label: LABEL_REPEATED }
  field { name: "raw_input_contents" number: 7 type: TYPE_BYTES label: LABEL_REPEATED }
}
message_type {
  name: "ModelInferResponse"
  field { name: "model_name" number: 1 type: TYPE_STRING }
  field { name: "outputs" number: 5 type: TYPE_MESSAGE type_name: "InferTensor" label: LABEL_REPEATED }
  field { name: "raw_output_contents" number: 6 type: TYPE_BYTES label: LABEL_REPEATED }
}
message_type {
  name: "ModelStreamInferResponse"
  field { name: "error_message" number: 1 type: TYPE_STRING }
  field { name: "infer_response" number: 2 type: TYPE_MESSAGE type_name: "ModelInferResponse" }
}
"""

_pool = descriptor_pool.DescriptorPool()
for _text in (_HEALTH, _REFLECTION, _INFERENCE):
    _pool.Add(text_format.Parse(_text, descriptor_pb2.FileDescriptorProto()))


def _message(name: str) -> type:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(name))


HealthCheckRequest = _message("grpc.health.v1.HealthCheckRequest")
HealthCheckResponse = _message("grpc.health.v1.HealthCheckResponse")
ServerReflectionRequest = _message("grpc.reflection.v1.ServerReflectionRequest")
ServerReflectionResponse = _message("grpc.reflection.v1.ServerReflectionResponse")
SystemSharedMemoryRegisterRequest = _message("inference.SystemSharedMemoryRegisterRequest")
SystemSharedMemoryUnregisterRequest = _message("inference.SystemSharedMemoryUnregisterRequest")
CudaSharedMemoryRegisterRequest = _message("inference.CudaSharedMemoryRegisterRequest")
CudaSharedMemoryUnregisterRequest = _message("inference.CudaSharedMemoryUnregisterRequest")
ModelInferRequest = _message("inference.ModelInferRequest")
ModelInferResponse = _message("inference.ModelInferResponse")
ModelStreamInferResponse = _message("inference.ModelStreamInferResponse")

SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3  # HealthCheckResponse.ServingStatus
