// In these tests elements that wait in their messages become the rows of one tensor.
#include "inference/serving/gather.h"

#include <gmock/gmock.h>

#include <deque>

#include "base/status.h"
#include "testing/status_matchers.h"
#include "testing/test_memory.h"
#include "testing/test_run.h"

namespace tensorferry::inference {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class GatherTest : public testing::Test {
 protected:
  // Message is a message in pieces of seven bytes.
  struct Message {
    std::vector<std::byte> bytes;
    std::vector<Bytes> pieces;
  };

  // Waiting makes a request whose elements are still in its message.
  TestRun& Waiting(const ArrayHeader& header, const CopyOptions& options = {}) {
    Message& message = messages_.emplace_back(Message{RandomBytes(header.nbytes(), seed_++), {}});
    for (Bytes rest = message.bytes; !rest.empty(); rest = rest.subspan(message.pieces.back().size())) {
      message.pieces.push_back(rest.first(std::min<std::size_t>(rest.size(), 7)));
    }
    TestRun& run = runs_.emplace_back();
    run.inputs.push_back(
        {"x", WaitingElements{header, options, ScatteredBytes(message.pieces.data(), 0, header.nbytes()),
                              memory_.pool.Reserve(header.nbytes()).value()}});
    return run;
  }

  // Complete makes a request whose elements are complete.
  TestRun& Complete(const ArrayHeader& header) {
    Message& message = messages_.emplace_back(Message{RandomBytes(header.nbytes(), seed_++), {}});
    TestRun& run = runs_.emplace_back();
    run.inputs.push_back({"x", GoodPayload(header, message.bytes, memory_.pool)});
    return run;
  }

  absl::StatusOr<GatheredInputs> Gather() {
    std::vector<ModelRun*> runs;
    for (TestRun& run : runs_) runs.push_back(&run);
    return GatherInputs(runs, /*batches=*/true, memory_.pool);
  }

  static std::string_view Text(const at::Tensor& tensor) {
    return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()};
  }

  TestMemory memory_;
  std::deque<Message> messages_;
  std::deque<TestRun> runs_;
  unsigned seed_ = 1;
};

TEST_F(GatherTest, PutsOneRequestsRowsBehindAnothers) {
  Waiting(GoodHeader("<f4", {2, 3}));
  Complete(GoodHeader("<f4", {1, 3}));
  Waiting(GoodHeader("<f4", {3, 3}), {.digest = true});
  const auto gathered = Gather();
  ASSERT_THAT(gathered, IsOk());
  EXPECT_EQ(gathered->rows(), 6);
  const at::Tensor& tensor = gathered->tensors[0].tensor;
  EXPECT_EQ(Text(tensor), std::string(AsText(messages_[0].bytes)) + std::string(AsText(messages_[1].bytes)) +
                              std::string(AsText(messages_[2].bytes)));
  EXPECT_EQ(Text(gathered->RowsOf(1, 0, "x").contiguous()), AsText(messages_[1].bytes));
  EXPECT_FALSE(gathered->receipts[0][0].digest);
  EXPECT_EQ(gathered->receipts[2][0].digest, DigestOf(messages_[2].bytes));
  EXPECT_EQ(memory_.pool.stats().taken, 2u) << "one of the payload, one for all";
}

TEST_F(GatherTest, CountsTheMemoryOnce) {
  Waiting(GoodHeader("<f4", {2, 3}));
  Waiting(GoodHeader("<f4", {2, 3}));
  EXPECT_EQ(memory_.budget.used(), 48u);
  {
    const auto gathered = Gather();
    ASSERT_THAT(gathered, IsOk());
    EXPECT_EQ(memory_.budget.used(), 48u);
  }
  EXPECT_EQ(memory_.budget.used(), 0u);
}

TEST_F(GatherTest, BringsEveryFormIntoCOrder) {
  Waiting(GoodHeader(">i2", {1, 4}));
  Complete(GoodHeader("<i2", {3, 4}, /*fortran_order=*/true));
  const auto gathered = Gather();
  ASSERT_THAT(gathered, IsOk());
  const at::Tensor& tensor = gathered->tensors[0].tensor;
  EXPECT_TRUE(tensor.is_contiguous());
  const auto* const bytes = static_cast<const std::byte*>(tensor.const_data_ptr());
  EXPECT_EQ(bytes[0], messages_[0].bytes[1]);
  EXPECT_EQ(bytes[1], messages_[0].bytes[0]);
  // Row 1, column 2 of the second array is element 1 + 2 * 3 of its columns.
  EXPECT_EQ(bytes[2 * (4 + 4 * 1 + 2)], messages_[1].bytes[2 * (1 + 2 * 3)]);
  EXPECT_TRUE(gathered->receipts[0][0].byte_order_swapped);
}

TEST_F(GatherTest, NamesTheArrayThatIsNotWhatItMustBe) {
  Waiting(GoodHeader("|b1", {1, 4}), {.fidelity = Fidelity::kStrict});
  EXPECT_THAT(Gather(), Fails(Reason::kBoolRange, HasSubstr("array 'x': bool element")));
}

TEST_F(GatherTest, CanBeDoneAgain) {
  Waiting(GoodHeader("<f4", {2, 3}));
  Waiting(GoodHeader("<f4", {1, 3}));
  ASSERT_THAT(Gather(), IsOk());
  const auto again = GatherInputs(std::vector<ModelRun*>{&runs_[1]}, /*batches=*/true, memory_.pool);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(Text(again->tensors[0].tensor), AsText(messages_[1].bytes));
  EXPECT_THAT(again->tensors[0].tensor.sizes(), ElementsAre(1, 3));
}

TEST_F(GatherTest, OfRowsWithoutElementsHasNone) {
  Waiting(GoodHeader("<f4", {2, 0}));
  Complete(GoodHeader("<f4", {1, 0}));
  const auto gathered = Gather();
  ASSERT_THAT(gathered, IsOk());
  EXPECT_THAT(gathered->tensors[0].tensor.sizes(), ElementsAre(3, 0));
}

}  // namespace
}  // namespace tensorferry::inference
