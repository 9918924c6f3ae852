#include "rpc/oip/tracer.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "testing/captured_log.h"
#include "testing/status_matchers.h"

namespace tensorferry::rpc {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

using Values = Tracer::Values;
using Texts = std::vector<std::string>;

Response ResponseOf(const std::string& model, const std::string& id = "id") {
  Response response{.request_id = id, .receive_time = std::chrono::nanoseconds(1)};
  response.result.model_name = model;
  response.result.model_version = "3";
  response.result.tensors.push_back({.metadata = {.name = "x", .dtype = "float32", .shape = {2, 3}}});
  response.result.outputs.push_back({.metadata = {.name = "y", .dtype = "string", .shape = {1}}});
  response.result.queue_time = std::chrono::nanoseconds(20);
  response.result.convert_time = std::chrono::nanoseconds(300);
  response.result.compute_time = std::chrono::nanoseconds(4000);
  return response;
}

class TracerTest : public testing::Test {
 protected:
  // Traced records so many requests, and returns the ids of those that are traced.
  Texts Traced(const std::string& model, int requests) {
    for (int i = 0; i < requests; ++i) tracer_.Record(ResponseOf(model, std::to_string(i)));
    Texts ids;
    for (const json& line : Lines()) ids.push_back(line.at("request_id"));
    return ids;
  }

  std::vector<json> Lines() {
    std::vector<json> lines;
    for (const std::string& line : log_.Take()) {
      constexpr std::string_view kBegin = "trace: ";
      EXPECT_THAT(line, testing::StartsWith(std::string(kBegin)));
      lines.push_back(json::parse(line.substr(kBegin.size())));
    }
    return lines;
  }

  void Set(const std::string& model, const Values& values) { ASSERT_THAT(tracer_.Set(model, values), IsOk()); }

  CapturedLog log_;
  Tracer tracer_;
};

TEST_F(TracerTest, SaysNothingUntilItIsTold) {
  EXPECT_THAT(Traced("m", 3), IsEmpty());
  EXPECT_THAT(tracer_.Get("m"), ElementsAre(Pair("log_frequency", Texts{"0"}), Pair("trace_count", Texts{"-1"}),
                                            Pair("trace_file", Texts{""}), Pair("trace_level", Texts{"OFF"}),
                                            Pair("trace_rate", Texts{"1000"})));
}

TEST_F(TracerTest, WritesTimesAndTensorsAsAsked) {
  Set("", {{"trace_level", {"TIMESTAMPS", "TENSORS"}}, {"trace_rate", {"1"}}});
  tracer_.Record(ResponseOf("m"));
  auto lines = Lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_GT(lines[0].at("request_end_ns").get<std::int64_t>(), 0);
  lines[0].erase("request_end_ns");
  EXPECT_EQ(lines[0], json::parse(R"({"id": 1, "model_name": "m", "model_version": "3", "request_id": "id",
    "receive_ns": 1, "queue_ns": 20, "compute_input_ns": 300, "compute_infer_ns": 4000,
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 3]}],
    "outputs": [{"name": "y", "datatype": "BYTES", "shape": [1]}]})"));
  Set("", {{"trace_level", {"TENSORS"}}});
  tracer_.Record(ResponseOf("m"));
  lines = Lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].at("id"), 2);
  EXPECT_FALSE(lines[0].contains("queue_ns"));
  EXPECT_TRUE(lines[0].contains("inputs"));
  Set("", {{"trace_level", {"TIMESTAMPS"}}});
  tracer_.Record(ResponseOf("m"));
  lines = Lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_FALSE(lines[0].contains("inputs"));
}

TEST_F(TracerTest, TracesOneOfSoMany) {
  Set("", {{"trace_level", {"TIMESTAMPS"}}, {"trace_rate", {"3"}}});
  EXPECT_THAT(Traced("m", 7), ElementsAre("0", "3", "6"));
  EXPECT_THAT(Traced("n", 4), ElementsAre("0", "3")) << "of each model by itself";
}

TEST_F(TracerTest, StopsAfterSoMany) {
  Set("", {{"trace_level", {"TIMESTAMPS"}}, {"trace_rate", {"2"}}, {"trace_count", {"2"}}});
  EXPECT_THAT(Traced("m", 3), ElementsAre("0", "2"));
  EXPECT_THAT(Traced("m", 9), IsEmpty());
  EXPECT_EQ(tracer_.Get("m").at("trace_count"), Texts{"0"});
  Set("", {{"trace_count", {"1"}}});
  EXPECT_EQ(Traced("m", 9).size(), 1u);
  Set("", {{"trace_count", {"-1"}}});
  EXPECT_EQ(Traced("m", 9).size(), 4u);
}

TEST_F(TracerTest, CountsAModelsOwnLinesByThemselves) {
  Set("", {{"trace_level", {"TIMESTAMPS"}}, {"trace_rate", {"1"}}, {"trace_count", {"3"}}});
  Set("m", {{"trace_count", {"1"}}});
  EXPECT_EQ(Traced("m", 5).size(), 1u);
  EXPECT_EQ(tracer_.Get("").at("trace_count"), Texts{"3"});
  EXPECT_EQ(Traced("n", 2).size(), 2u);
  Set("o", {{"trace_rate", {"1"}}});
  EXPECT_EQ(Traced("o", 5).size(), 1u) << "what is left to all, also where other settings are its own";
  EXPECT_EQ(tracer_.Get("").at("trace_count"), Texts{"0"});
}

