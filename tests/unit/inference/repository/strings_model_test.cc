// These TorchScript models take or give lists of strings.
#include <gmock/gmock.h>
#include <torch/csrc/jit/api/module.h>

#include <cctype>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "base/status.h"
#include "inference/repository/model_loader.h"
#include "testing/payloads.h"
#include "testing/raw_strings.h"
#include "testing/status_matchers.h"
#include "testing/temporary_repository.h"
#include "testing/test_memory.h"
#include "testing/test_run.h"

namespace tensorferry::inference {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kUpper[] = "def forward(self, x: List[str]) -> List[str]:\n  return [s.upper() for s in x]\n";

class StringsModelTest : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<ServedModel>> Load(const std::string& forward, const ModelConfig& config = {}) {
    torch::jit::Module module("Model");
    module.define(forward);
    const auto file = files_.root / "model.pt";
    module.save(file.string());
    return LoadVersion({.name = "m", .file = file, .folder = files_.root, .root = files_.root}, config,
                       {.max_tensor_bytes = 1 << 20}, memory_.pool);
  }

  ModelInput Strings(std::string name, const Texts& texts) {
    const std::string raw = RawStrings(texts);
    const ArrayHeader header = GoodHeader("|u1", {std::ssize(raw)});
    return {std::move(name), GoodPayload(header, std::as_bytes(std::span(raw)), memory_.pool),
            Shape{std::ssize(texts)}};
  }

  ModelInput Float(std::string name, float value) {
    return {std::move(name), GoodPayload(GoodHeader("<f4", {1}), std::as_bytes(std::span(&value, 1)), memory_.pool)};
  }

  template <typename... Inputs>
  const absl::StatusOr<PipelineResponse>& Run(ServedModel& model, Inputs&&... inputs) {
    TestRun& run = runs_.emplace_back();
    (run.inputs.push_back(std::forward<Inputs>(inputs)), ...);
    if (absl::Status status = SubmitChecked(model, run); !status.ok()) return refused_.emplace_back(status);
    return run.Wait();
  }

  static Texts TextsOf(const TensorResult& result) {
    EXPECT_EQ(result.metadata.dtype, kStrings);
    const auto texts = tensorferry::TextsOf(AsText(result.elements->bytes));
    EXPECT_TRUE(texts) << "the bytes end inside a string";
    EXPECT_THAT(result.metadata.shape, ElementsAre(std::ssize(*texts)));
    return *texts;
  }

  TemporaryRepository files_;
  TestMemory memory_;
  std::deque<TestRun> runs_;
  std::deque<absl::StatusOr<PipelineResponse>> refused_;
};

TEST_F(StringsModelTest, SayThatTheyTakeThem) {
  const auto model = Load(kUpper);
  ASSERT_THAT(model, IsOk());
  const ModelInfo& info = (*model)->info();
  ASSERT_EQ(info.inputs.size(), 1u);
  EXPECT_EQ(info.inputs[0].name, "x");
  EXPECT_EQ(info.inputs[0].dtype, kStrings);
  EXPECT_THAT(info.inputs[0].shape, ElementsAre(-1));
  ASSERT_EQ(info.outputs.size(), 1u);
  EXPECT_EQ(info.outputs[0].dtype, kStrings);
}

TEST_F(StringsModelTest, GetAndGiveThem) {
  const auto model = Load(kUpper);
  ASSERT_THAT(model, IsOk());
  for (const Texts& texts : {Texts{"ab", "", "c"}, Texts{}, Texts{""}, Texts(1000, "x")}) {
    const auto& response = Run(**model, Strings("x", texts));
    ASSERT_THAT(response, IsOk());
    Texts expected;
    for (std::string text : texts) {
      for (char& c : text) c = static_cast<char>(std::toupper(c));
      expected.push_back(text);
    }
    EXPECT_EQ(TextsOf(response->outputs[0]), expected);
  }
}

