// Callers change these configurations when they load a model. The tests read, too, what is said of those that apply.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>

#include <ostream>

#include "rpc/triton_config/model_config_text.h"
#include "testing/status_matchers.h"

namespace tensorferry::rpc {
namespace {

using google::protobuf::TextFormat;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

triton::ModelConfig Parsed(const std::string& text) {
  triton::ModelConfig proto;
  EXPECT_TRUE(TextFormat::ParseFromString(text, &proto)) << text;
  return proto;
}

std::string Difference(const triton::ModelConfig& expected, const triton::ModelConfig& actual) {
  std::string difference;
  google::protobuf::util::MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&difference);
  return differencer.Compare(expected, actual) ? "" : difference;
}

constexpr char kBase[] = R"(
  name: "m"
  platform: "pytorch_libtorch"
  max_batch_size: 8
  input { name: "x" data_type: TYPE_FP32 dims: 3 }
  output { name: "y" data_type: TYPE_FP32 dims: 3 }
  dynamic_batching { preferred_batch_size: 4 max_queue_delay_microseconds: 100 }
  instance_group { count: 1 kind: KIND_CPU }
  version_policy { latest { num_versions: 2 } }
  parameters { key: "a" value { string_value: "1" } }
)";

// BaseBut returns kBase as protobuf parses it, except for the field that `text` sets.
triton::ModelConfig BaseBut(const std::string& field, const std::string& text) {
  triton::ModelConfig proto = Parsed(kBase);
  proto.GetReflection()->ClearField(&proto, proto.GetDescriptor()->FindFieldByName(field));
  proto.MergeFrom(Parsed(text));
  return proto;
}

struct OverrideCase {
  std::string name, json, field, text;
  friend void PrintTo(const OverrideCase& c, std::ostream* out) { *out << c.name; }
};
class ModelConfigOverride : public testing::TestWithParam<OverrideCase> {};

TEST_P(ModelConfigOverride, ReplacesTheFieldAndNoOther) {
  const auto& [name, json, field, text] = GetParam();
  const auto config = ReadModelConfig(kBase, json);
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(Difference(BaseBut(field, text), Parsed(config->text)), "");
}

TEST_P(ModelConfigOverride, MayBeAllThatThereIs) {
  const auto& [name, json, field, text] = GetParam();
  if (field == "dynamic_batching") return;  // It is not allowed without max_batch_size.
  const auto config = ReadModelConfig("", json);
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(Difference(Parsed(text), Parsed(config->text)), "");
}

