#include "rpc/serve/local_call.h"

#include <gmock/gmock.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "testing/byte_buffers.h"
#include "testing/health_check.h"
#include "testing/status_matchers.h"

namespace tensorferry::rpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr char kPath[] = "/grpc.health.v1.Health/Check";

// A method that answers with what `answer_` makes of the call and its text.
class LocalMethodsTest : public testing::Test {
 protected:
  using Answer = std::function<grpc::Status(AsyncCall&, std::string&)>;

  LocalMethodsTest() {
    methods_.Serve(HealthCheck(),
                   [this](CallSlots& slots, std::unique_ptr<UnaryCall> call) { Serve(slots, std::move(call)); });
  }
  ~LocalMethodsTest() override {
    methods_.Close();
    live_.WaitForNone();
  }

  Detached Serve(CallSlots& slots, std::unique_ptr<UnaryCall> made) {
    CallSlots::Slot slot(slots);
    const std::unique_ptr<UnaryCall> call = std::move(made);
    ++coroutines_;
    grpc::ByteBuffer request;
    do {
      if (!co_await call->Next(request)) break;
      slot.Arrived();
      std::string text = Concatenated(request);
      const grpc::Status status = answer_(*call, text);
      call->Finish(status, ToBytes(text), kept_);
      EXPECT_TRUE(co_await call->finished);
      co_await call->done;
    } while (slot.WaitAgain());
    --coroutines_;
  }

  struct Answered {
    grpc::Status status;
    std::string text;
    LocalMetadata metadata;
    std::shared_ptr<const void> kept;
  };
  Answered Call(const std::string& text, std::shared_ptr<LocalCaller> caller = std::make_shared<LocalCaller>(),
                const std::string& path = kPath) {
    std::promise<Answered> answered;
    methods_.Call(path, {.caller = std::move(caller), .message = ToBytes(text), .answer = [&](LocalAnswer answer) {
                           answered.set_value({answer.status, answer.status.ok() ? Concatenated(answer.message) : "",
                                               std::move(answer.metadata), answer.kept});
                         }});
    return answered.get_future().get();
  }

  LiveCoroutines live_;
  LocalMethods methods_{live_};
  std::atomic<int> coroutines_ = 0;
  std::shared_ptr<const void> kept_;
  Answer answer_ = [](AsyncCall&, std::string&) { return grpc::Status::OK; };
};

TEST_F(LocalMethodsTest, GiveEachCallItsOwnAnswer) {
  answer_ = [](AsyncCall&, std::string& text) {
    text += "!";
    return grpc::Status::OK;
  };
  EXPECT_EQ(Call("one").text, "one!");
  EXPECT_EQ(Call("").text, "!");
  EXPECT_EQ(Call("two").text, "two!");
}

TEST_F(LocalMethodsTest, SayForWhomACallIs) {
  const auto caller = std::make_shared<LocalCaller>();
  caller->metadata = {{"one", "1"}, {"several", "2"}, {"several", "3"}};
  caller->peer = "192.0.2.1:7";
  caller->certificate = "spiffe://a";
  caller->held_bytes = 9;
  caller->deadline = std::chrono::system_clock::now() + std::chrono::hours(1);
  answer_ = [&](AsyncCall& call, std::string&) {
    EXPECT_EQ(call.Metadata("one"), "1");
    EXPECT_THAT(call.Metadata("several"), IsEmpty());
    EXPECT_THAT(call.Metadata("none"), IsEmpty());
    EXPECT_EQ(call.Peer(), "192.0.2.1:7");
    EXPECT_EQ(call.CertificateName(), "spiffe://a");
    EXPECT_EQ(call.held_bytes(), 9u);
    EXPECT_EQ(call.Deadline(), caller->deadline);
    EXPECT_THAT(call.CheckCaller(), IsOk());
    return grpc::Status::OK;
  };
  EXPECT_TRUE(Call("", caller).status.ok());
}

TEST_F(LocalMethodsTest, KnowWhetherTheCallerStillWaits) {
  answer_ = [&](AsyncCall& call, std::string&) {
    EXPECT_THAT(call.CheckCaller(), Fails(Reason::kDeadline, HasSubstr("deadline")));
    return grpc::Status::OK;
  };
  const auto late = std::make_shared<LocalCaller>();
  late->deadline = std::chrono::system_clock::now();
  Call("", late);
  const auto gone = std::make_shared<LocalCaller>();
  answer_ = [&](AsyncCall& call, std::string&) {
    EXPECT_THAT(call.CheckCaller(), IsOk());
    gone->is_gone = true;
    EXPECT_THAT(call.CheckCaller(), Fails(Reason::kCancelled, HasSubstr("cancelled")));
    return grpc::Status::OK;
  };
  Call("", gone);
  answer_ = [&](AsyncCall& call, std::string&) {
    call.Cancel();
    EXPECT_TRUE(call.IsCancelled());
    return grpc::Status::OK;
  };
  Call("");
}

TEST_F(LocalMethodsTest, TellAnErrorAndWhatBelongsToIt) {
  answer_ = [](AsyncCall& call, std::string&) {
    call.AddToAnswer("wait", "7");
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "later", "details");
  };
  const Answered refused = Call("a text that is not sent back");
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(refused.status.error_message(), "later");
  EXPECT_EQ(refused.status.error_details(), "details");
  EXPECT_THAT(refused.metadata, ElementsAre(Pair("wait", "7")));
  answer_ = [](AsyncCall&, std::string&) { return grpc::Status::OK; };
  EXPECT_THAT(Call("").metadata, IsEmpty());
}

TEST_F(LocalMethodsTest, HandOverWhatIsKeptForAnAnswer) {
  const auto kept = std::make_shared<int>(1);
  kept_ = kept;
  EXPECT_EQ(Call("").kept, kept);
  answer_ = [](AsyncCall&, std::string&) { return grpc::Status(grpc::StatusCode::INTERNAL, "no answer"); };
  EXPECT_EQ(Call("").kept, nullptr);
}

TEST_F(LocalMethodsTest, ServeACallThatComesWithinAnother) {
  answer_ = [this](AsyncCall&, std::string& text) {
    if (text != "inner") text = Call("inner").text + " and outer";
    return grpc::Status::OK;
  };
  EXPECT_EQ(Call("outer").text, "inner and outer");
}

TEST_F(LocalMethodsTest, ServeManyThreadsAtATime) {
  constexpr int kThreads = 8;
  constexpr int kCalls = 500;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([this, i] {
      for (int j = 0; j < kCalls; ++j) {
        const std::string text = std::to_string(i) + " " + std::to_string(j);
        EXPECT_EQ(Call(text).text, text);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(coroutines_, 16 + 2) << "as many may go on waiting";
}

TEST_F(LocalMethodsTest, RefuseCallsOnceClosed) {
  EXPECT_EQ(Call("before").text, "before");
  methods_.Close();
  live_.WaitForNone();
  EXPECT_EQ(coroutines_, 0);
  const Answered refused = Call("after");
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(refused.status.error_message(), HasSubstr("shut down"));
}

TEST_F(LocalMethodsTest, KnowNoOtherMethods) {
  EXPECT_EQ(Call("", std::make_shared<LocalCaller>(), "/grpc.health.v1.Health/Watch").status.error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

}  // namespace
}  // namespace tensorferry::rpc
