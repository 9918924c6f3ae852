#include "inference/torch_pipeline.h"

#include <gmock/gmock.h>
#include <torch/csrc/jit/api/module.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "testing/payloads.h"
#include "testing/status_matchers.h"
#include "testing/test_memory.h"

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

  // A TorchScript file with this source of `forward`.
  ModelFile Save(const std::string& name, const std::string& forward) {
    torch::jit::Module module("Model");
    module.define(forward);
    const auto file = folder_ / (name + ".pt");
    module.save(file.string());
    return {name, file};
  }

  std::unique_ptr<Pipeline> Make(std::vector<ModelFile> models) {
    return MakeTorchPipeline({.models = std::move(models), .max_tensor_bytes = 1 << 20}).value();
  }

  absl::StatusOr<PipelineResponse> RunOn(Pipeline& pipeline, const PipelineCall& call, Few<NamedArray> arrays) {
    std::vector<std::string_view> names;
    for (const NamedArray& array : arrays) names.push_back(array.name);
    TENSORFERRY_RETURN_IF_ERROR(pipeline.Admit(call, names));
    return pipeline.Run(call, std::move(arrays));
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

  static std::vector<std::string> NamesOf(const Few<TensorResult>& results) {
    std::vector<std::string> names;
    for (const TensorResult& result : results) names.push_back(result.metadata.name);
    return names;
  }

  TestMemory memory_{1 << 24};
  const std::filesystem::path folder_;
};

TEST_F(TorchPipelineTest, ConvertsWithAReceiptForEachArray) {
  const auto pipeline = Make({});
  const auto response = RunOn(*pipeline, {.return_data = true},
                              List(GoodArray("a", ">i2", {3}, memory_.pool), GoodArray("", "bfloat16", {2, 2}, memory_.pool)));
  ASSERT_THAT(response, IsOk());
  EXPECT_THAT(NamesOf(response->tensors), ElementsAre("a", ""));
  EXPECT_THAT(response->outputs, IsEmpty());
  const Receipt& receipt = *response->tensors[0].receipt;
  EXPECT_EQ(receipt.source_dtype, ">i2");
  EXPECT_EQ(receipt.numpy_dtype, "int16");
  EXPECT_TRUE(receipt.dtype_equal);
  EXPECT_TRUE(receipt.byte_order_swapped);
  EXPECT_TRUE(receipt.digest.has_value());
  EXPECT_EQ(response->tensors[1].metadata.dtype, "bfloat16");
}

TEST_F(TorchPipelineTest, GivesMemoryBackWithTheResponse) {
  const auto pipeline = Make({});
  { EXPECT_THAT(RunOn(*pipeline, {.return_data = true}, List(GoodArray("a", "<f8", {300}, memory_.pool))), IsOk()); }
  EXPECT_EQ(memory_.budget.used(), 0u);
}

TEST_F(TorchPipelineTest, HasIdentityBuiltIn) {
  const auto pipeline = Make({});
  const auto response = RunOn(*pipeline, {.model_name = "identity"}, List(Floats("x", {1, 2}), Floats("y", {3})));
  ASSERT_THAT(response, IsOk());
  EXPECT_THAT(NamesOf(response->outputs), ElementsAre("x", "y"));
  EXPECT_THAT(Values(response->outputs[0]), ElementsAre(1, 2));
  EXPECT_EQ(response->model_name, "identity");
  EXPECT_FALSE(response->outputs[0].receipt.has_value());
}

TEST_F(TorchPipelineTest, MatchesInputsByNameToTheArgumentsOfForward) {
  const auto pipeline =
      Make({Save("minus", "def forward(self, a, b, scale: float = 2.0):\n  return (a - b) * scale\n")});
  const auto response = RunOn(*pipeline, {.model_name = "minus"}, List(Floats("b", {1, 1}), Floats("a", {5, 7})));
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
        RunOn(*pipeline, {.model_name = model, .requested_outputs = std::move(requested)}, List(Floats("x", {1})));
    EXPECT_THAT(response, IsOk());
    return NamesOf(response->outputs);
  };
  EXPECT_THAT(names("pair", {}), ElementsAre("OUTPUT__0", "OUTPUT__1"));
  EXPECT_THAT(names("pair", {"OUTPUT__1"}), ElementsAre("OUTPUT__1"));
  EXPECT_THAT(names("keys", {"zero", "sum"}), ElementsAre("zero", "sum"));
  EXPECT_THAT(names("list", {}), ElementsAre("OUTPUT__0", "OUTPUT__1"));
  for (const char* model : {"pair", "keys"}) {
    EXPECT_THAT(RunOn(*pipeline, {.model_name = model, .requested_outputs = {"none"}}, List(Floats("x", {1}))),
                Fails(Reason::kUnknownOutput, HasSubstr("'none'")));
  }
}

