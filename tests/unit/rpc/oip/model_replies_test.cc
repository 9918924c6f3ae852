#include "rpc/oip/model_replies.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>

#include <string>

namespace tensorferry::rpc {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// Difference returns "" if the message is what protobuf makes of the text.
template <typename Message>
std::string Difference(const std::string& expected_text, const Message& actual) {
  Message expected;
  if (!google::protobuf::TextFormat::ParseFromString(expected_text, &expected)) return "the test's text is wrong";
  std::string difference;
  google::protobuf::util::MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&difference);
  return differencer.Compare(expected, actual) ? "" : difference;
}

TEST(MetadataOf, NamesInputsAndOutputs) {
  const inference::ModelInfo model{.name = "m",
                                   .platform = "torchscript",
                                   .inputs = {{.name = "x", .dtype = "float32", .shape = {-1, 3}},
                                              {.name = "s", .dtype = "string", .shape = {-1}},
                                              {.name = "any"}},
                                   .outputs = {{.name = "y", .dtype = "bool", .shape = {}}}};
  EXPECT_EQ(Difference(R"(
    name: "m" versions: "1" versions: "12" platform: "pytorch_libtorch"
    inputs { name: "x" datatype: "FP32" shape: [ -1, 3 ] }
    inputs { name: "s" datatype: "BYTES" shape: -1 }
    inputs { name: "any" }
    outputs { name: "y" datatype: "BOOL" })",
                       MetadataOf(model, {"1", "12"})),
            "");
}

TEST(MetadataOf, NamesThePlatformAsClientsKnowIt) {
  EXPECT_EQ(MetadataOf({.platform = "aotinductor"}, {}).platform(), "torch_aoti");
  EXPECT_EQ(MetadataOf({.platform = "builtin"}, {}).platform(), "builtin");
}

TEST(StatisticsOf, HasEveryNumberInItsPlace) {
  const auto time = [](std::uint64_t count, int ns) { return inference::CountAndTime{count, nanoseconds(ns)}; };
  const inference::ModelStatistics done{
      .inference_count = 30,
      .execution_count = 20,
      .last_inference = std::chrono::system_clock::time_point(milliseconds(1769903999007)),
      .success = time(1, 2),
      .fail = time(3, 4),
      .queue = time(5, 6),
      .compute_input = time(7, 8),
      .compute_infer = time(9, 10),
      .compute_output = time(11, 12),
      .batches = {{4, {time(13, 14), time(15, 16), time(17, 18)}}, {1, {time(19, 20), {}, {}}}}};
  // Counters that stay 0 are there, too, because clients read them without asking.
  EXPECT_EQ(Difference(R"(
    name: "m" version: "3" last_inference: 1769903999007 inference_count: 30 execution_count: 20
    inference_stats {
      success { count: 1 ns: 2 } fail { count: 3 ns: 4 } queue { count: 5 ns: 6 }
      compute_input { count: 7 ns: 8 } compute_infer { count: 9 ns: 10 } compute_output { count: 11 ns: 12 }
      cache_hit {} cache_miss {}
    }
    batch_stats { batch_size: 1 compute_input { count: 19 ns: 20 } compute_infer {} compute_output {} }
    batch_stats {
      batch_size: 4 compute_input { count: 13 ns: 14 } compute_infer { count: 15 ns: 16 }
      compute_output { count: 17 ns: 18 }
    })",
                       StatisticsOf({.name = "m", .version = "3"}, done)),
            "");
}

TEST(StatisticsOf, AreZerosAtFirst) {
  EXPECT_EQ(Difference(R"(
    name: "m" version: "1"
    inference_stats {
      success {} fail {} queue {} compute_input {} compute_infer {} compute_output {} cache_hit {} cache_miss {}
    })",
                       StatisticsOf({.name = "m", .version = "1"}, {})),
            "");
}

TEST(IndexOf, SaysWhatStateModelsAreIn) {
  using inference::ModelState;
  const std::vector<inference::RepositoryEntry> entries{
      {"a", "1", ModelState::kReady, ""},
      {"a", "2", ModelState::kLoading, ""},
      {"b", "1", ModelState::kUnavailable, "why"},
      {"c", "1", ModelState::kUnloading, ""},
      {.name = "d"},  // It was never loaded, and so has no version and no state.
  };
  EXPECT_EQ(Difference(R"(
    models { name: "a" version: "1" state: "READY" }
    models { name: "a" version: "2" state: "LOADING" }
    models { name: "b" version: "1" state: "UNAVAILABLE" reason: "why" }
    models { name: "c" version: "1" state: "UNLOADING" }
    models { name: "d" })",
                       IndexOf(entries, /*ready_only=*/false)),
            "");
  EXPECT_EQ(Difference(R"(models { name: "a" version: "1" state: "READY" })", IndexOf(entries, /*ready_only=*/true)),
            "");
}

}  // namespace
}  // namespace tensorferry::rpc
