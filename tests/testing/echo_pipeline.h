#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/pipeline.h"

namespace tensorferry {

// A pipeline without torch: describes arrays and gives their elements back. Model "echo" gives inputs as outputs.
class EchoPipeline final : public inference::Pipeline {
 public:
  absl::Status Admit(const inference::PipelineCall& call, std::span<const std::string_view>) const override {
    if (call.model_name.empty() || call.model_name == "echo") return absl::OkStatus();
    return MakeError(Reason::kModelNotFound, "there is no such model");
  }

  absl::StatusOr<inference::PipelineResponse> Run(const inference::PipelineCall& call,
                                                  Few<inference::NamedArray> arrays) override {
    inference::PipelineResponse response{.model_name = call.model_name};
    for (inference::NamedArray& array : arrays) {
      const ArrayHeader& header = array.payload.header;
      inference::TensorResult result{.metadata = {.name = array.name,
                                                  .dtype = std::string(Info(header.dtype()).name),
                                                  .shape = header.shape(),
                                                  .nbytes = static_cast<std::int64_t>(header.nbytes()),
                                                  .device = "cpu"},
                                     .receipt = inference::Receipt{.source_dtype = header.source_dtype(),
                                                                   .numpy_dtype = Info(header.dtype()).name,
                                                                   .dtype_equal = true,
                                                                   .digest = array.payload.digest}};
      auto elements = std::make_shared<AlignedBuffer>(std::move(array.payload.elements));
      const inference::TensorElements view{.bytes = {elements->data(), elements->size()}, .owner = elements};
      if (call.return_data) result.elements = view;
      response.tensors.push_back(result);
      if (call.model_name == "echo") response.outputs.push_back({.metadata = result.metadata, .elements = view});
    }
    return response;
  }

  std::vector<inference::ModelInfo> Models() const override { return {}; }
  std::string TorchVersion() const override { return "none"; }
};

}  // namespace tensorferry
