#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/pipeline.h"

namespace tensorferry {

// A pipeline without torch and without models: describes arrays and gives their elements back.
class EchoPipeline : public inference::Pipeline {
 public:
  absl::StatusOr<inference::PipelineResponse> Convert(Few<inference::NamedArray> arrays, bool return_data) override {
    inference::PipelineResponse response;
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
                                                                   .digest = array.payload.copied.digest}};
      if (return_data) {
        auto elements = std::make_shared<AlignedBuffer>(std::move(array.payload.elements));
        result.elements = {.bytes = {elements->data(), elements->size()}, .owner = elements};
      }
      response.tensors.push_back(std::move(result));
    }
    return response;
  }

  void LoadModels(std::function<void(const absl::Status&)> done) override { done(absl::OkStatus()); }
  void ObserveModels(std::function<void(const std::string&, bool)>) override {}
  absl::StatusOr<std::shared_ptr<inference::ModelVersion>> FindModel(std::string_view,
                                                                     std::string_view) const override {
    return MakeError(Reason::kModelNotFound, "there is no such model");
  }
  std::vector<inference::ModelInfo> Models() const override { return {}; }
  void ListRepository(std::function<void(absl::StatusOr<std::vector<inference::RepositoryEntry>>)> done) override {
    done(std::vector<inference::RepositoryEntry>());
  }
  bool callers_control() const override { return false; }
  void LoadModel(const std::string&, const inference::ModelOverrides&,
                 std::function<void(const absl::Status&)> done) override {
    done(MakeError(Reason::kModelNotFound, "there is no such model"));
  }
  void UnloadModel(const std::string&, std::function<void(const absl::Status&)> done) override {
    done(MakeError(Reason::kModelNotFound, "there is no such model"));
  }
  std::string TorchVersion() const override { return "none"; }
};

}  // namespace tensorferry
