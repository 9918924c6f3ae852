#include "rpc/call/stream_serving.h"

#include <gmock/gmock.h>
#include <grpcpp/server_builder.h>

#include <future>
#include <memory>
#include <string>
#include <thread>

#include "testing/fake_stream.h"
#include "testing/test_memory.h"

namespace tensorferry::rpc {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::chrono::hours kLimit{24};  // A test says when it has passed.

// The test plays gRPC and the models: everything happens on its thread. The queue serves no thread here, and so counts
// as idle whenever there is no message.
class StreamServing : public testing::Test {
 protected:
  StreamServing() {
    auto call = std::make_unique<FakeCall>();
    call_ = call.get();
    ServeStreams({queue_, copiers_, waits_, streams_, memory_.pool}, slots_, std::move(call),
                 std::make_unique<FakeProtocol>(seen_));
  }
  ~StreamServing() override {
    if (call_->open) call_->SendEnd();
    call_->arrived.Complete(false);
    live_.WaitForNone();
  }

  // Arrive starts a stream on which the caller sends these messages at once.
  void Arrive(std::initializer_list<const char*> messages = {}) {
    for (const char* const message : messages) call_->Send(message);
    call_->Arrive();
  }

  // End returns the only status with which the stream has ended.
  grpc::Status End() const {
    EXPECT_THAT(call_->ends, SizeIs(1));
    return call_->ends.empty() ? grpc::Status(grpc::StatusCode::UNKNOWN, "not ended") : call_->ends.front();
  }

  const std::vector<Written>& written() const { return call_->written; }
  void Complete(const std::string& run) { seen_.runs.at(run)->Complete(); }