INSTANTIATE_TEST_SUITE_P(
    Fields, ModelConfigOverride,
    testing::ValuesIn(std::vector<OverrideCase>{
        {"Number", R"({"max_batch_size": 4})", "max_batch_size", "max_batch_size: 4"},
        {"InCamelCase", R"({"maxBatchSize": 5})", "max_batch_size", "max_batch_size: 5"},
        {"NumberAsText", R"({"max_batch_size": "6"})", "max_batch_size", "max_batch_size: 6"},
        {"List", R"({"input": [{"name": "a", "data_type": "TYPE_INT64", "dims": ["2", -1]}, {"name": "b"}]})", "input",
         R"(input { name: "a" data_type: TYPE_INT64 dims: [ 2, -1 ] } input { name: "b" })"},
        {"Message", R"({"dynamic_batching": {"max_queue_delay_microseconds": 7}})", "dynamic_batching",
         "dynamic_batching { max_queue_delay_microseconds: 7 }"},
        {"EmptyMessage", R"({"dynamic_batching": {}})", "dynamic_batching", "dynamic_batching {}"},
        {"Choice", R"({"version_policy": {"all": {}}})", "version_policy", "version_policy { all {} }"},
        {"Map", R"({"parameters": {"b": {"string_value": "2"}}})", "parameters",
         R"(parameters { key: "b" value { string_value: "2" } })"},
        {"NewField", R"({"default_model_filename": "net.pt"})", "default_model_filename",
         R"(default_model_filename: "net.pt")"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(ModelConfigOverrides, ApplyAsIfTheyStoodInTheText) {
  const auto config = ReadModelConfig(kBase, R"({"max_batch_size": 4, "dynamic_batching": {"priority_levels": 3,
                                               "default_priority_level": 2}, "instance_group": [{"count": 5}]})");
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->max_batch_size, 4);
  ASSERT_TRUE(config->batching);
  EXPECT_EQ(config->batching->priority_levels, 3u);
  EXPECT_THAT(config->batching->preferred_batch_sizes, IsEmpty()) << "the message is replaced, not merged";
  ASSERT_EQ(config->instances.size(), 1u);
  EXPECT_EQ(config->instances[0].count, 5);
  EXPECT_EQ(config->inputs[0].name, "x");
}

TEST(ModelConfigOverrides, OfNothingChangeNothing) {
  for (const std::string json : {"", "{}", " {} "}) {
    const auto config = ReadModelConfig(kBase, json);
    ASSERT_THAT(config, IsOk());
    EXPECT_EQ(Difference(Parsed(kBase), Parsed(config->text)), "") << json;
  }
}

struct RefusedOverride {
  std::string name, json, why;
  friend void PrintTo(const RefusedOverride& c, std::ostream* out) { *out << c.name; }
};
class ModelConfigOverrideRefused : public testing::TestWithParam<RefusedOverride> {};

TEST_P(ModelConfigOverrideRefused, SayingWhyOnOneLine) {
  const absl::Status refused = ReadModelConfig(kBase, GetParam().json).status();
  EXPECT_THAT(refused, Fails(Reason::kModelNotReady, HasSubstr(GetParam().why)));
  EXPECT_THAT(std::string(refused.message()), Not(HasSubstr("\n")));
}

constexpr char kNoJson[] = "the override of the configuration is not a ModelConfig in JSON: ";

INSTANTIATE_TEST_SUITE_P(Jsons, ModelConfigOverrideRefused,
                         testing::ValuesIn(std::vector<RefusedOverride>{
                             {"NoJson", "max_batch_size: 4", kNoJson},
                             {"Unfinished", R"({"max_batch_size": 4)", kNoJson},
                             {"NoObject", "[]", kNoJson},
                             {"UnknownField", R"({"max_batch": 4})", "max_batch"},
                             {"WrongType", R"({"max_batch_size": "many"})", kNoJson},
                             {"TooLarge", R"({"max_batch_size": 4294967296})", kNoJson},
                             {"NotServed", R"({"backend": "python"})", "backend 'python' is not served"},
                             {"OtherChoice", R"({"sequence_batching": {}})", "sequence_batching is not served"},
                             {"Contradiction", R"({"max_batch_size": 2})",
                              "preferred_batch_size 4 is not from 1 to max_batch_size, 2"},
                             {"InvalidUtf8", "{\"name\": \"\xFF\"}", ""},
                         }),
                         [](const auto& test) { return test.param.name; });

// --- These tests read what is said of a configuration.

inference::ModelInfo Loaded() {
  return {.name = "m",
          .platform = "torchscript",
          .inputs = {{.name = "x", .dtype = "float32", .shape = {-1, 3}},
                     {.name = "s", .dtype = "string", .shape = {-1, 1}},
                     {.name = "f", .dtype = "float8_e5m2", .shape = {-1}},
                     {.name = "any"}},
          .outputs = {{.name = "y", .dtype = "bfloat16", .shape = {-1, 2, -1}}},
          .max_batch_size = 8};
}

TEST(ModelConfigToProto, IsCompletedWithWhatTheModelSays) {
  const auto proto = ToProto(Loaded(), {});
  EXPECT_EQ(Difference(Parsed(R"(
    name: "m" platform: "pytorch_libtorch" backend: "pytorch" max_batch_size: 8
    version_policy { latest { num_versions: 1 } }
    input { name: "x" data_type: TYPE_FP32 dims: 3 }
    input { name: "s" data_type: TYPE_STRING dims: 1 }
    input { name: "f" }
    input { name: "any" }
    output { name: "y" data_type: TYPE_BF16 dims: [ 2, -1 ] }
    parameters { key: "dtype:f" value { string_value: "float8_e5m2" } })"),
                       proto),
            "");
}

TEST(ModelConfigToProto, HasAllDimensionsWhereThereIsNoBatch) {
  inference::ModelInfo model = Loaded();
  model.max_batch_size = 0;
  const auto proto = ToProto(model, {});
  EXPECT_EQ(proto.max_batch_size(), 0);
  EXPECT_THAT(proto.input(0).dims(), ElementsAre(-1, 3));
  EXPECT_THAT(proto.input(2).dims(), ElementsAre(-1));
}

TEST(ModelConfigToProto, KeepsWhatWasConfigured) {
  const auto config = ReadModelConfig(kBase, R"({"max_batch_size": 4})");
  ASSERT_THAT(config, IsOk());
  inference::ModelInfo model = Loaded();
  model.max_batch_size = 4;
  triton::ModelConfig expected = BaseBut("max_batch_size", "max_batch_size: 4");
  expected.set_backend("pytorch");
  EXPECT_EQ(Difference(expected, ToProto(model, *config)), "");
}

TEST(ModelConfigToProto, NamesThePlatform) {
  inference::ModelInfo model = Loaded();
  model.platform = "aotinductor";
  EXPECT_EQ(ToProto(model, {}).platform(), "torch_aoti");
  EXPECT_EQ(ToProto(model, {}).backend(), "pytorch");
  model.platform = "builtin";
  EXPECT_EQ(ToProto(model, {}).platform(), "");
  EXPECT_EQ(ToProto(model, {}).backend(), "");
}

// perf_analyzer stops if the names in metadata and configuration differ.
TEST(ModelConfigToProto, CanBeReadAgain) {
  const inference::ModelInfo model = Loaded();
  std::string text;
  ASSERT_TRUE(TextFormat::PrintToString(ToProto(model, {}), &text));
  const auto config = ReadModelConfig(text);
  ASSERT_THAT(config, IsOk());
  ASSERT_EQ(config->inputs.size(), model.inputs.size());
  for (std::size_t i = 0; i < model.inputs.size(); ++i) EXPECT_EQ(config->inputs[i].name, model.inputs[i].name);
  EXPECT_TRUE(config->inputs[1].strings);
  EXPECT_EQ(config->inputs[2].dtype, DType::kFloat8E5M2);
  EXPECT_EQ(config->outputs[0].dtype, DType::kBFloat16);
  EXPECT_EQ(Difference(ToProto(model, {}), ToProto(model, *config)), "");
}

// These values are not on the wire, but the caller wrote them.
TEST(ModelConfigOverrides, SetDefaultsToo) {
  const auto config = ReadModelConfig(
      kBase, R"({"maxBatchSize": 0, "dynamic_batching": {}, "platform": "", "input": [], "parameters": {}})");
  ASSERT_THAT(config, IsOk());
  triton::ModelConfig expected = Parsed(kBase);
  expected.clear_max_batch_size();
  expected.mutable_dynamic_batching()->Clear();
  expected.clear_platform();
  expected.clear_input();
  expected.clear_parameters();
  EXPECT_EQ(Difference(expected, Parsed(config->text)), "");
}

}  // namespace
}  // namespace tensorferry::rpc
