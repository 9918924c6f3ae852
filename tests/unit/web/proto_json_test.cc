#include "web/proto_json.h"

#include <gtest/gtest.h>

#include "inference/grpc_service.pb.h"

namespace tensorferry::web {
namespace {

using nlohmann::ordered_json;

TEST(ProtoJson, HasFieldsByTheirNamesAndThoseWithoutPresenceAlways) {
  inference::ModelMetadataResponse message;
  message.set_name("m");
  auto& input = *message.add_inputs();
  input.set_name("x");
  input.add_shape(-1);
  EXPECT_EQ(ProtoJson(message), ordered_json::parse(R"({"name": "m", "versions": [], "platform": "",
      "inputs": [{"name": "x", "datatype": "", "shape": [-1]}], "outputs": []})"));
}

TEST(ProtoJson, HasWholeNumbersOf64BitsAndMaps) {
  inference::ModelStatisticsResponse message;
  auto& model = *message.add_model_stats();
  model.set_inference_count(UINT64_MAX);
  (*model.mutable_response_stats())["a\"b"].mutable_success()->set_count(3);
  const ordered_json told = ProtoJson(message)["model_stats"][0];
  EXPECT_EQ(told["inference_count"].get<std::uint64_t>(), UINT64_MAX);
  EXPECT_EQ(told["response_stats"]["a\"b"]["success"]["count"], 3);
  EXPECT_FALSE(told.contains("inference_stats"));  // A message that is not set.
}

TEST(ProtoJson, HasNamesOfEnumerators) {
  inference::ModelConfigResponse message;
  message.mutable_config()->add_input()->set_data_type(inference::TYPE_FP32);
  EXPECT_EQ(ProtoJson(message)["config"]["input"][0]["data_type"], "TYPE_FP32");
}

TEST(ProtoJson, HasTheNumbersOfEnumeratorsWithoutAName) {
  inference::ModelConfigResponse message;
  message.mutable_config()->add_input()->set_data_type(static_cast<inference::DataType>(77));
  EXPECT_EQ(ProtoJson(message)["config"]["input"][0]["data_type"], 77);
}

}  // namespace
}  // namespace tensorferry::web
