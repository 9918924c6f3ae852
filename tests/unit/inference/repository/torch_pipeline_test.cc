#include "inference/repository/torch_pipeline.h"

#include <gmock/gmock.h>
#include <torch/csrc/jit/api/module.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>

#include "testing/payloads.h"
#include "testing/status_matchers.h"
#include "testing/test_memory.h"
#include "testing/test_run.h"

namespace tensorferry::inference {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class TorchPipelineTest : public testing::Test {
 protected:
  TorchPipelineTest() : folder_(std::filesystem::temp_directory_path() / ("tensorferry-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~TorchPipelineTest() override { std::filesystem::remove_all(folder_); }

  // Save writes a TorchScript file whose method `forward` has this source.
  NamedFile Save(const std::string& name, const std::string& forward) {
    torch::jit::Module module("Model");
    module.define(forward);
    const auto file = folder_ / (name + ".pt");
    module.save(file.string());
    return {name, file};
  }

  std::unique_ptr<Pipeline> Make(std::vector<NamedFile> models, bool strict_start = false) {
    auto pipeline =
        MakeTorchPipeline(
            {.files = std::move(models), .strict_start = strict_start, .loader = {.max_tensor_bytes = 1 << 20}},
            memory_.pool)
            .value();
    std::promise<absl::Status> loaded;
    pipeline->LoadModels([&](const absl::Status& status) { loaded.set_value(status); });
    loaded_ = loaded.get_future().get();
    return pipeline;
  }

  absl::StatusOr<PipelineResponse> RunModel(Pipeline& pipeline, const std::string& model, Few<NamedArray> arrays,
                                            RunOptions options = {}, const std::string& version = "") {
    TENSORFERRY_ASSIGN_OR_RETURN(const auto handle, pipeline.FindModel(model, version));
    return RunOn(*handle, std::move(arrays), std::move(options));
  }

  template <typename... Arrays>
  static Few<NamedArray> List(Arrays&&... arrays) {
    Few<NamedArray> list;
    (list.push_back(std::forward<Arrays>(arrays)), ...);
    return list;
  }

  NamedArray Floats(const std::string& name, std::vector<float> values) {
    const ArrayHeader header = GoodHeader("<f4", {static_cast<std::int64_t>(values.size())});
    return {name, GoodPayload(header, std::as_bytes(std::span(values)), memory_.pool)};
  }

  static std::vector<float> Values(const TensorResult& result) {
    std::vector<float> values(result.elements->bytes.size() / sizeof(float));
    std::memcpy(values.data(), result.elements->bytes.data(), result.elements->bytes.size());
    return values;
  }

  static std::vector<std::string> NamesOf(const std::vector<TensorResult>& results) {
    std::vector<std::string> names;
    for (const TensorResult& result : results) names.push_back(result.metadata.name);
    return names;
  }

  TestMemory memory_{1 << 24};
  absl::Status loaded_;  // Set by Make.
  const std::filesystem::path folder_;
};

TEST_F(TorchPipelineTest, ConvertsWithAReceiptForEachArray) {
  const auto pipeline = Make({});
  const auto response = pipeline->Convert(
      List(GoodArray("a", ">i2", {3}, memory_.pool), GoodArray("", "bfloat16", {2, 2}, memory_.pool)), true, nullptr);
  ASSERT_THAT(response, IsOk());
  EXPECT_THAT(NamesOf(response->tensors), ElementsAre("a", ""));
  EXPECT_THAT(response->outputs, IsEmpty());
  const Receipt& receipt = *response->tensors[0].receipt;
  EXPECT_EQ(receipt.source_dtype, ">i2");
  EXPECT_EQ(receipt.dtype, DType::kInt16);
  EXPECT_TRUE(receipt.dtype_equal);
  EXPECT_TRUE(receipt.byte_order_swapped);
  EXPECT_TRUE(receipt.digest.has_value());
  EXPECT_EQ(response->tensors[1].metadata.dtype, "bfloat16");
}

TEST_F(TorchPipelineTest, GivesMemoryBackWithTheResponse) {
  const auto pipeline = Make({});
  { EXPECT_THAT(pipeline->Convert(List(GoodArray("a", "<f8", {300}, memory_.pool)), true, nullptr), IsOk()); }
  EXPECT_EQ(memory_.budget.used(), 0u);
}

TEST_F(TorchPipelineTest, HasIdentityBuiltIn) {
  const auto pipeline = Make({});
  const auto response = RunModel(*pipeline, "identity", List(Floats("x", {1, 2}), Floats("y", {3})));
  ASSERT_THAT(response, IsOk());
  EXPECT_THAT(NamesOf(response->outputs), ElementsAre("x", "y"));
  EXPECT_THAT(Values(response->outputs[0]), ElementsAre(1, 2));
  EXPECT_EQ(response->model_name, "identity");
  EXPECT_FALSE(response->outputs[0].receipt.has_value());
}

TEST_F(TorchPipelineTest, MatchesInputsByNameToTheArgumentsOfForward) {
  const auto pipeline =
      Make({Save("minus", "def forward(self, a, b, scale: float = 2.0):\n  return (a - b) * scale\n")});
  const auto response = RunModel(*pipeline, "minus", List(Floats("b", {1, 1}), Floats("a", {5, 7})));
  ASSERT_THAT(response, IsOk());
  EXPECT_THAT(NamesOf(response->outputs), ElementsAre("OUTPUT__0"));
  EXPECT_THAT(Values(response->outputs[0]), ElementsAre(8, 12));
}

TEST_F(TorchPipelineTest, NamesAndSelectsOutputs) {
  const auto pipeline = Make({
      Save("pair", "def forward(self, x):\n  return x + 1, x + 2\n"),
      Save("keys", "def forward(self, x):\n  return {'sum': x + x, 'zero': x - x}\n"),
      Save("list", "def forward(self, x):\n  return [x, x * 3]\n"),
  });
  const auto names = [&](const std::string& model, std::vector<std::string> requested) {
    const auto response =
        RunModel(*pipeline, model, List(Floats("x", {1})), {.requested_outputs = std::move(requested)});
    EXPECT_THAT(response, IsOk());
    return NamesOf(response->outputs);
  };
  EXPECT_THAT(names("pair", {}), ElementsAre("OUTPUT__0", "OUTPUT__1"));
  EXPECT_THAT(names("pair", {"OUTPUT__1"}), ElementsAre("OUTPUT__1"));
  EXPECT_THAT(names("keys", {"zero", "sum"}), ElementsAre("zero", "sum"));
  EXPECT_THAT(names("list", {}), ElementsAre("OUTPUT__0", "OUTPUT__1"));
  for (const char* model : {"pair", "keys"}) {
    EXPECT_THAT(RunModel(*pipeline, model, List(Floats("x", {1})), {.requested_outputs = {"none"}}),
                Fails(Reason::kUnknownOutput, HasSubstr("'none'")));
  }
}

TEST_F(TorchPipelineTest, RefusesInputsThatDoNotMatch) {
  const auto pipeline = Make({Save("add", "def forward(self, a, b):\n  return a + b\n")});
  EXPECT_THAT(RunModel(*pipeline, "add", List(Floats("a", {1}))),
              Fails(Reason::kInputMismatch, HasSubstr("input 'b' of model 'add' is missing")));
  EXPECT_THAT(RunModel(*pipeline, "add", List(Floats("a", {1}), Floats("a", {1}))),
              Fails(Reason::kInputMismatch, HasSubstr("comes twice")));
  EXPECT_THAT(RunModel(*pipeline, "add", List(Floats("a", {1}), Floats("c", {1}))),
              Fails(Reason::kInputMismatch, HasSubstr("takes ['a', 'b']")));
  EXPECT_THAT(RunModel(*pipeline, "add", List(Floats("", {1}))),
              Fails(Reason::kInputMismatch, HasSubstr("has no name")));
}

TEST_F(TorchPipelineTest, ReturnsWhatWasSentEvenIfTheModelWorksInPlace) {
  const auto pipeline = Make({Save("zero", "def forward(self, x):\n  return x.zero_()\n")});
  const auto response = RunModel(*pipeline, "zero", List(Floats("x", {4, 5})), {.return_data = true});
  ASSERT_THAT(response, IsOk());
  EXPECT_THAT(Values(response->tensors[0]), ElementsAre(4, 5));
  EXPECT_THAT(Values(response->outputs[0]), ElementsAre(0, 0));
}

TEST_F(TorchPipelineTest, FailsClearlyWhenTheModelDoes) {
  const auto pipeline = Make({Save("mm", "def forward(self, x):\n  return x.mm(x)\n"),
                              Save("huge", "def forward(self, x):\n  return x.repeat([1000000])\n")});
  EXPECT_THAT(RunModel(*pipeline, "mm", List(GoodArray("x", "<f4", {2, 3}, memory_.pool))),
              Fails(Reason::kModelFailed, testing::AllOf(HasSubstr("model 'mm'"), HasSubstr("cannot be multiplied"))));
  EXPECT_THAT(RunModel(*pipeline, "mm", List(GoodArray("x", "<u2", {2, 2}, memory_.pool))),
              Fails(Reason::kOperatorUnsupported, HasSubstr("UInt16")));
  EXPECT_THAT(RunModel(*pipeline, "huge", List(Floats("x", {1}))), Fails(Reason::kTensorTooLarge));
  EXPECT_EQ(memory_.budget.used(), 0u);
}

TEST_F(TorchPipelineTest, ListsModelsAndServesTheOthersWhenOneCannotBeLoaded) {
  std::ofstream(folder_ / "broken.pt") << "not a model";
  const auto pipeline = Make({{"broken", folder_ / "broken.pt"},
                              {"missing", folder_ / "missing.pt"},
                              Save("takes_int", "def forward(self, x, n: int):\n  return x + n\n"),
                              Save("gives_int", "def forward(self, x):\n  return 3\n"),
                              Save("good", "def forward(self, x):\n  return x\n")});
  std::vector<std::string> ready;
  for (const ModelInfo& model : pipeline->Models()) {
    if (model.state == ModelState::kReady) {
      ready.push_back(model.name);
    } else {
      EXPECT_THAT(model.reason, Not(IsEmpty())) << model.name;
      EXPECT_THAT(model.reason, Not(HasSubstr(folder_.string()))) << model.name;
      EXPECT_THAT(RunModel(*pipeline, model.name, List(Floats("x", {1}))), Fails(Reason::kModelNotReady));
    }
  }
  EXPECT_THAT(ready, ElementsAre("good", "identity"));
  EXPECT_THAT(RunModel(*pipeline, "other", {}), Fails(Reason::kModelNotFound, HasSubstr("'other'")));
  EXPECT_THAT(RunModel(*pipeline, "good", {}, {}, "7"), Fails(Reason::kModelNotFound));
}

TEST_F(TorchPipelineTest, DoesNotStartWithoutAModelWhenStrict) {
  Make({{"missing", folder_ / "missing.pt"}}, /*strict_start=*/true);
  EXPECT_THAT(loaded_, Fails(Reason::kModelNotReady));
}

}  // namespace
}  // namespace tensorferry::inference
