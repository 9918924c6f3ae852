#include "metrics/model_metrics.h"

#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "testing/fake_model_version.h"
#include "testing/series.h"

namespace tensorferry::metrics {
namespace {

using inference::ModelInfo;
using inference::ModelState;
using std::chrono::milliseconds;
using testing::DoubleEq;
using testing::Optional;

class CountedVersion final : public FakeModelVersion {
 public:
  inference::ModelStatistics statistics() const override { return done; }
  inference::ModelStatistics done;
};

// SomeModels lists what it is given, and serves those that are READY.
class SomeModels final : public inference::ModelCatalog {
 public:
  std::vector<ModelInfo> infos;
  std::shared_ptr<CountedVersion> served = std::make_shared<CountedVersion>();

  absl::StatusOr<std::shared_ptr<inference::ModelVersion>> FindModel(std::string_view name,
                                                                     std::string_view version) const override {
    for (const ModelInfo& info : infos) {
      if (info.name == name && info.version == version && info.state == ModelState::kReady) return served;
    }
    return MakeError(Reason::kModelNotReady, "it is not ready");
  }
  std::vector<ModelInfo> Models() const override { return infos; }
  void ObserveModels(std::function<void(const std::string&, bool)>) override {}
};

class ModelMetricsTest : public testing::Test {
 protected:
  std::optional<double> Value(std::string_view name, Labels labels) const {
    return ValueOf(FamiliesOf(metrics_), name, std::move(labels));
  }
  std::size_t SeriesCount() const {
    std::size_t count = 0;
    for (const prometheus::MetricFamily& family : FamiliesOf(metrics_)) count += family.metric.size();
    return count;
  }

  SomeModels models_;
  ModelMetrics metrics_{models_};
};

TEST_F(ModelMetricsTest, TellsWhatAVersionHasDone) {
  models_.infos = {{.name = "m",
                    .version = "3",
                    .state = ModelState::kReady,
                    .platform = "torchscript",
                    .sha256 = "ab",
                    .load_time = milliseconds(1500)}};
  inference::ModelStatistics& done = models_.served->done;
  done.inference_count = 12;
  done.execution_count = 2;
  done.waiting = 5;
  done.success = {.count = 7, .time = milliseconds(250)};
  done.success_by_time[0] = 4;
  done.success_by_time[2] = 2;
  done.success_by_time[kRequestTimes.count] = 1;
  done.fail = {.count = 1, .time = milliseconds(10)};
  done.queue.time = milliseconds(125);
  done.compute_infer.time = milliseconds(500);
  done.batches[4].compute_infer.count = 1;
  done.batches[8].compute_infer.count = 1;
  done.batches[5000].compute_infer.count = 2;
  const Labels version{{"model", "m"}, {"version", "3"}};
  const auto with = [&](const char* name, const char* value) {
    Labels labels = version;
    labels.push_back({name, value});
    return labels;
  };
  EXPECT_THAT(Value("tensorferry_model_inferences_total", version), Optional(12));
  EXPECT_THAT(Value("tensorferry_model_executions_total", version), Optional(2));
  EXPECT_THAT(Value("tensorferry_queue_depth", version), Optional(5));
  EXPECT_THAT(Value("tensorferry_model_load_seconds", version), Optional(1.5));
  EXPECT_THAT(Value("tensorferry_model_requests_total", with("outcome", "success")), Optional(7));
  EXPECT_THAT(Value("tensorferry_model_requests_total", with("outcome", "failure")), Optional(1));
  EXPECT_THAT(Value("tensorferry_model_request_seconds_total", with("outcome", "success")), Optional(0.25));
  EXPECT_THAT(Value("tensorferry_model_queue_seconds_total", version), Optional(0.125));
  EXPECT_THAT(Value("tensorferry_model_compute_seconds_total", with("part", "infer")), Optional(0.5));
  EXPECT_THAT(Value("tensorferry_model_state", with("state", "ready")), Optional(1));
  EXPECT_THAT(Value("tensorferry_model_state", with("state", "loading")), Optional(0));
  Labels info = with("platform", "torchscript");
  info.push_back({"sha256", "ab"});
  EXPECT_THAT(Value("tensorferry_model_info", info), Optional(1));

  const auto families = FamiliesOf(metrics_);
  const auto& times = FindSeries(families, "tensorferry_model_answered_seconds", version)->histogram;
  EXPECT_EQ(times.sample_count, 7u);
  EXPECT_THAT(times.sample_sum, DoubleEq(0.25));
  EXPECT_EQ(times.bucket[1].cumulative_count, 4u);  // To 50 µs.
  EXPECT_EQ(times.bucket[2].cumulative_count, 6u);  // To 100 µs.
  EXPECT_THAT(times.bucket[2].upper_bound, DoubleEq(100e-6));
  EXPECT_EQ(times.bucket.back().cumulative_count, 6u);
  const auto& rows = FindSeries(families, "tensorferry_model_batch_rows", version)->histogram;
  EXPECT_EQ(rows.sample_count, 4u);
  EXPECT_THAT(rows.sample_sum, DoubleEq(4 + 8 + 2 * 5000));
  EXPECT_EQ(rows.bucket[1].cumulative_count, 0u);   // To 2 rows.
  EXPECT_EQ(rows.bucket[2].cumulative_count, 1u);   // To 4.
  EXPECT_EQ(rows.bucket[10].cumulative_count, 2u);  // To 1024.
}

TEST_F(ModelMetricsTest, HasNoCountsOfAVersionThatDoesNotServe) {
  models_.infos = {{.name = "m", .version = "1", .state = ModelState::kLoading}};
  EXPECT_THAT(Value("tensorferry_model_state", {{"model", "m"}, {"version", "1"}, {"state", "loading"}}), Optional(1));
  EXPECT_EQ(Value("tensorferry_queue_depth", {{"model", "m"}, {"version", "1"}}), std::nullopt);
}

TEST_F(ModelMetricsTest, ForgetsAVersionWithTheCatalog) {
  EXPECT_EQ(SeriesCount(), 0u);
  models_.infos = {{.name = "m", .version = "1", .state = ModelState::kReady}};
  EXPECT_GT(SeriesCount(), 0u);
  models_.infos.clear();
  EXPECT_EQ(SeriesCount(), 0u);
}

TEST_F(ModelMetricsTest, KeepsAScrapeReadableWhateverANameHolds) {
  models_.infos = {{.name = "\xff\xfe\n", .version = "1", .state = ModelState::kReady}};
  EXPECT_THAT(Value("tensorferry_queue_depth", {{"model", "???"}, {"version", "1"}}), Optional(0));
}

}  // namespace
}  // namespace tensorferry::metrics
