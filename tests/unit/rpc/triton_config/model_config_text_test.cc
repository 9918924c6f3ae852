#include "rpc/triton_config/model_config_text.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "rpc/triton_config/triton_proto.h"
#include "testing/status_matchers.h"

namespace tensorferry::rpc {
namespace {

using inference::InstanceGroup;
using inference::VersionPolicy;
using inference::WarmUpInput;
using std::chrono::microseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

inference::ModelConfig Read(std::string_view text) {
  const auto config = ReadModelConfig(text);
  EXPECT_THAT(config, IsOk());
  return config.value_or(inference::ModelConfig{});
}

TEST(ModelConfigText, OfNothingHasTheDefaults) {
  const inference::ModelConfig config = Read("");
  EXPECT_EQ(config.max_batch_size, 0);
  EXPECT_EQ(config.versions.kind, VersionPolicy::Kind::kLatest);
  EXPECT_EQ(config.versions.latest, 1u);
  EXPECT_FALSE(config.batching);
  EXPECT_THAT(config.ignored, IsEmpty());
}

TEST(ModelConfigText, NamesInputsAndOutputsInTheirOrder) {
  const inference::ModelConfig config = Read(R"(
    name: "m"
    platform: "pytorch_libtorch"
    max_batch_size: 8
    input [
      { name: "b" data_type: TYPE_BF16 dims: [ 3, -1 ] optional: true },
      { name: "a" dims: [ 1 ] reshape { shape: [ ] } }
    ]
    output { name: "y" data_type: TYPE_INT64 dims: 2 }
    parameters { key: "dtype:a" value { string_value: "float8_e5m2" } }
    parameters { key: "INFERENCE_MODE" value { string_value: "true" } })");
  ASSERT_EQ(config.inputs.size(), 2u);
  EXPECT_EQ(config.inputs[0].name, "b");
  EXPECT_EQ(config.inputs[0].dtype, DType::kBFloat16);
  EXPECT_THAT(config.inputs[0].dims, ElementsAre(3, -1));
  EXPECT_TRUE(config.inputs[0].optional);
  EXPECT_EQ(config.inputs[1].dtype, DType::kFloat8E5M2);
  EXPECT_THAT(*config.inputs[1].reshape, IsEmpty());
  EXPECT_EQ(config.outputs[0].dtype, DType::kInt64);
  EXPECT_EQ(config.max_batch_size, 8);
  EXPECT_EQ(config.parameters.at("INFERENCE_MODE"), "true");
  EXPECT_THAT(config.ignored, IsEmpty());
}

TEST(ModelConfigText, SaysHowRequestsWaitAndWhereTheyRun) {
  const inference::ModelConfig config = Read(R"(
    max_batch_size: 8
    dynamic_batching {
      preferred_batch_size: [ 8, 4 ]
      max_queue_delay_microseconds: 100
      priority_levels: 2
      default_priority_level: 1
      default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 5 allow_timeout_override: true }
      priority_queue_policy { key: 2 value { max_queue_size: 7 } }
    }
    instance_group { count: 3 kind: KIND_CPU }
    instance_group { gpus: [ 0, 2 ] kind: KIND_GPU }
    version_policy { specific { versions: [ 1, 3 ] } }
    default_model_filename: "net.pt")");
  ASSERT_TRUE(config.batching);
  EXPECT_THAT(config.batching->preferred_batch_sizes, ElementsAre(4, 8));
  EXPECT_EQ(config.batching->max_queue_delay, microseconds(100));
  EXPECT_TRUE(config.batching->default_policy.delays_late);
  EXPECT_EQ(config.batching->default_policy.default_timeout, microseconds(5));
  EXPECT_TRUE(config.batching->default_policy.allow_timeout_override);
  EXPECT_EQ(config.batching->policies.at(2).max_queue_size, 7u);
  EXPECT_EQ(config.instances[0].kind, InstanceGroup::Kind::kCpu);
  EXPECT_EQ(config.instances[0].count, 3);
  EXPECT_THAT(config.instances[1].gpus, ElementsAre(0, 2));
  EXPECT_EQ(config.versions.kind, VersionPolicy::Kind::kSpecific);
  EXPECT_THAT(config.versions.specific, ElementsAre(1, 3));
  EXPECT_EQ(config.default_model_filename, "net.pt");
}

TEST(ModelConfigText, DescribesTheWarmUp) {
  const inference::ModelConfig config = Read(R"(
    model_warmup {
      name: "w" batch_size: 2 count: 3
      inputs { key: "a" value { data_type: TYPE_FP16 dims: 4 random_data: true } }
      inputs { key: "b" value { dims: [ 2, 2 ] data_type: TYPE_BOOL input_data_file: "raw" } }
    })");
  ASSERT_EQ(config.warm_up.size(), 1u);
  const inference::WarmUpSample& sample = config.warm_up[0];
  EXPECT_EQ(sample.batch_size, 2);
  EXPECT_EQ(sample.count, 3);
  EXPECT_EQ(sample.inputs.at("a").content, WarmUpInput::Content::kRandom);
  EXPECT_EQ(sample.inputs.at("a").dtype, DType::kFloat16);
  EXPECT_EQ(sample.inputs.at("b").file, "raw");
  EXPECT_THAT(sample.inputs.at("b").dims, ElementsAre(2, 2));
}

// Each of these fields of the format is not honoured.
struct UnusedCase {
  std::string text;
  std::string path;  // As it is called.
  bool refused;      // Or else ignored.
  friend void PrintTo(const UnusedCase& c, std::ostream* out) { *out << c.text; }
};
const std::vector<UnusedCase> kUnused{
    {R"(input { name: "x" format: FORMAT_NCHW })", "input.format", false},
    {R"(input { name: "x" is_shape_tensor: true })", "input.is_shape_tensor", true},
    {R"(input { name: "x" allow_ragged_batch: true })", "input.allow_ragged_batch", true},
    {R"(input { name: "x" is_non_linear_format_io: true })", "input.is_non_linear_format_io", true},
    {R"(output { name: "x" is_shape_tensor: true })", "output.is_shape_tensor", true},
    {R"(output { name: "x" is_non_linear_format_io: true })", "output.is_non_linear_format_io", true},
    {R"(batch_input { target_name: "x" })", "batch_input", true},
    {R"(batch_output { target_name: "x" })", "batch_output", true},
    {"optimization { graph { level: 1 } }", "optimization", false},
    {"optimization { eager_batching: true }", "optimization", false},
    {"max_batch_size: 8 dynamic_batching { preserve_ordering: true }", "dynamic_batching.preserve_ordering", false},
    {"sequence_batching { }", "sequence_batching", true},
    {"sequence_batching { iterative_sequence: true }", "sequence_batching", true},
    {"ensemble_scheduling { }", "ensemble_scheduling", true},
    {"instance_group { rate_limiter { priority: 2 } }", "instance_group.rate_limiter", false},
    {"instance_group { secondary_devices { device_id: 1 } }", "instance_group.secondary_devices", false},
    {R"(instance_group { profile: "p" })", "instance_group.profile", false},
    {"instance_group { passive: true }", "instance_group.passive", false},
    {R"(instance_group { host_policy: "p" })", "instance_group.host_policy", false},
    {R"(cc_model_filenames { key: "7.0" value: "model.pt" })", "cc_model_filenames", true},
    {R"(metric_tags { key: "a" value: "b" })", "metric_tags", false},
    {R"(model_operations { op_library_filename: "ops.so" })", "model_operations.op_library_filename", true},
    {R"(model_repository_agents { agents { name: "checksum" } })", "model_repository_agents.agents", true},
    {"response_cache { enable: true }", "response_cache", false},
    {R"(model_metrics { metric_control { metric_identifier { family: "f" } } })", "model_metrics", false},
};
class UnusedFields : public testing::TestWithParam<UnusedCase> {};

TEST_P(UnusedFields, AreRefusedIfTheyWouldChangeTheModelElseNamed) {
  const auto& [text, path, refused] = GetParam();
  const auto config = ReadModelConfig(text);
  if (refused) {
    EXPECT_THAT(config, Fails(Reason::kModelNotReady, "config.pbtxt: " + path + " is not served"));
  } else {
    ASSERT_THAT(config, IsOk());
    EXPECT_THAT(config->ignored, ElementsAre(path));
  }
}

INSTANTIATE_TEST_SUITE_P(Format, UnusedFields, testing::ValuesIn(kUnused));

TEST(ModelConfigText, SaysNothingOfFieldsThatChangeNothing) {
  EXPECT_THAT(Read(R"(
    optimization { } response_cache { enable: false } model_transaction_policy { decoupled: false } model_operations { }
    model_repository_agents { } input { name: "x" is_shape_tensor: false format: FORMAT_NONE }
    backend: "pytorch" runtime: "libtriton_pytorch.so")")
                  .ignored,
              IsEmpty());
}

// Writes, for each field of a message and of the messages in it, a text in which one letter of its name is another.
// `before` and `after` are the text around the message.
void MistypeEach(const google::protobuf::Descriptor& message, const std::string& before, const std::string& after,
                 const std::function<void(const std::string& text, const std::string& name)>& visit) {
  for (int i = 0; i < message.field_count(); ++i) {
    const google::protobuf::FieldDescriptor& field = *message.field(i);
    const std::string name(field.name());
    std::string mistyped = name;
    mistyped[mistyped.size() / 2] = mistyped[mistyped.size() / 2] == 'q' ? 'z' : 'q';
    const bool is_message = field.cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE;
    visit(before + mistyped + (is_message ? " { }" : ": 1") + after, name);
    if (is_message) MistypeEach(*field.message_type(), before + name + " { ", " }" + after, visit);
  }
}

TEST(ModelConfigText, NamesTheFieldThatIsMeantByAMistypedOne) {
  int fields = 0;
  MistypeEach(*triton::ModelConfig::descriptor(), "", "", [&](const std::string& text, const std::string& name) {
    ++fields;
    EXPECT_THAT(ReadModelConfig(text), Fails(Reason::kModelNotReady, HasSubstr("; did you mean " + name + "?")))
        << text;
  });
  EXPECT_GT(fields, 150);
}

struct RefusedCase {
  std::string name, text, why;
  friend void PrintTo(const RefusedCase& c, std::ostream* out) { *out << c.name; }
};
class ModelConfigTextRefused : public testing::TestWithParam<RefusedCase> {};

TEST_P(ModelConfigTextRefused, SayingWhy) {
  EXPECT_THAT(ReadModelConfig(GetParam().text), Fails(Reason::kModelNotReady, HasSubstr(GetParam().why)));
}

INSTANTIATE_TEST_SUITE_P(
    Texts, ModelConfigTextRefused,
    testing::ValuesIn(std::vector<RefusedCase>{
        {"Syntax", "max_batch_size: 8\ninput {", "config.pbtxt: line 2, column"},
        {"PolicyOfNoLevel",
         "dynamic_batching { priority_levels: 1 default_priority_level: 1 priority_queue_policy { key: 2 value { } } }",
         "priority_queue_policy is for level 2, but priority_levels is 1"},
        {"DTypeOfNothing", "parameters { key: \"dtype:y\" value { string_value: \"int8\" } }",
         "parameter 'dtype:y': there is no such input or output"},
        {"Type", "max_batch_size: \"8\"", "line 1"},
        {"EndOfText", "input [ { name: ", "line 1, column 17: Expected string, got: the end of the text"},
        {"UnknownValue", "input { name: \"x\" data_type: TYPE_FP99 }",
         "line 1, column 40: data_type cannot be 'TYPE_FP99'; it is one of TYPE_INVALID, TYPE_BOOL, TYPE_UINT8"},
        {"UnknownKind", "instance_group { kind: CPU }",
         "kind cannot be 'CPU'; it is one of KIND_AUTO, KIND_GPU, KIND_CPU"},
        {"UnknownField", "name: \"m\"\nmax_batch_sizes: 8",
         "config.pbtxt: line 2, column 16: ModelConfig has no field 'max_batch_sizes'; did you mean max_batch_size?"},
        {"UnknownFieldWithin", "input { name: \"x\" dim: 8 }",
         "config.pbtxt: line 1, column 22: ModelInput has no field 'dim'; did you mean dims?"},
        {"UnknownWord", "from_the_future { deep: 7 }", "line 1, column 17: ModelConfig has no field 'from_the_future'"},
        {"Runtime", "runtime: \"model.py\"",
         "config.pbtxt: runtime 'model.py' is not served; only libtriton_pytorch.so is"},
        {"Platform", "platform: \"onnxruntime_onnx\"", "platform 'onnxruntime_onnx' is not served"},
        {"Backend", "backend: \"python\"", "backend 'python' is not served"},
        {"Decoupled", "model_transaction_policy { decoupled: true }", "decoupled models are not served"},
        {"NegativeBatch", "max_batch_size: -1", "max_batch_size is -1"},
        {"Nameless", "input { dims: 1 }", "an input or output has no name"},
        {"Dims", "input { name: \"x\" dims: -2 }", "'x': dims are numbers of elements"},
        {"Twice", "output { name: \"y\" } output { name: \"y\" }", "'y' comes twice"},
        {"Dtype", "input { name: \"x\" } parameters { key: \"dtype:x\" value { string_value: \"real\" } }",
         "there is no dtype 'real'"},
        {"Preferred", "max_batch_size: 4 dynamic_batching { preferred_batch_size: 5 }",
         "preferred_batch_size 5 is not from 1 to max_batch_size, 4"},
        {"TooManyPriorities", "dynamic_batching { priority_levels: 2000 default_priority_level: 1000 }",
         "priority_levels 2000 is more than 1024, the most that a model may have"},
        {"Priorities", "dynamic_batching { priority_levels: 3 }", "default_priority_level 0 is not from 1 to"},
    }),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tensorferry::rpc
