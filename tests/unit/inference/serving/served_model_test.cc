// These tests say which thread runs a model, when, and what becomes of requests that it does not run.
#include "inference/serving/served_model.h"

#include <ATen/ops/from_blob.h>
#include <gmock/gmock.h>

#include <atomic>
#include <deque>
#include <mutex>
#include <random>
#include <set>

#include "base/status.h"
#include "testing/fake_model.h"
#include "testing/gate.h"
#include "testing/status_matchers.h"
#include "testing/test_memory.h"
#include "testing/test_run.h"

namespace tensorferry::inference {
namespace {

using Submitted = ModelVersion::Submitted;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

class ServedModelTest : public testing::Test {
 protected:
  struct Setup {
    std::optional<DynamicBatching> batching;
    std::int64_t max_batch_size = 0;
    std::size_t executors = 1;
    std::vector<TensorSpec> inputs;
    ReadClock now = RunnerOptions{}.now;
  };

  std::unique_ptr<ServedModel> Serve(const Setup& setup, FakeModel::Run_ run) {
    const auto engine = std::make_shared<FakeModel>(std::move(run));
    ModelInfo info = engine->info();
    info.max_batch_size = setup.max_batch_size;
    info.inputs = setup.inputs;
    const ServedModel::Options options{
        .runner = {.batches = setup.max_batch_size > 0, .max_tensor_bytes = 1 << 20, .now = setup.now},
        .config = {.batching = setup.batching}};
    return std::make_unique<ServedModel>(std::move(info), std::vector<std::shared_ptr<Model>>(setup.executors, engine),
                                         options, memory_.pool);
  }

  // Request makes a request of `rows` rows of three random numbers, in `x`.
  TestRun& Request(std::int64_t rows = 1, RunOptions options = {}) {
    Few<NamedArray> arrays;
    arrays.push_back(GoodArray("x", "<f4", {rows, 3}, memory_.pool));
    return runs_.emplace_back(std::move(arrays), std::move(options));
  }

  static std::span<const std::byte> Bytes(const absl::StatusOr<PipelineResponse>& response) {
    return response->outputs[0].elements->bytes;
  }

