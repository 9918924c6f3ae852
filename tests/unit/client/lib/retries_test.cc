// These tests look at when the client makes a call again, and at what it remembers of a server that has gone.
#include <gmock/gmock.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tensorferry/client/client.h"
#include "testing/arrays.h"
#include "testing/fake_server.h"
#include "testing/status_matchers.h"

namespace tensorferry::client {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::Le;
using testing::SizeIs;
using namespace std::chrono_literals;

// Answers the only request of a stream once all its chunks are there.
grpc::Status AnswerAtTheEnd(FakeServer::StreamCall& call) {
  v1::ConvertStreamRequest part;
  call.Read(&part);
  const v1::ConvertResponse answer = AnswerTo(part.request());
  while (call.Read(&part)) continue;
  Write(call, answer);
  return grpc::Status::OK;
}

class Retries : public testing::Test {
 protected:
  // AnswerAfter has the server refuse so many calls with `refusal`.
  void AnswerAfter(int refusals, const grpc::Status& refusal) {
    server_.on_convert = [this, refusals, refusal](const v1::ConvertRequest& request, v1::ConvertResponse* response) {
      *response = AnswerTo(request);
      return ++calls_ <= refusals ? refusal : grpc::Status::OK;
    };
  }

  FakeServer server_;
  Client client_ = Client::Connect(server_.address()).value();
  std::atomic<int> calls_ = 0;
};

TEST_F(Retries, AreMadeWhenTheServerSaysSo) {
  AnswerAfter(2, Busy(1ms));
  EXPECT_THAT(client_.Convert({}, {.retries = 2}), IsOk());
  EXPECT_EQ(calls_, 3);
}

TEST_F(Retries, AreAsManyAsTheCallerWants) {
  AnswerAfter(9, Busy(1ms));
  EXPECT_THAT(client_.Convert({}), Fails(Reason::kMemoryBudget));
  EXPECT_EQ(calls_, 1);
  EXPECT_THAT(client_.Convert({}, {.retries = 3}), Fails(Reason::kMemoryBudget));
  EXPECT_EQ(calls_, 5);
}

TEST_F(Retries, EndWithTheTimeout) {
  AnswerAfter(9, Busy(1h));
  EXPECT_THAT(client_.Convert({}, {.timeout = 1min, .retries = 9}), Fails(Reason::kMemoryBudget));
  EXPECT_EQ(calls_, 1);
}

TEST_F(Retries, ComeWithinTheLongestTimeout) {
  AnswerAfter(1, Busy(1ms));
  EXPECT_THAT(client_.Convert({}, {.timeout = std::chrono::milliseconds::max(), .retries = 1}), IsOk());
  EXPECT_EQ(calls_, 2);
}

TEST_F(Retries, AreNotMadeOfWhatWillBeRefusedAgain) {
  AnswerAfter(9, {grpc::INVALID_ARGUMENT, "never"});
  EXPECT_EQ(client_.Convert({}, {.retries = 9}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(calls_, 1);
}

TEST_F(Retries, FollowThePushbackOfAProxy) {
  AnswerAfter(1, {grpc::UNAVAILABLE, "no server"});
  server_.pushback = "1";
  EXPECT_THAT(client_.Convert({}, {.retries = 1}), IsOk());
  EXPECT_EQ(calls_, 2);
  for (const char* const never : {"-1", "soon", ""}) {
    server_.pushback = never;
    AnswerAfter(9, {grpc::UNAVAILABLE, "no server"});
    calls_ = 0;
    EXPECT_TRUE(IsUnreachable(client_.Convert({}, {.retries = 1}).status()));
    EXPECT_EQ(calls_, 1);
  }
}

TEST_F(Retries, AreMadeOfWhatAStreamRefuses) {
  server_.on_stream = [&](FakeServer::StreamCall& call) {
    v1::ConvertStreamRequest part;
    call.Read(&part);
    v1::ConvertResponse response = AnswerTo(part.request());
    if (++calls_ == 1) {
      response.mutable_error()->set_code(8);
      response.mutable_error()->set_reason("QUEUE_FULL");
      response.mutable_error()->set_retry_after_ms(1);
    }
    Write(call, response);
    return grpc::Status::OK;
  };
  EXPECT_THAT(client_.Convert({}, {.model_name = "m", .retries = 1}), IsOk());
  EXPECT_EQ(calls_, 2);
}

// The server takes its time to refuse a message as too large, and is asked for the size of its messages then.
TEST(Timeouts, HoldForAllThatACallTakes) {
  FakeServer server("127.0.0.1:0", /*max_message_bytes=*/64 << 10);
  server.on_convert = [](const v1::ConvertRequest&, v1::ConvertResponse*) {
    std::this_thread::sleep_for(300ms);
    return grpc::Status(grpc::RESOURCE_EXHAUSTED, "too large");
  };
  server.on_stream = AnswerAtTheEnd;
  const auto bytes = RandomBytes(40'000);
  const std::vector arrays{Array{.name = "x", .dtype = "|u1", .shape = {40'000}, .bytes = bytes}};
  Client client = Client::Connect(server.address()).value();
  ASSERT_THAT(client.Convert(arrays, {.timeout = 9s}), IsOk());
  constexpr auto kRounding = 50ms;  // gRPC tells hundredths of a second.
  EXPECT_THAT(server.times_left(), ElementsAre(Le(9s + kRounding), Le(9s - 300ms + kRounding)));
}

TEST(Limits, HoldUpNoCallsThatDoNotWaitForThem) {
  FakeServer server;
  std::promise<void> asked;
  std::promise<void> may_answer;
  server.on_info = [&] {
    asked.set_value();
    may_answer.get_future().wait();
  };
  server.on_convert = [](const v1::ConvertRequest& request, v1::ConvertResponse* response) {
    *response = AnswerTo(request);
    return grpc::Status::OK;
  };
  server.on_stream = AnswerAtTheEnd;
  const auto bytes = RandomBytes(9 << 20);
  const std::vector arrays{Array{.name = "x", .dtype = "|u1", .shape = {9 << 20}, .bytes = bytes}};
  Client client = Client::Connect(server.address()).value();
  auto large = std::async(std::launch::async, [&] { return client.Convert(arrays); });
  asked.get_future().wait();
  EXPECT_THAT(client.Convert({}), IsOk());
  may_answer.set_value();
  EXPECT_THAT(large.get(), IsOk()) << "the small call came before the time was over that the limits are waited for";
}

// ServersInTurn have the same address.
class ServersInTurn : public testing::Test {
 protected:
  ServersInTurn() {
    std::string name = (std::filesystem::temp_directory_path() / "retries-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    address_ = "unix:" + (folder_ / "socket").string();
  }
  ~ServersInTurn() override { std::filesystem::remove_all(folder_); }

  // Start begins a server whose messages have at most so many bytes.
  void Start(int max_message_bytes) {
    server_.emplace(address_, max_message_bytes);
    sizes_.clear();
    server_->on_convert = [this](const v1::ConvertRequest& request, v1::ConvertResponse* response) {
      sizes_.push_back(request.ByteSizeLong());
      *response = AnswerTo(request);
      return grpc::Status::OK;
    };
    server_->on_stream = [this](FakeServer::StreamCall& call) {
      for (v1::ConvertStreamRequest part; call.Read(&part);) {
        const v1::ConvertRequest request = part.request();
        for (std::uint64_t nbytes = Chunked(request); nbytes > 0 && call.Read(&part); nbytes -= part.chunk().size()) {
          sizes_.push_back(part.chunk().size());
        }
        Write(call, AnswerTo(request));
      }
      return grpc::Status::OK;
    };
  }

  static std::uint64_t Chunked(const v1::ConvertRequest& request) {
    std::uint64_t nbytes = 0;
    for (const v1::Array& array : request.arrays()) nbytes += array.chunked_nbytes();
    return nbytes;
  }

  std::filesystem::path folder_;
  std::string address_;
  std::vector<std::size_t> sizes_;
  std::optional<FakeServer> server_;
};

TEST_F(ServersInTurn, AreWaitedForIfThatIsWished) {
  Client patient = Client::Connect(address_, {.wait_for_ready = true}).value();
  EXPECT_EQ(patient.Convert({}, {.timeout = 1ms}).status().code(), absl::StatusCode::kDeadlineExceeded);
  auto waiting = std::async(std::launch::async, [&] { return patient.Convert({}, {.timeout = 1min}); });
  Start(1 << 20);
  EXPECT_THAT(waiting.get(), IsOk());
}

// The answer without elements fits a call, and the other takes a stream.
class MessagesThatAreTaken : public ServersInTurn, public testing::WithParamInterface<bool> {};

TEST_P(MessagesThatAreTaken, AreThoseOfTheServerThatIsThereNow) {
  const auto bytes = RandomBytes(3 << 20);
  const std::vector arrays{Array{.name = "x", .dtype = "|u1", .shape = {3 << 20}, .bytes = bytes}};
  const ConvertOptions options{.return_data = GetParam()};
  Client client = Client::Connect(address_, {.transport = Transport::kBytes, .wait_for_ready = true}).value();
  Start(8 << 20);
  ASSERT_THAT(client.Convert(arrays, options), IsOk());
  EXPECT_THAT(sizes_, SizeIs(GetParam() ? 0 : 1));
  server_.reset();
  Start(64 << 10);
  ASSERT_THAT(client.Convert(arrays, options), IsOk());
  EXPECT_THAT(sizes_, AllOf(SizeIs(96), Each(Le(32 << 10))));
  sizes_.clear();
  Stream stream = client.OpenStream();
  ASSERT_THAT(stream.Send(arrays).get(), IsOk());
  EXPECT_THAT(sizes_, SizeIs(96));
  EXPECT_EQ(server_->info_calls, 1);
  EXPECT_THAT(stream.Finish(), IsOk());
}

INSTANTIATE_TEST_SUITE_P(Kinds, MessagesThatAreTaken, testing::Bool(), [](const auto& test) {
  return test.param ? std::string("OnAStream") : std::string("InACall");
});

TEST_F(ServersInTurn, AreAskedAnewAfterOneHasGone) {
  const auto bytes = RandomBytes(3 << 20);
  const std::vector arrays{Array{.name = "x", .dtype = "|u1", .shape = {3 << 20}, .bytes = bytes}};
  Client client = Client::Connect(address_, {.transport = Transport::kBytes}).value();
  Start(64 << 10);
  ASSERT_THAT(client.Convert(arrays), IsOk());
  server_.reset();
  EXPECT_TRUE(IsUnreachable(client.Convert(arrays).status()));
  Start(8 << 20);
  absl::StatusOr<Response> answer = client.Convert(arrays);
  while (IsUnreachable(answer.status())) answer = client.Convert(arrays);  // gRPC connects again after a while.
  ASSERT_THAT(answer, IsOk());
  EXPECT_THAT(sizes_, SizeIs(1));
}

}  // namespace
}  // namespace tensorferry::client
