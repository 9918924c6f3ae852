#include "rpc/triton_config/model_config_text.h"

#include <gmock/gmock.h>

#include <ostream>

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
using testing::UnorderedElementsAre;

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

TEST(ModelConfigText, NamesWhatIsNotHonoured) {
  const inference::ModelConfig config = Read(R"(
    optimization { graph { level: 1 } }
    input { name: "x" format: FORMAT_NCHW is_shape_tensor: true }
    input { name: "y" format: FORMAT_NCHW }
    dynamic_batching { preserve_ordering: true }
    response_cache { enable: true }
    from_the_future: 7)");
  EXPECT_THAT(config.ignored, UnorderedElementsAre("optimization", "input.format", "input.is_shape_tensor",
                                                   "dynamic_batching.preserve_ordering", "response_cache",
                                                   HasSubstr("from_the_future")));
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
        {"Platform", "platform: \"onnxruntime_onnx\"", "platform 'onnxruntime_onnx' is not served"},
        {"Backend", "backend: \"python\"", "backend 'python' is not served"},
        {"Ensemble", "ensemble_scheduling { }", "ensemble_scheduling is not served"},
        {"Sequence", "sequence_batching { }", "sequence_batching is not served"},
        {"Decoupled", "model_transaction_policy { decoupled: true }", "decoupled models are not served"},
        {"NegativeBatch", "max_batch_size: -1", "max_batch_size is -1"},
        {"Nameless", "input { dims: 1 }", "an input or output has no name"},
        {"Dims", "input { name: \"x\" dims: -2 }", "'x': dims are numbers of elements"},
        {"Twice", "output { name: \"y\" } output { name: \"y\" }", "'y' comes twice"},
        {"Dtype", "input { name: \"x\" } parameters { key: \"dtype:x\" value { string_value: \"real\" } }",
         "there is no dtype 'real'"},
        {"Preferred", "max_batch_size: 4 dynamic_batching { preferred_batch_size: 5 }",
         "preferred_batch_size 5 is not from 1 to max_batch_size, 4"},
        {"Priorities", "dynamic_batching { priority_levels: 3 }", "default_priority_level 0 is not from 1 to"},
    }),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tensorferry::rpc