// A string of TorchScript may hold any bytes: it is not text.
TEST_F(StringsModelTest, KeepTheirBytes) {
  const auto model = Load("def forward(self, x: List[str]) -> List[str]:\n  return x\n");
  ASSERT_THAT(model, IsOk());
  const Texts texts{std::string("\0\xFF\0", 3), "δ", std::string(70'000, 'z'), "\n"};
  const auto& response = Run(**model, Strings("x", texts));
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(TextsOf(response->outputs[0]), texts);
}

TEST_F(StringsModelTest, StandBesideTensors) {
  const auto model = Load(
      "def forward(self, texts: List[str], scale) -> Tuple[Tensor, List[str]]:\n"
      "  return scale * len(texts), [s + '!' for s in texts]\n");
  ASSERT_THAT(model, IsOk());
  const auto& response = Run(**model, Float("scale", 2.5), Strings("texts", {"a", "b"}));
  ASSERT_THAT(response, IsOk());
  ASSERT_EQ(response->outputs.size(), 2u);
  float value = 0;
  std::memcpy(&value, response->outputs[0].elements->bytes.data(), sizeof(value));
  EXPECT_EQ(value, 5);
  EXPECT_EQ(response->outputs[1].metadata.name, "OUTPUT__1");
  EXPECT_THAT(TextsOf(response->outputs[1]), ElementsAre("a!", "b!"));
}

TEST_F(StringsModelTest, ComeOfTensorsAlone) {
  const auto model = Load("def forward(self, x) -> List[str]:\n  return ['is ' + str(int(x[0]))]\n");
  ASSERT_THAT(model, IsOk());
  const auto& response = Run(**model, Float("x", 7));
  ASSERT_THAT(response, IsOk());
  EXPECT_THAT(TextsOf(response->outputs[0]), ElementsAre("is 7"));
}

TEST_F(StringsModelTest, RefuseTensorsInTheirPlace) {
  const auto model = Load(kUpper);
  ASSERT_THAT(model, IsOk());
  EXPECT_THAT(Run(**model, Float("x", 1)), Fails(Reason::kInputMismatch, HasSubstr("is float32")));
  ModelInput two_dimensions = Strings("x", {"a", "b"});
  two_dimensions.strings = Shape{2, 1};
  EXPECT_THAT(Run(**model, std::move(two_dimensions)), Fails(Reason::kInputMismatch, HasSubstr("has shape [2, 1]")));
}

TEST_F(StringsModelTest, AreNotLoadedForOtherFormsOfThem) {
  for (const char* const forward : {"def forward(self, x: List[List[str]]):\n  return torch.zeros(1)\n",
                                    "def forward(self, x: Dict[str, List[str]]):\n  return torch.zeros(1)\n",
                                    "def forward(self, x: str):\n  return torch.zeros(1)\n"}) {
    EXPECT_THAT(Load(forward), Fails(Reason::kModelNotReady, HasSubstr("which no array can fill"))) << forward;
  }
  for (const char* const forward :
       {"def forward(self, x) -> List[List[str]]:\n  return [['a']]\n", "def forward(self, x) -> str:\n  return 'a'\n",
        "def forward(self, x) -> Dict[str, List[str]]:\n  return {'a': ['b']}\n"}) {
    EXPECT_THAT(Load(forward), Fails(Reason::kModelNotReady, HasSubstr("forward returns "))) << forward;
  }
}

// --- These models have a configuration.

ModelConfig Configured(const ConfiguredTensor& input, const ConfiguredTensor& output) {
  return {.inputs = {input}, .outputs = {output}};
}

TEST_F(StringsModelTest, HaveTheNamesOfTheConfiguration) {
  const auto model = Load(kUpper, Configured({.name = "TEXT", .strings = true, .dims = {-1}},
                                             {.name = "LOUD", .strings = true, .dims = {-1}}));
  ASSERT_THAT(model, IsOk());
  const auto& response = Run(**model, Strings("TEXT", {"ab"}));
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->outputs[0].metadata.name, "LOUD");
  EXPECT_THAT(TextsOf(response->outputs[0]), ElementsAre("AB"));
}

TEST_F(StringsModelTest, HaveAsManyAsTheConfigurationSays) {
  const auto model = Load(
      kUpper, Configured({.name = "x", .strings = true, .dims = {2}}, {.name = "y", .strings = true, .dims = {2}}));
  ASSERT_THAT(model, IsOk());
  EXPECT_THAT(Run(**model, Strings("x", {"a", "b"})), IsOk());
  EXPECT_THAT(Run(**model, Strings("x", {"a"})), Fails(Reason::kInputMismatch, HasSubstr("has shape [1]")));
}

TEST_F(StringsModelTest, RefuseConfigurationsThatDoNotFit) {
  const ConfiguredTensor strings{.name = "x", .strings = true, .dims = {-1}};
  const ConfiguredTensor floats{.name = "x", .dtype = DType::kFloat32, .dims = {-1}};
  const ConfiguredTensor table{.name = "x", .strings = true, .dims = {-1, 2}};
  const auto load = [&](const ConfiguredTensor& input, const ConfiguredTensor& output, std::int64_t rows = 0) {
    ModelConfig config = Configured(input, output);
    config.max_batch_size = rows;
    return Load(kUpper, config).status();
  };
  EXPECT_THAT(load(floats, strings), Fails(Reason::kModelNotReady, HasSubstr("'x' is no strings, but the model's 'x' "
                                                                             "is a list of strings")));
  EXPECT_THAT(load(strings, floats), Fails(Reason::kModelNotReady, HasSubstr("is a list of strings")));
  EXPECT_THAT(load(table, strings), Fails(Reason::kModelNotReady, HasSubstr("strings have one dimension")));
  EXPECT_THAT(load(strings, table), Fails(Reason::kModelNotReady, HasSubstr("strings have one dimension")));
  EXPECT_THAT(load(strings, strings, 8), Fails(Reason::kModelNotReady, HasSubstr("and max_batch_size 0")));
  EXPECT_THAT(Load("def forward(self, x):\n  return x\n", Configured(strings, floats)),
              Fails(Reason::kModelNotReady, HasSubstr("'x' is of strings, but the model's 'x' is a tensor")));
}

struct NoStringsCase {
  std::string name, forward;
  friend void PrintTo(const NoStringsCase& c, std::ostream* out) { *out << c.name; }
};
class ModelWithoutStrings : public StringsModelTest, public testing::WithParamInterface<NoStringsCase> {};

TEST_P(ModelWithoutStrings, RefusesThem) {
  const auto model = Load(GetParam().forward);
  ASSERT_THAT(model, IsOk());
  EXPECT_THAT(Run(**model, Strings("x", {"a", "b"})), Fails(Reason::kInputMismatch, HasSubstr("a tensor")));
}

INSTANTIATE_TEST_SUITE_P(Models, ModelWithoutStrings,
                         testing::ValuesIn(std::vector<NoStringsCase>{
                             {"Tensor", "def forward(self, x):\n  return x\n"},
                             {"Dictionary",
                              "def forward(self, x: Dict[str, Tensor]) -> Dict[str, Tensor]:\n  return x\n"},
                         }),
                         [](const auto& test) { return test.param.name; });

struct BadConfigCase {
  std::string name;
  ModelConfig config;
  friend void PrintTo(const BadConfigCase& c, std::ostream* out) { *out << c.name; }
};
class ConfigOfStrings : public StringsModelTest, public testing::WithParamInterface<BadConfigCase> {};

TEST_P(ConfigOfStrings, HasOneDimensionAndNoBatch) {
  EXPECT_THAT(Load(kUpper, GetParam().config), Fails(Reason::kModelNotReady, HasSubstr("one dimension")));
}

INSTANTIATE_TEST_SUITE_P(Configs, ConfigOfStrings,
                         testing::ValuesIn(std::vector<BadConfigCase>{
                             {"TwoDimensions", {.inputs = {{.name = "x", .dims = {-1, 2}}}}},
                             {"TwoDimensionsOut", {.outputs = {{.name = "y", .dims = {-1, 2}}}}},
                             {"Batch", {.max_batch_size = 8, .inputs = {{.name = "x", .dims = {1}}}}},
                             {"BatchAlone", {.max_batch_size = 8}},
                         }),
                         [](const auto& test) { return test.param.name; });

TEST_F(StringsModelTest, AreWhatTheConfigurationNeedNotSay) {
  const auto model = Load(kUpper, {.inputs = {{.name = "x", .dims = {-1}}}, .outputs = {{.name = "y", .dims = {-1}}}});
  ASSERT_THAT(model, IsOk());
  EXPECT_EQ((*model)->info().inputs[0].dtype, kStrings);
  EXPECT_EQ((*model)->info().outputs[0].dtype, kStrings);
}

}  // namespace
}  // namespace tensorferry::inference
