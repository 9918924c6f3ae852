#pragma once

#include <memory>
#include <string>
#include <utility>

#include "inference/converter.h"

namespace tensorferry {

// EchoConverter is a converter without torch: it describes arrays and gives their elements back.
class EchoConverter final : public inference::Converter {
 public:
  absl::StatusOr<inference::PipelineResponse> Convert(Few<inference::NamedArray> arrays, bool return_data,
                                                      const MemoryPeer*) override {
    inference::PipelineResponse response;
    for (inference::NamedArray& array : arrays) {
      const ArrayHeader& header = array.payload.header;
      inference::TensorResult result{.metadata = {.name = array.name,
                                                  .dtype = std::string(Info(header.dtype()).name),
                                                  .shape = header.shape(),
                                                  .nbytes = static_cast<std::int64_t>(header.nbytes()),
                                                  .device = "cpu"},
                                     .receipt = inference::Receipt{.source_dtype = header.source_dtype(),
                                                                   .dtype = header.dtype(),
                                                                   .dtype_equal = true,
                                                                   .digest = array.payload.copied.digest}};
      if (return_data) {
        auto elements = std::make_shared<AlignedBuffer>(std::move(array.payload.elements));
        result.elements = {.bytes = {elements->data(), elements->size()}, .owner = elements};
      }
      response.tensors.push_back(std::move(result));
    }
    return response;
  }
};

}  // namespace tensorferry