TEST_F(TracerTest, HasSettingsOfOneModelAndClearsThem) {
  Set("", {{"trace_rate", {"1"}}});
  Set("m", {{"trace_level", {"TENSORS"}}, {"trace_rate", {"2"}}});
  EXPECT_EQ(Traced("m", 4).size(), 2u);
  EXPECT_THAT(Traced("n", 4), IsEmpty());
  EXPECT_EQ(tracer_.Get("m").at("trace_level"), Texts{"TENSORS"});
  EXPECT_EQ(tracer_.Get("n").at("trace_level"), Texts{"OFF"});
  EXPECT_EQ(tracer_.Get("").at("trace_rate"), Texts{"1"});
  Set("m", {{"trace_rate", {}}});
  EXPECT_EQ(tracer_.Get("m").at("trace_rate"), Texts{"1"}) << "as of all models";
  EXPECT_EQ(Traced("m", 4).size(), 4u);
  Set("m", {{"trace_level", {}}});
  EXPECT_THAT(Traced("m", 4), IsEmpty());
}

TEST_F(TracerTest, CanBeOffForOneModelAlone) {
  Set("", {{"trace_level", {"TIMESTAMPS"}}, {"trace_rate", {"1"}}});
  Set("m", {{"trace_level", {"OFF"}}});
  EXPECT_THAT(Traced("m", 2), IsEmpty());
  EXPECT_EQ(Traced("n", 2).size(), 2u);
  Set("", {{"trace_level", {}}});
  EXPECT_THAT(Traced("n", 2), IsEmpty()) << "the default";
}

TEST_F(TracerTest, SurvivesNamesThatAreNoUtf8) {
  Set("", {{"trace_level", {"TIMESTAMPS"}}, {"trace_rate", {"1"}}});
  tracer_.Record(ResponseOf("m", "\xFF\"\n"));
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].at("request_id"), "\xEF\xBF\xBD\"\n");
}

struct RefusedCase {
  std::string test, name;
  Texts values;
  Reason reason;
  std::string why;
  friend void PrintTo(const RefusedCase& c, std::ostream* out) { *out << c.test; }
};
class TracerRefuses : public TracerTest, public testing::WithParamInterface<RefusedCase> {};

// A refused setting changes nothing, not even what stands beside it.
TEST_P(TracerRefuses, SayingWhy) {
  const auto& [test, name, values, reason, why] = GetParam();
  Set("", {{"trace_level", {"TENSORS"}}, {"trace_rate", {"7"}}});
  const Values before = tracer_.Get("");
  EXPECT_THAT(tracer_.Set("", {{"a", {}}, {name, values}}), Fails(Reason::kInputMismatch));
  Values both{{"trace_count", {"5"}}, {"trace_rate", {"9"}}};
  both[name] = values;
  for (const std::string model : {"", "m"}) {
    EXPECT_THAT(tracer_.Set(model, both), Fails(reason, HasSubstr(why)));
    EXPECT_EQ(tracer_.Get(model), before);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Settings, TracerRefuses,
    testing::ValuesIn(std::vector<RefusedCase>{
        {"UnknownName", "trace_mode", {"triton"}, Reason::kInputMismatch, "trace_level, trace_rate, trace_count"},
        {"UnknownLevel", "trace_level", {"LOUD"}, Reason::kInputMismatch, "expected OFF, TIMESTAMPS or TENSORS"},
        {"OffAndOn", "trace_level", {"OFF", "TENSORS"}, Reason::kInputMismatch, "expected OFF alone"},
        {"RateOfZero", "trace_rate", {"0"}, Reason::kInputMismatch, "expected one number of 1 or more, got '0'"},
        {"RateNegative", "trace_rate", {"-5"}, Reason::kInputMismatch, "expected one number of 1 or more, got '-5'"},
        {"RateAsWord", "trace_rate", {"many"}, Reason::kInputMismatch, "got 'many'"},
        {"RateWithARest", "trace_rate", {"5x"}, Reason::kInputMismatch, "got '5x'"},
        {"RateTooLarge", "trace_rate", {"9223372036854775808"}, Reason::kInputMismatch, "got '92"},
        {"TwoRates", "trace_rate", {"1", "2"}, Reason::kInputMismatch, "got '2 values'"},
        {"EmptyRate", "trace_rate", {""}, Reason::kInputMismatch, "got ''"},
        {"CountBelowMinusOne", "trace_count", {"-2"}, Reason::kInputMismatch, "one number of -1 or more, got '-2'"},
        {"Frequency", "log_frequency", {"50"}, Reason::kInputMismatch, "each written at once"},
        {"File", "trace_file", {"x"}, Reason::kOperatorUnsupported, "can not be updated through network protocol"},
    }),
    [](const auto& test) { return test.param.test; });

}  // namespace
}  // namespace tensorferry::rpc
