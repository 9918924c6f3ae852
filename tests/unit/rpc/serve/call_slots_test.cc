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
  EXPECT_EQ(started_.size(), 4u);
}

TEST_F(CallSlotsTest, StartsMoreWhenFewerThanTwoWait) {
  slots_.Start();
  auto slot = started_.begin();
  for (int waiting = 3; waiting >= 2; --waiting) (slot++)->Arrived();
  EXPECT_EQ(started_.size(), 4u);
  slot->Arrived();
  EXPECT_EQ(started_.size(), 5u) << "1 waited";
}

TEST_F(CallSlotsTest, EndsThoseThatWouldBeMoreThanSixteen) {
  slots_.Start();
  // 100 calls come and stay, one in each slot, and others are started for them.
  auto slot = started_.begin();
  for (int calls = 0; calls < 100; ++calls) (slot++)->Arrived();
  EXPECT_EQ(started_.size(), 102u);
  int waiting = 2;
  for (auto ended = started_.begin(); ended != slot; ++ended) {
    EXPECT_EQ(ended->WaitAgain(), waiting < 16);
    if (waiting < 16) ++waiting;
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
