#include "inference/repository/warm_up.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "testing/fake_model.h"
#include "testing/status_matchers.h"
#include "testing/test_memory.h"

namespace tensorferry::inference {
namespace {

struct PlatformCase {
  std::string platform;
  int runs;
};
class WarmUpOf : public testing::TestWithParam<PlatformCase> {};

TEST_P(WarmUpOf, RunsTheModelOnEachExecutorUntilItLearnsNothingMore) {
  const auto& [platform, runs] = GetParam();
  constexpr int kExecutors = 2;
  TestMemory memory;
  constexpr int kThreads = 3;
  std::atomic<int> count = 0;
  const auto engine = std::make_shared<FakeModel>([&](FakeModel::Inputs inputs) {
    EXPECT_EQ(at::get_num_threads(), kThreads);
    count += inputs.at(0).tensor.numel() == 6 ? 1 : 0;
    return inputs;
  });
  ModelInfo info = engine->info();
  info.platform = platform;
  info.inputs = {{.name = "x", .dtype = "float32", .shape = {2, 3}}};
  ServedModel model(std::move(info), std::vector<std::shared_ptr<Model>>(kExecutors, engine), {}, memory.pool);
  EXPECT_THAT(WarmUp(model, {}, {}, kThreads), IsOk());
  EXPECT_EQ(count, runs * kExecutors);
}

INSTANTIATE_TEST_SUITE_P(Platforms, WarmUpOf,
                         testing::Values(PlatformCase{"torchscript", 3}, PlatformCase{"aotinductor", 1},
                                         PlatformCase{"exported", 1}),
                         [](const auto& test) { return test.param.platform; });

}  // namespace
}  // namespace tensorferry::inference