  TestMemory memory_;
  std::deque<TestRun> runs_;
};

TEST_F(ServedModelTest, AnswersWithTensorsAndOutputs) {
  const auto model = Serve({}, [](FakeModel::Inputs inputs) {
    inputs[0].name = "y";
    return inputs;
  });
  TestRun& run = Request(2, {.return_data = true});
  ASSERT_THAT(SubmitChecked(*model, run), IsOk());
  const auto& response = run.Wait();
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->model_name, "fake");
  EXPECT_EQ(response->tensors[0].metadata.name, "x");
  EXPECT_TRUE(response->tensors[0].receipt->dtype_equal);
  EXPECT_EQ(response->outputs[0].metadata.name, "y");
  EXPECT_EQ(AsText(Bytes(response)), AsText(response->tensors[0].elements->bytes));
  EXPECT_TRUE(run.inputs_taken);
  EXPECT_GT(response->queue_time.count(), 0);
}

TEST_F(ServedModelTest, RunsWhatIsSlowOnThreadsOfItsOwn) {
  Gate gate;
  std::thread::id thread;
  const auto model = Serve({}, [&](FakeModel::Inputs inputs) {
    thread = std::this_thread::get_id();
    gate.Pass();
    return inputs;
  });
  TestRun& run = Request();
  EXPECT_EQ(model->Submit(run), Submitted::kTaken);
  gate.AwaitArrivals(1);
  EXPECT_FALSE(run.IsComplete());
  gate.Open();
  EXPECT_THAT(run.Wait(), IsOk());
  EXPECT_NE(thread, std::this_thread::get_id());
}

// TestNow is a clock that goes as a test says.
std::atomic<Clock::rep> test_time;
Clock::time_point TestNow() { return Clock::time_point(Clock::duration(test_time)); }

// MakeKnown runs the model three times, which is often enough for its time by the test's clock to be known, and waits
// until its executor is idle.
void MakeKnown(ServedModel& model, const std::function<TestRun&()>& request) {
  for (int i = 0; i < 3; ++i) {
    TestRun& run = request();
    ASSERT_EQ(model.Submit(run), Submitted::kTaken);
    ASSERT_THAT(run.Wait(), IsOk());
  }
  ASSERT_THAT(model.OnEachExecutor([](Model&) { return absl::OkStatus(); }), IsOk());
}

TEST_F(ServedModelTest, RunsWhatIsFastOnTheCallersThread) {
  std::thread::id thread;
  const auto model = Serve({.now = TestNow}, [&](FakeModel::Inputs inputs) {
    thread = std::this_thread::get_id();
    return inputs;
  });
  MakeKnown(*model, [&]() -> TestRun& { return Request(); });
  EXPECT_NE(thread, std::this_thread::get_id());
  TestRun& run = Request();
  EXPECT_EQ(model->Submit(run), Submitted::kTaken);
  EXPECT_TRUE(run.IsComplete());
  EXPECT_EQ(thread, std::this_thread::get_id());
}

TEST_F(ServedModelTest, RunsWhatIsFastOnThreadsOfItsOwnIfTheCallersIsNeeded) {
  for (const bool batches : {false, true}) {
    Setup setup{.now = TestNow};
    if (batches) {
      setup.batching.emplace();
      setup.max_batch_size = 8;
    }
    std::thread::id thread;
    const auto model = Serve(setup, [&](FakeModel::Inputs inputs) {
      thread = std::this_thread::get_id();
      return inputs;
    });
    MakeKnown(*model, [&]() -> TestRun& { return Request(); });
    TestRun& run = Request();
    run.may_run_here = false;
    EXPECT_EQ(model->Submit(run), Submitted::kTaken);
    EXPECT_THAT(run.Wait(), IsOk());
    EXPECT_NE(thread, std::this_thread::get_id());
  }
}

TEST_F(ServedModelTest, WaitsUntilTheThreadIsIdleWhereRequestsMayJoin) {
  std::vector<std::int64_t> batches;
  const auto model =
      Serve({.batching = DynamicBatching{}, .max_batch_size = 8, .now = TestNow}, [&](FakeModel::Inputs inputs) {
        batches.push_back(inputs[0].tensor.size(0));
        return inputs;
      });
  MakeKnown(*model, [&]() -> TestRun& { return Request(3); });
  TestRun& first = Request(2);
  TestRun& second = Request(3);
  EXPECT_EQ(model->Submit(first), Submitted::kRunWhenIdle);
  EXPECT_EQ(model->Submit(second), Submitted::kTaken) << "the thread that was told takes both";
  EXPECT_FALSE(first.IsComplete());
  EXPECT_FALSE(model->RunQueued());
  EXPECT_TRUE(first.IsComplete());
  EXPECT_TRUE(second.IsComplete());
  EXPECT_THAT(batches, ElementsAre(3, 3, 3, 5));
  EXPECT_FALSE(model->RunQueued()) << "nothing is left";
}

// Short runs become long: the first long one still runs on this thread, the next one on the executor's.
TEST_F(ServedModelTest, RunsElsewhereWhatHasBecomeSlow) {
  std::thread::id thread;
  milliseconds takes{0};
  const auto model = Serve({.now = TestNow}, [&](FakeModel::Inputs inputs) {
    thread = std::this_thread::get_id();
    test_time += Clock::duration(takes).count();
    return inputs;
  });
  MakeKnown(*model, [&]() -> TestRun& { return Request(); });
  takes = milliseconds(2);
  ASSERT_EQ(model->Submit(Request()), Submitted::kTaken);
  EXPECT_EQ(thread, std::this_thread::get_id());
  TestRun& next = Request();
  ASSERT_EQ(model->Submit(next), Submitted::kTaken);
  ASSERT_THAT(next.Wait(), IsOk());
  EXPECT_NE(thread, std::this_thread::get_id());
  EXPECT_EQ(model->statistics().success_by_time[7], 2u) << "above 1.6 ms, and at most 3.2 ms";
}

TEST_F(ServedModelTest, RunsTogetherWhatCameWhileItWasBusy) {
  Gate gate;
  std::vector<std::int64_t> batches;
  const auto model = Serve({.batching = DynamicBatching{}, .max_batch_size = 4}, [&](FakeModel::Inputs inputs) {
    batches.push_back(inputs[0].tensor.size(0));
    gate.Pass();
    return FakeModel::Inputs{{"y", inputs[0].tensor.add(1)}};
  });
  TestRun& first = Request();
  ASSERT_EQ(model->Submit(first), Submitted::kTaken);
  gate.AwaitArrivals(1);
  std::vector<TestRun*> others;
  for (int i = 0; i < 6; ++i) {
    others.push_back(&Request());
    ASSERT_EQ(model->Submit(*others.back()), Submitted::kTaken);
  }
  EXPECT_EQ(model->statistics().waiting, 6u);
  gate.Open();
  for (TestRun* const run : others) {
    ASSERT_THAT(run->Wait(), IsOk());
    EXPECT_THAT(run->result->outputs[0].metadata.shape, ElementsAre(1, 3));
  }
  EXPECT_THAT(batches, ElementsAre(1, 4, 2));
  EXPECT_EQ(model->statistics().waiting, 0u);
  EXPECT_EQ(model->statistics().execution_count, 3u);
  EXPECT_EQ(model->statistics().inference_count, 7u);
  EXPECT_EQ(model->statistics().batches.at(4).compute_infer.count, 1u);
  EXPECT_EQ(model->statistics().success.count, 7u);
}

TEST_F(ServedModelTest, WaitsForMoreWhereTheConfigurationSaysSo) {
  std::atomic<std::int64_t> rows = 0;
  const auto model = Serve({.batching = DynamicBatching{.max_queue_delay = std::chrono::hours(1)}, .max_batch_size = 3},
                           [&](FakeModel::Inputs inputs) {
                             rows = inputs[0].tensor.size(0);
                             return inputs;
                           });
  TestRun& first = Request();
  TestRun& second = Request(2);
  ASSERT_EQ(model->Submit(first), Submitted::kTaken);
  ASSERT_EQ(model->Submit(second), Submitted::kTaken);
  EXPECT_THAT(first.Wait(), IsOk());
  EXPECT_THAT(second.Wait(), IsOk());
  EXPECT_EQ(rows, 3);
}

TEST_F(ServedModelTest, UsesAllOfItsExecutors) {
  Gate gate;
  const auto model = Serve({.executors = 3}, [&](FakeModel::Inputs inputs) {
    gate.Pass();
    return inputs;
  });
  for (int i = 0; i < 3; ++i) ASSERT_EQ(model->Submit(Request()), Submitted::kTaken);
  gate.AwaitArrivals(3);
  gate.Open();
  for (TestRun& run : runs_) EXPECT_THAT(run.Wait(), IsOk());
}

TEST_F(ServedModelTest, FailsNobodyForAnothersFault) {
  Gate gate;
  const auto model = Serve({.batching = DynamicBatching{}, .max_batch_size = 8}, [&](FakeModel::Inputs inputs) {
    gate.Pass();
    const at::Tensor& x = inputs[0].tensor;
    if (x.isnan().any().item<bool>())
      return absl::StatusOr<FakeModel::Inputs>(MakeError(Reason::kModelFailed, "a NaN"));
    return absl::StatusOr<FakeModel::Inputs>(std::move(inputs));
  });
  ASSERT_EQ(model->Submit(Request()), Submitted::kTaken);
  gate.AwaitArrivals(1);
  const ArrayHeader header = GoodHeader("<f4", {1, 1});
  std::vector<TestRun*> runs;
  for (const float value : {1.0F, std::nanf(""), 3.0F}) {
    Few<NamedArray> arrays;
    arrays.push_back({"x", GoodPayload(header, std::as_bytes(std::span(&value, 1)), memory_.pool)});
    runs.push_back(&runs_.emplace_back(std::move(arrays)));
    ASSERT_EQ(model->Submit(*runs.back()), Submitted::kTaken);
  }
  gate.Open();
  EXPECT_THAT(runs[0]->Wait(), IsOk());
  EXPECT_THAT(runs[1]->Wait(), Fails(Reason::kModelFailed, HasSubstr("model 'fake': a NaN")));
  EXPECT_THAT(runs[2]->Wait(), IsOk());
  EXPECT_EQ(model->statistics().fail.count, 1u);
}

TEST_F(ServedModelTest, DoesNotRunWhatNobodyWaitsFor) {
  Gate gate;
  std::atomic<int> calls = 0;
  const auto model = Serve({}, [&](FakeModel::Inputs inputs) {
    ++calls;
    gate.Pass();
    return inputs;
  });
  ASSERT_EQ(model->Submit(Request()), Submitted::kTaken);
  gate.AwaitArrivals(1);
  TestRun& gone = Request();
  std::atomic<bool> cancelled = false;
  gone.caller = [&] { return cancelled ? MakeError(Reason::kCancelled, "gone") : absl::OkStatus(); };
  ASSERT_EQ(model->Submit(gone), Submitted::kTaken);
  cancelled = true;
  gate.Open();
  EXPECT_THAT(gone.Wait(), Fails(Reason::kCancelled));
  EXPECT_EQ(calls, 1);
}

TEST_F(ServedModelTest, RefusesAtOnceWhatItCannotRunInTime) {
  Gate gate;
  int runs = 0;
  const auto model = Serve({.now = TestNow}, [&](FakeModel::Inputs inputs) {
    if (++runs > 3) gate.Pass();
    test_time += Clock::duration(milliseconds(20)).count();
    return inputs;
  });
  MakeKnown(*model, [&]() -> TestRun& { return Request(); });
  ASSERT_EQ(model->Submit(Request()), Submitted::kTaken);
  gate.AwaitArrivals(1);
  for (int i = 0; i < 10; ++i) ASSERT_EQ(model->Submit(Request()), Submitted::kTaken);
  TestRun& hopeless = Request();
  hopeless.deadline = TestNow() + milliseconds(199);
  ASSERT_EQ(model->Submit(hopeless), Submitted::kTaken);
  EXPECT_TRUE(hopeless.IsComplete()) << "before any of those ahead of it";
  EXPECT_THAT(hopeless.result, Fails(Reason::kDeadline, HasSubstr("would wait for about 200 ms")));
  TestRun& patient = Request();
  patient.deadline = TestNow() + milliseconds(200);
  ASSERT_EQ(model->Submit(patient), Submitted::kTaken);
  EXPECT_FALSE(patient.IsComplete());
  gate.Open();
  for (TestRun& run : runs_) run.Wait();
  EXPECT_THAT(patient.result, IsOk());
}

TEST_F(ServedModelTest, SaysThatOutputsDoNotHaveTheBatchsRows) {
  const auto model = Serve({.batching = DynamicBatching{}, .max_batch_size = 8}, [](FakeModel::Inputs inputs) {
    return FakeModel::Inputs{{"y", inputs[0].tensor.sum(0)}};
  });
  TestRun& run = Request(2);
  ASSERT_THAT(SubmitChecked(*model, run), IsOk());
  EXPECT_THAT(run.Wait(), Fails(Reason::kModelFailed, HasSubstr("output 'y' has shape [3], but the batch has 2 rows")));
}

TEST_F(ServedModelTest, GivesMemoryBackWhateverCameOfARun) {
  const auto model = Serve({.batching = DynamicBatching{}, .max_batch_size = 8}, [](FakeModel::Inputs inputs) {
    if (inputs[0].tensor.size(0) % 2 == 0) throw std::runtime_error("even");
    return inputs;
  });
  for (int i = 1; i <= 8; ++i) {
    ASSERT_THAT(SubmitChecked(*model, Request(i)), IsOk());
    EXPECT_EQ(runs_.back().Wait().ok(), i % 2 == 1);
  }
  ASSERT_THAT(model->OnEachExecutor([](Model&) { return absl::OkStatus(); }), IsOk());  // The last run has ended too.
  runs_.clear();
  EXPECT_EQ(memory_.budget.used(), 0u);
}

TEST_F(ServedModelTest, CallsEachExecutorOnce) {
  std::mutex mutex;
  std::set<std::thread::id> threads;
  const auto model = Serve({.executors = 4}, [](FakeModel::Inputs inputs) { return inputs; });
  const auto count = [&](Model&) {
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
    return threads.size() == 3 ? MakeError(Reason::kModelFailed, "the third") : absl::OkStatus();
  };
  EXPECT_THAT(model->OnEachExecutor(count), Fails(Reason::kModelFailed));
  EXPECT_EQ(threads.size(), 4u);
}

// These tests have requests arrive in many orders: no response depends on the requests that it ran with.
class ServedModelArrivals : public ServedModelTest, public testing::WithParamInterface<unsigned> {};

TEST_P(ServedModelArrivals, BatchedAnswersAreTheUnbatchedOnes) {
  std::mt19937 random(GetParam());
  const auto pick = [&](int min, int max) { return std::uniform_int_distribution(min, max)(random); };
  const auto model =
      Serve({.batching = DynamicBatching{}, .max_batch_size = 16, .executors = 2}, [](FakeModel::Inputs inputs) {
        return FakeModel::Inputs{{"y", inputs[0].tensor.mul(2.5F).tanh()}};
      });
  struct Sent {
    std::vector<std::byte> bytes;
    std::unique_ptr<TestRun> run;
  };
  std::vector<Sent> sent;
  for (int i = 0; i < 150; ++i) {
    const std::vector<std::int64_t> shape{pick(1, 5), pick(0, 3)};
    const ArrayHeader header = GoodHeader("<f4", shape, pick(0, 3) == 0);
    std::vector<float> values(header.nbytes() / sizeof(float));
    for (float& value : values) value = std::uniform_real_distribution<float>(-2, 2)(random);
    const auto bytes = std::as_bytes(std::span(values));
    Few<NamedArray> arrays;
    arrays.push_back({"x", GoodPayload(header, bytes, memory_.pool)});
    sent.push_back({{}, std::make_unique<TestRun>(std::move(arrays), RunOptions{.return_data = pick(0, 1) == 1})});
    const at::Tensor tensor = at::from_blob(
        values.data(), shape,
        header.fortran_order() ? std::vector<std::int64_t>{1, shape[0]} : std::vector<std::int64_t>{shape[1], 1});
    const at::Tensor expected = tensor.contiguous().mul(2.5F).tanh().contiguous();
    const auto* const data = static_cast<const std::byte*>(expected.const_data_ptr());
    sent.back().bytes.assign(data, data + expected.nbytes());
    const bool when_idle = model->Submit(*sent.back().run) == Submitted::kRunWhenIdle;
    if (when_idle || pick(0, 9) == 0) {
      while (model->RunQueued()) continue;
    }
  }
  for (const Sent& request : sent) {
    ASSERT_THAT(request.run->Wait(), IsOk());
    EXPECT_EQ(AsText(Bytes(request.run->result)), AsText(request.bytes));
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ServedModelArrivals, testing::Range(1U, 9U));

}  // namespace
}  // namespace tensorferry::inference
