#include "web/counted_text.h"

#include <gmock/gmock.h>

#include <utility>

#include "testing/status_matchers.h"

namespace tensorferry::web {
namespace {

constexpr std::size_t kLimit = std::size_t{1} << 20;

class CountedTextTest : public testing::Test {
 protected:
  MemoryBudget budget_{kLimit};
  BufferPool pool_{budget_, 0};
};

TEST_F(CountedTextTest, CountsAllMemoryThatItTakes) {
  CountedText text(pool_);
  while (text.text().size() < kLimit / 4) {
    ASSERT_THAT(text.MakeRoom(1), IsOk());
    text.text() += 'x';
    if (text.text().capacity() > CountedText::kUncounted) {
      ASSERT_GE(budget_.used(), text.text().capacity());
    }
  }
  { const auto taken = text.TakeReservation(); }
  EXPECT_EQ(budget_.used(), 0);
}

TEST_F(CountedTextTest, IsRefusedBeforeItTakesMemory) {
  const auto others = pool_.Reserve(kLimit / 2);
  CountedText text(pool_);
  EXPECT_THAT(text.MakeRoom(kLimit / 2 + 1), Fails(Reason::kMemoryBudget));
  EXPECT_LE(text.text().capacity(), CountedText::kUncounted);
  EXPECT_THAT(text.MakeRoom(kLimit / 4), IsOk());
}

TEST_F(CountedTextTest, SaysWhenNoRetryCanHelp) {
  CountedText text(pool_, /*beside=*/kLimit / 2);
  EXPECT_THAT(text.MakeRoom(kLimit / 2 + 1), Fails(Reason::kTensorTooLarge));
  ASSERT_THAT(text.MakeRoom(kLimit / 4), IsOk());
  text.text().resize(kLimit / 4);
  EXPECT_THAT(text.MakeRoom(1), Fails(Reason::kTensorTooLarge));  // Old and new memory would be there together.
}

}  // namespace
}  // namespace tensorferry::web
