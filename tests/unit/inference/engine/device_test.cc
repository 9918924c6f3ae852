// These tests run models on a GPU. Without one they say so and are skipped.
#include <ATen/Context.h>
#include <gmock/gmock.h>

#include "inference/repository/model_loader.h"
#include "payload/dtype.h"
#include "testing/payloads.h"
#include "testing/status_matchers.h"
#include "testing/temporary_repository.h"
#include "testing/test_memory.h"
#include "testing/test_run.h"

namespace tensorferry::inference {
namespace {

using testing::HasSubstr;

bool HasGpu() { return at::hasCUDA() && at::detail::getCUDAHooks().deviceCount() > 0; }

TEST(Device, IsRefusedWhereItIsNot) {
  EXPECT_THAT(CheckDevice("cpu"), IsOk());
  EXPECT_THAT(CheckDevice("cuda:999"), Fails(Reason::kModelNotReady, HasSubstr("cuda:999")));
  EXPECT_THAT(CheckDevice("quantum"), Fails(Reason::kModelNotReady));
}

class GpuTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!HasGpu()) GTEST_SKIP() << "there is no GPU here, or libtorch is one without CUDA: not run";
  }

  std::unique_ptr<ServedModel> Load(const std::string& forward, const ModelConfig& config = {}) {
    files_.Save("model.pt", forward);
    auto model = LoadVersion({.name = "model", .file = files_.root / "model.pt"}, config,
                             {.device = "cuda", .max_tensor_bytes = 1 << 30}, memory_.pool);
    EXPECT_THAT(model, IsOk());
    return *std::move(model);
  }

  Few<NamedArray> Array(const std::string& dtype, const std::vector<std::int64_t>& shape) {
    Few<NamedArray> arrays;
    arrays.push_back(GoodArray("x", dtype, shape, memory_.pool));
    return arrays;
  }

  TestMemory memory_;
  TemporaryRepository files_;
};

TEST_F(GpuTest, EveryDTypeGoesThereAndComesBack) {
  const auto model = Load("return x.clone()");
  for (const DTypeInfo& dtype : kDTypes) {
    SCOPED_TRACE(dtype.name);
    const auto response = RunOn(*model, Array(std::string(dtype.name), {3, 5}), {.return_data = true});
    ASSERT_THAT(response, IsOk());
    EXPECT_EQ(response->outputs[0].metadata.dtype, dtype.name);
    EXPECT_EQ(response->outputs[0].metadata.device, "cuda:0");
    EXPECT_TRUE(std::ranges::equal(response->outputs[0].elements->bytes, response->tensors[0].elements->bytes));
  }
}

TEST_F(GpuTest, RequestsRunTogether) {
  ModelConfig config{.max_batch_size = 8, .batching = DynamicBatching{}};
  const auto model = Load("return x + x.size(0)", config);
  std::deque<TestRun> runs;
  for (int i = 0; i < 32; ++i) {
    model->Submit(runs.emplace_back(Array("float32", {1, 4})));
  }
  while (model->RunQueued()) continue;
  for (TestRun& run : runs) EXPECT_THAT(run.Wait(), IsOk());
}

TEST_F(GpuTest, TooLittleMemoryIsAnErrorAndNotTheEnd) {
  const auto model = Load("return torch.zeros([1 << 44], device=x.device) if bool(x[0] > 0) else x.clone()");
  const float more = 1;
  Few<NamedArray> much;
  much.push_back({"x", GoodPayload(GoodHeader("float32", {1}), std::as_bytes(std::span(&more, 1)), memory_.pool)});
  EXPECT_THAT(RunOn(*model, std::move(much)), Fails(Reason::kMemoryBudget));
  const float less = -1;
  Few<NamedArray> little;
  little.push_back({"x", GoodPayload(GoodHeader("float32", {1}), std::as_bytes(std::span(&less, 1)), memory_.pool)});
  EXPECT_THAT(RunOn(*model, std::move(little)), IsOk());
}

}  // namespace
}  // namespace tensorferry::inference
