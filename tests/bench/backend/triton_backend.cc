// A backend for a real Triton, in its process: the models `sum` and `identity`, of an input `x` and an output `y` of
// float32. What is compared with this server's models is then the servers and not a hop to a process of Python.
//
// An input lies in one piece, in the request's message or in shared memory, and is read there.

#include <ATen/ops/from_blob.h>
#include <ATen/ops/sum.h>
#include <c10/core/InferenceMode.h>

#include <cstdint>
#include <cstring>
#include <exception>
#include <string_view>
#include <vector>

#include "triton_api.h"

#define RETURN_IF_ERROR(call)                                               \
  do {                                                                      \
    if (TRITONSERVER_Error* error = (call); error != nullptr) return error; \
  } while (false)

namespace {

struct Elements {
  const void* data;
  std::uint64_t nbytes;
  std::vector<std::int64_t> shape;
};

TRITONSERVER_Error* ReadInput(TRITONBACKEND_Request* request, Elements& elements) {
  TRITONBACKEND_Input* input = nullptr;
  RETURN_IF_ERROR(TRITONBACKEND_RequestInput(request, "x", &input));
  const char* name = nullptr;
  TRITONSERVER_DataType datatype{};
  const std::int64_t* shape = nullptr;
  std::uint32_t rank = 0;
  std::uint32_t buffers = 0;
  std::uint64_t nbytes = 0;
  RETURN_IF_ERROR(TRITONBACKEND_InputProperties(input, &name, &datatype, &shape, &rank, &nbytes, &buffers));
  if (datatype != TRITONSERVER_TYPE_FP32 || buffers != 1) {
    return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_INVALID_ARG, "expected FP32 in one buffer");
  }
  elements.shape.assign(shape, shape + rank);
  TRITONSERVER_MemoryType memory = TRITONSERVER_MEMORY_CPU;
  std::int64_t memory_id = 0;
  return TRITONBACKEND_InputBuffer(input, 0, &elements.data, &elements.nbytes, &memory, &memory_id);
}

TRITONSERVER_Error* WriteOutput(TRITONBACKEND_Response* response, const Elements& elements) {
  TRITONBACKEND_Output* output = nullptr;
  RETURN_IF_ERROR(TRITONBACKEND_ResponseOutput(response, &output, "y", TRITONSERVER_TYPE_FP32, elements.shape.data(),
                                               static_cast<std::uint32_t>(elements.shape.size())));
  void* buffer = nullptr;
  TRITONSERVER_MemoryType memory = TRITONSERVER_MEMORY_CPU;
  std::int64_t memory_id = 0;
  RETURN_IF_ERROR(TRITONBACKEND_OutputBuffer(output, &buffer, elements.nbytes, &memory, &memory_id));
  std::memcpy(buffer, elements.data, elements.nbytes);
  return nullptr;
}

// Runs `model`, as a model of TorchScript would run it in our server.
TRITONSERVER_Error* Answer(std::string_view model, TRITONBACKEND_Request* request, TRITONBACKEND_Response* response) {
  Elements input;
  RETURN_IF_ERROR(ReadInput(request, input));
  if (model != "sum") return WriteOutput(response, input);
  try {
    const c10::InferenceMode guard;
    const at::Tensor sum = at::from_blob(const_cast<void*>(input.data), input.shape, at::kFloat).sum();
    return WriteOutput(response, {sum.const_data_ptr(), sizeof(float), {1}});
  } catch (const std::exception& failure) {
    return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_INVALID_ARG, failure.what());
  }
}

void Delete(TRITONSERVER_Error* error) {
  if (error != nullptr) TRITONSERVER_ErrorDelete(error);
}

}  // namespace

extern "C" TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance* instance,
                                                                  TRITONBACKEND_Request** requests,
                                                                  std::uint32_t count) {
  TRITONBACKEND_Model* model = nullptr;
  RETURN_IF_ERROR(TRITONBACKEND_ModelInstanceModel(instance, &model));
  const char* name = nullptr;
  RETURN_IF_ERROR(TRITONBACKEND_ModelName(model, &name));
  for (std::uint32_t i = 0; i < count; ++i) {
    TRITONBACKEND_Response* response = nullptr;
    RETURN_IF_ERROR(TRITONBACKEND_ResponseNew(&response, requests[i]));
    TRITONSERVER_Error* error = Answer(name, requests[i], response);
    Delete(TRITONBACKEND_ResponseSend(response, TRITONSERVER_RESPONSE_COMPLETE_FINAL, error));
    Delete(error);
    Delete(TRITONBACKEND_RequestRelease(requests[i], TRITONSERVER_REQUEST_RELEASE_ALL));
  }
  return nullptr;
}
