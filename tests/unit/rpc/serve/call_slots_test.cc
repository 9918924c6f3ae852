#include "rpc/serve/call_slots.h"

#include <gmock/gmock.h>

#include <list>
#include <thread>

namespace tensorferry::rpc {
namespace {

// Slots play the coroutines here: to start a coroutine is to make a slot.
class CallSlotsTest : public testing::Test {
 protected:
  LiveCoroutines live_;
  CallSlots slots_{live_, [this](CallSlots& slots) { started_.emplace_back(slots); }};
  std::list<CallSlots::Slot> started_;
};

TEST_F(CallSlotsTest, StartsWithSomeWaiting) {
  slots_.Start();
  EXPECT_EQ(started_.size(), 32u);
}

TEST_F(CallSlotsTest, StartsMoreWhenFewerThanEightWait) {
  slots_.Start();
  auto slot = started_.begin();
  for (int waiting = 31; waiting >= 8; --waiting) (slot++)->Arrived();
  EXPECT_EQ(started_.size(), 32u);
  slot->Arrived();
  EXPECT_EQ(started_.size(), 33u) << "7 waited";
}

TEST_F(CallSlotsTest, EndsThoseThatWouldBeMoreThanSixtyFour) {
  slots_.Start();
  // 100 calls come and stay, one in each slot, and others are started for them.
  auto slot = started_.begin();
  for (int calls = 0; calls < 100; ++calls) (slot++)->Arrived();
  EXPECT_EQ(started_.size(), 108u);
  int waiting = 8;
  for (auto ended = started_.begin(); ended != slot; ++ended) {
    EXPECT_EQ(ended->WaitAgain(), waiting < 64);
    if (waiting < 64) ++waiting;
  }
}

TEST_F(CallSlotsTest, EndWhenTheLastSlotIsGone) {
  slots_.Start();
  std::thread waits([this] { live_.WaitForNone(); });
  started_.clear();
  waits.join();
}

}  // namespace
}  // namespace tensorferry::rpc