TEST_F(TorchPipelineTest, RefusesInputsThatDoNotMatch) {
  const auto pipeline = Make({Save("add", "def forward(self, a, b):\n  return a + b\n")});
  const PipelineCall call{.model_name = "add"};
  EXPECT_THAT(RunOn(*pipeline, call, List(Floats("a", {1}))),
              Fails(Reason::kInputMismatch, HasSubstr("'b' is missing")));
  EXPECT_THAT(RunOn(*pipeline, call, List(Floats("a", {1}), Floats("a", {1}))),
              Fails(Reason::kInputMismatch, HasSubstr("comes twice")));
  EXPECT_THAT(RunOn(*pipeline, call, List(Floats("a", {1}), Floats("c", {1}))),
              Fails(Reason::kInputMismatch, HasSubstr("takes ['a', 'b']")));
  EXPECT_THAT(RunOn(*pipeline, call, List(Floats("", {1}))), Fails(Reason::kInputMismatch, HasSubstr("has no name")));
}

TEST_F(TorchPipelineTest, ReturnsWhatWasSentEvenIfTheModelWorksInPlace) {
  const auto pipeline = Make({Save("zero", "def forward(self, x):\n  return x.zero_()\n")});
  const auto response = RunOn(*pipeline, {.model_name = "zero", .return_data = true}, List(Floats("x", {4, 5})));
  ASSERT_THAT(response, IsOk());
  EXPECT_THAT(Values(response->tensors[0]), ElementsAre(4, 5));
  EXPECT_THAT(Values(response->outputs[0]), ElementsAre(0, 0));
}

TEST_F(TorchPipelineTest, FailsClearlyWhenTheModelDoes) {
  const auto pipeline = Make({Save("mm", "def forward(self, x):\n  return x.mm(x)\n"),
                              Save("huge", "def forward(self, x):\n  return x.repeat([1000000])\n")});
  EXPECT_THAT(RunOn(*pipeline, {.model_name = "mm"}, List(GoodArray("x", "<f4", {2, 3}, memory_.pool))),
              Fails(Reason::kModelFailed, testing::AllOf(HasSubstr("model 'mm'"), HasSubstr("cannot be multiplied"))));
  EXPECT_THAT(RunOn(*pipeline, {.model_name = "mm"}, List(GoodArray("x", "<u2", {2, 2}, memory_.pool))),
              Fails(Reason::kOperatorUnsupported, HasSubstr("UInt16")));
  EXPECT_THAT(RunOn(*pipeline, {.model_name = "huge"}, List(Floats("x", {1}))), Fails(Reason::kTensorTooLarge));
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
      EXPECT_THAT(RunOn(*pipeline, {.model_name = model.name}, List(Floats("x", {1}))), Fails(Reason::kModelNotReady));
    }
  }
  EXPECT_THAT(ready, ElementsAre("good", "identity"));
  EXPECT_THAT(RunOn(*pipeline, {.model_name = "other"}, {}), Fails(Reason::kModelNotFound, HasSubstr("'other'")));
  EXPECT_THAT(RunOn(*pipeline, {.model_name = "good", .model_version = "7"}, {}), Fails(Reason::kModelNotFound));
}

TEST_F(TorchPipelineTest, DoesNotStartWithoutAModelWhenStrict) {
  EXPECT_THAT(MakeTorchPipeline({.models = {{"missing", folder_ / "missing.pt"}}, .strict_start = true}),
              Fails(Reason::kModelNotReady));
}

}  // namespace
}  // namespace tensorferry::inference