  grpc::ServerBuilder builder_;
  ServingQueue queue_{builder_};
  WorkerPool copiers_{1};
  WaitLimit waits_{kLimit};
  OpenStreams streams_;
  TestMemory memory_;
  LiveCoroutines live_;
  CallSlots slots_{live_, [](CallSlots&) {}};
  FakeProtocol::Seen seen_;
  FakeCall* call_;  // It belongs to the coroutine.
};

TEST_F(StreamServing, AnswersEachRequestAsItComes) {
  Arrive();
  call_->Send("echo a");
  EXPECT_THAT(written(), ElementsAre(Written{"a"}));
  call_->Send("part");
  EXPECT_THAT(written(), SizeIs(1));
  call_->Send("echo b");
  EXPECT_THAT(written(), ElementsAre(Written{"a"}, Written{"b"}));
  EXPECT_THAT(call_->ends, IsEmpty());
  call_->SendEnd();
  EXPECT_TRUE(End().ok());
}

TEST_F(StreamServing, HoldsTheLastResponseUntilTheNextMessageHasCome) {
  Arrive({"echo a", "echo b", "part", "echo c"});
  EXPECT_THAT(written(), ElementsAre(Written{"a"}, Written{"b", true}, Written{"c"}))
      << "the first message of a stream never waits for the next one, the last has none that it could wait for";
}

TEST_F(StreamServing, EndsForACallerWhoGoesSilentWithinARequest) {
  Arrive({"part"});
  waits_.EndLongWaits(WaitLimit::Clock::now());
  EXPECT_THAT(call_->ends, IsEmpty()) << "it is not so long";
  waits_.EndLongWaits(WaitLimit::Clock::now() + 2 * kLimit);
  EXPECT_EQ(End().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(seen_.ended, 1);
}

TEST_F(StreamServing, LetsACallerTakeAnyTimeBetweenRequests) {
  Arrive({"echo a"});
  waits_.EndLongWaits(WaitLimit::Clock::now() + 2 * kLimit);
  call_->Send("echo b");
  EXPECT_THAT(written(), ElementsAre(Written{"a"}, Written{"b"}));
}

TEST_F(StreamServing, ServesACallerWhoIsSlowButMoves) {
  Arrive({"part"});
  call_->Send("part");
  call_->Send("echo a");
  waits_.EndLongWaits(WaitLimit::Clock::now() + 2 * kLimit);
  EXPECT_THAT(written(), ElementsAre(Written{"a"}));
  EXPECT_THAT(call_->ends, IsEmpty());
}

TEST_F(StreamServing, SendsTheHeldResponseWhenTheCallerEnds) {
  call_->Send("echo a");
  call_->SendEnd();
  Arrive();
  EXPECT_THAT(written(), ElementsAre(Written{"a"}));
  EXPECT_TRUE(End().ok());
}

TEST_F(StreamServing, SendsEveryMessageOfAResponse) {
  Arrive({"pieces xyz", "echo b"});
  EXPECT_THAT(written(),
              ElementsAre(Written{"pieces"}, Written{"x", true}, Written{"y", true}, Written{"z", true}, Written{"b"}));
}

TEST_F(StreamServing, ReadsTheNextMessageWhileItRespondsToThisOne) {
  bool reading = false;
  seen_.responding = [&] { reading = call_->reading(); };
  Arrive({"echo a"});
  EXPECT_TRUE(reading);
}

TEST_F(StreamServing, AnswersInPlaceWhatAModelRunsAtOnce) {
  Arrive({"quick a", "echo b", "quick c"});
  EXPECT_THAT(written(), ElementsAre(Written{"a"}, Written{"b", true}, Written{"c"}));
}

TEST_F(StreamServing, TakesInMoreWhileAModelIsSlow) {
  Arrive({"slow a", "echo b", "slow c", "quick d"});
  EXPECT_THAT(seen_.messages, ElementsAre("slow a", "echo b", "slow c", "quick d"));
  EXPECT_THAT(written(), IsEmpty());
  Complete("c");
  EXPECT_THAT(written(), IsEmpty()) << "a is the first";
  Complete("a");
  EXPECT_THAT(written(), ElementsAre(Written{"a"}, Written{"b", true}, Written{"c", true}, Written{"d"}));
}

TEST_F(StreamServing, SendsWhatItHoldsBeforeAModelIsWaitedFor) {
  Arrive({"echo a", "slow b"});
  EXPECT_THAT(written(), ElementsAre(Written{"a"}));
  Complete("b");
  EXPECT_THAT(written(), ElementsAre(Written{"a"}, Written{"b"}));
}

TEST_F(StreamServing, AnswersInPlaceAgainOnceNoRunIsWaitedFor) {
  Arrive({"slow a"});
  Complete("a");
  call_->Send("echo b");
  call_->Send("quick c");
  call_->Send("slow d");
  EXPECT_THAT(written(), ElementsAre(Written{"a"}, Written{"b"}, Written{"c"}));
  Complete("d");
  EXPECT_THAT(written(), SizeIs(4));
  call_->SendEnd();
  EXPECT_TRUE(End().ok());
}

TEST_F(StreamServing, TakesInNoMoreThanTheQueueHolds) {
  Arrive();
  for (std::size_t i = 0; i < ResponseQueue::kMaxEntries; ++i) {
    EXPECT_TRUE(call_->reading());
    call_->Send("slow " + std::to_string(i));
  }
  EXPECT_FALSE(call_->reading());
  Complete("1");
  EXPECT_FALSE(call_->reading());
  Complete("0");
  EXPECT_THAT(written(), ElementsAre(Written{"0", false}, Written{"1"}));
  EXPECT_TRUE(call_->reading());
  for (std::size_t i = 2; i < ResponseQueue::kMaxEntries; ++i) Complete(std::to_string(i));
}

TEST_F(StreamServing, WaitsForEveryRunBeforeItEnds) {
  Arrive({"slow a"});
  call_->SendEnd();
  EXPECT_THAT(call_->ends, IsEmpty());
  Complete("a");
  EXPECT_THAT(written(), ElementsAre(Written{"a"}));
  EXPECT_TRUE(End().ok());
}

TEST_F(StreamServing, EndsWithTheErrorOfAMessage) {
  Arrive({"echo a", "bad", "echo b"});
  EXPECT_THAT(written(), ElementsAre(Written{"a"})) << "what was held is sent before";
  EXPECT_EQ(End().error_message(), "bad");
  EXPECT_THAT(seen_.messages, SizeIs(2));
}

TEST_F(StreamServing, EndsWithTheErrorOfAMessageAfterTheRunsThatCameBefore) {
  Arrive({"slow a", "bad"});
  EXPECT_THAT(call_->ends, IsEmpty());
  Complete("a");
  EXPECT_THAT(written(), ElementsAre(Written{"a"}));
  EXPECT_EQ(End().error_message(), "bad");
}

TEST_F(StreamServing, EndsWithAResponseThatSaysSo) {
  Arrive({"echo a", "echo end it", "echo b"});
  EXPECT_THAT(written(), ElementsAre(Written{"a"}));
  EXPECT_EQ(End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(End().error_message(), "end it");
}

TEST_F(StreamServing, EndsWithARunThatSaysSoAndSendsNothingAfterIt) {
  Arrive({"slow a", "slow end it", "echo b"});
  Complete("end it");
  EXPECT_THAT(call_->ends, IsEmpty());
  Complete("a");
  EXPECT_THAT(written(), ElementsAre(Written{"a"}));
  EXPECT_EQ(End().error_message(), "end it");
}

TEST_F(StreamServing, EndsOnceThoughMessagesCameAfterTheRunThatEndedIt) {
  Arrive({"slow end it", "echo b"});
  call_->Send("slow c");
  Complete("end it");
  Complete("c");
  EXPECT_THAT(written(), IsEmpty());
  EXPECT_EQ(End().error_message(), "end it");
  EXPECT_EQ(call_->streams, 2) << "the next stream is awaited";
}

// Occupy keeps the thread of the pool until `go_on`.
Detached Occupy(WorkerPool& pool, std::shared_future<void> go_on) {
  co_await pool.Enter();
  go_on.wait();
}

TEST_F(StreamServing, SendsNothingIfARunEndedItWhileAMessageWaitedToBeCopied) {
  std::promise<void> go_on, waits_again;
  call_->waits_again = [&] { waits_again.set_value(); };
  Occupy(copiers_, go_on.get_future().share());
  Arrive({"slow end it"});
  call_->Send("echo " + std::string(kLongCopy, 'x'));
  Complete("end it");
  EXPECT_EQ(End().error_message(), "end it");
  go_on.set_value();
  waits_again.get_future().wait();
  EXPECT_THAT(written(), IsEmpty());
  EXPECT_THAT(call_->ends, SizeIs(1));
}

TEST_F(StreamServing, EndsWithWhatIsIncomplete) {
  seen_.on_end = MakeError(Reason::kBadChunk, "incomplete");
  Arrive({"part"});
  call_->SendEnd();
  EXPECT_EQ(End().error_message(), "incomplete");
}

TEST_F(StreamServing, TellsACallerWhoIsGoneNothingMore) {
  Arrive();
  call_->writes_succeed = false;
  call_->Send("pieces xyz");
  EXPECT_THAT(written(), IsEmpty());
  EXPECT_EQ(End().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(StreamServing, LetsRunsEndWhoseCallerIsGone) {
  Arrive({"slow a", "slow b"});
  call_->writes_succeed = false;
  Complete("a");
  call_->caller = MakeError(Reason::kCancelled, "the call was cancelled");
  call_->SendEnd();
  EXPECT_THAT(call_->ends, IsEmpty()) << "b still runs";
  Complete("b");
  EXPECT_THAT(written(), IsEmpty());
  EXPECT_EQ(End().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(StreamServing, EndsACancelledStreamWithTheReason) {
  Arrive({"part"});
  seen_.on_end = MakeError(Reason::kBadChunk, "incomplete");
  call_->caller = MakeError(Reason::kDeadline, "the call's deadline has passed");
  call_->SendEnd();
  EXPECT_EQ(End().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(StreamServing, ServesOneStreamAfterAnother) {
  Arrive({"slow a"});
  Complete("a");
  call_->Send("bad");
  EXPECT_EQ(End().error_message(), "bad");
  EXPECT_EQ(seen_.begun, 1);
  EXPECT_EQ(seen_.ended, 1) << "nothing of a stream is kept while the next one is awaited";

  call_->Arrive();
  EXPECT_EQ(seen_.begun, 2);
  call_->Send("echo b");
  EXPECT_THAT(written(), ElementsAre(Written{"b"}));
  call_->SendEnd();
  EXPECT_TRUE(call_->ends.back().ok());
}

// The run is complete at once, or when the test says.
class LongAnswers : public StreamServing, public testing::WithParamInterface<std::string> {};

TEST_P(LongAnswers, AreMadeOnAnotherThread) {
  std::promise<void> waits_again;
  call_->waits_again = [&] { waits_again.set_value(); };
  call_->Send(GetParam() + " a");
  call_->Send(GetParam() + " long b");
  call_->SendEnd();
  call_->Arrive();
  if (GetParam() == "slow") {
    Complete("a");
    EXPECT_EQ(seen_.answered_on, std::this_thread::get_id());
    Complete("long b");
  }
  waits_again.get_future().wait();
  EXPECT_NE(seen_.answered_on, std::this_thread::get_id());
  EXPECT_THAT(written(), SizeIs(2));
  EXPECT_TRUE(End().ok());
}

INSTANTIATE_TEST_SUITE_P(Runs, LongAnswers, testing::Values("quick", "slow"),
                         [](const auto& test) { return test.param; });

TEST_F(StreamServing, TakesInLongMessagesOnAnotherThread) {
  std::promise<void> waits_again;
  call_->waits_again = [&] { waits_again.set_value(); };
  call_->Send("echo a");
  call_->Send("part " + std::string(kLongCopy, 'x'));
  call_->SendEnd();
  Arrive();
  waits_again.get_future().wait();
  EXPECT_NE(seen_.thread, std::this_thread::get_id());
  EXPECT_TRUE(End().ok());
}

TEST_F(StreamServing, TakesInTheLongRestOfAMessageOnAnotherThread) {
  std::promise<void> waits_again;
  call_->waits_again = [&] { waits_again.set_value(); };
  call_->Send("echo a");
  call_->Send("long b");
  call_->Send("echo c");
  call_->SendEnd();
  Arrive();
  waits_again.get_future().wait();
  EXPECT_NE(seen_.went_on_on, std::this_thread::get_id());
  EXPECT_THAT(written(), ElementsAre(Written{"a"}, Written{"b", true}, Written{"c"}));
  EXPECT_TRUE(End().ok());
}

}  // namespace
}  // namespace tensorferry::rpc
