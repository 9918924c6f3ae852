// These tests send many requests on one stream, also to servers that break its framing.
#include "tensorferry/client/stream.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <future>
#include <limits>
#include <memory>
#include <ostream>

#include "tensorferry/client/client.h"
#include "testing/arrays.h"
#include "testing/fake_server.h"
#include "testing/status_matchers.h"

namespace tensorferry::client {
namespace {

class StreamTest : public testing::Test {
 protected:
  FakeServer server_;
  Client client_ = Client::Connect(server_.address()).value();
};

v1::ConvertResponse Refusal(const std::string& request_id) {
  v1::ConvertResponse response;
  response.set_request_id(request_id);
  response.mutable_error()->set_code(3);
  response.mutable_error()->set_reason("BAD_DTYPE");
  response.mutable_error()->set_message("array 'x': dtype 'f' is none");
  (*response.mutable_error()->mutable_metadata())["array"] = "x";
  return response;
}

TEST_F(StreamTest, AnswersEachRequestAloneAndInOrder) {
  server_.on_stream = [](FakeServer::StreamCall& call) {
    for (v1::ConvertStreamRequest part; call.Read(&part);) {
      const bool refused = part.request().request_id() == "3";
      Write(call, refused ? Refusal("3") : AnswerTo(part.request()));
    }
    return grpc::Status::OK;
  };
  Stream stream = client_.OpenStream();
  std::vector<Stream::Answer> answers;
  for (int i = 0; i < 100; ++i) answers.push_back(stream.Send({}, {.request_id = std::to_string(i)}));
  EXPECT_THAT(stream.Finish(), IsOk());
  for (int i = 0; i < 100; ++i) {
    const auto answer = answers[static_cast<std::size_t>(i)].get();
    if (i == 3) {
      EXPECT_THAT(answer, Fails(Reason::kBadDtype, "array 'x': dtype 'f' is none"));
    } else {
      ASSERT_THAT(answer, IsOk());
      EXPECT_EQ(answer->request_id, std::to_string(i));
    }
  }
}

TEST_F(StreamTest, StopsSendingTheChunksOfARefusedRequest) {
  const auto bytes = RandomBytes(64 << 20);
  std::size_t received = 0;
  std::promise<void> refused;
  server_.on_stream = [&](FakeServer::StreamCall& call) {
    v1::ConvertStreamRequest part;
    call.Read(&part);
    Write(call, Refusal(part.request().request_id()));
    refused.set_value();
    while (call.Read(&part) && !part.has_request()) received += part.chunk().size();
    Write(call, AnswerTo(part.request()));
    return grpc::Status::OK;
  };
  const auto sent_refusal = refused.get_future().share();
  Stream stream = client_.OpenStream();
  const std::vector arrays{Array{.name = "x", .dtype = "f", .shape = {1}, .bytes = bytes}};
  auto first = stream.Send(arrays, {.progress = [&](std::uint64_t, std::uint64_t) { sent_refusal.wait(); }});
  EXPECT_THAT(first.get(), Fails(Reason::kBadDtype));
  EXPECT_THAT(stream.Send({}, {.request_id = "2"}).get(), IsOk());
  EXPECT_THAT(stream.Finish(), IsOk());
  EXPECT_LT(received, bytes.size());
}

TEST_F(StreamTest, SendsElementsThatAreGoneAgainBeforeTheServerReads) {
  std::promise<void> go;
  std::vector<std::string> seen;
  server_.on_stream = [&](FakeServer::StreamCall& call) {
    go.get_future().wait();
    for (v1::ConvertStreamRequest part; call.Read(&part);) {
      seen.push_back(part.request().arrays(0).data());
      Write(call, AnswerTo(part.request()));
    }
    return grpc::Status::OK;
  };
  const auto bytes = RandomBytes(10'000);
  Stream stream = client_.OpenStream();
  std::vector<std::byte> borrowed = bytes;
  auto first = stream.Send(std::vector{Array{.name = "x", .dtype = "u1", .shape = {10'000}, .bytes = borrowed}});
  std::ranges::fill(borrowed, std::byte{0});
  auto owned = std::make_shared<const std::vector<std::byte>>(bytes);
  auto second = stream.Send(std::vector{
      Array{.name = "x", .dtype = "u1", .shape = {10'000}, .bytes = std::span(*owned), .owner = std::move(owned)}});
  go.set_value();
  EXPECT_THAT(first.get(), IsOk());
  EXPECT_THAT(second.get(), IsOk());
  EXPECT_THAT(stream.Finish(), IsOk());
  EXPECT_THAT(seen, testing::Each(std::string(AsText(bytes))));
}

TEST_F(StreamTest, WaitsWhileTooManyRequestsAreUnanswered) {
  std::promise<void> go;
  std::atomic<int> seen = 0;
  server_.on_stream = [&](FakeServer::StreamCall& call) {
    go.get_future().wait();
    for (v1::ConvertStreamRequest part; call.Read(&part);) {
      ++seen;
      Write(call, AnswerTo(part.request()));
    }
    return grpc::Status::OK;
  };
  Stream stream = client_.OpenStream({.max_outstanding = 2});
  auto first = stream.Send({});
  auto second = stream.Send({});
  auto third = std::async(std::launch::async, [&] { return stream.Send({}); });
  EXPECT_EQ(third.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  go.set_value();
  EXPECT_THAT(third.get().get(), IsOk());
  EXPECT_THAT(stream.Finish(), IsOk());
  EXPECT_EQ(seen, 3);
}

TEST_F(StreamTest, FailsAllUnansweredWhenTheStreamEnds) {
  server_.on_stream = [](FakeServer::StreamCall& call) {
    v1::ConvertStreamRequest part;
    call.Read(&part);
    return grpc::Status(grpc::INVALID_ARGUMENT, "framing lost");
  };
  Stream stream = client_.OpenStream();
  auto first = stream.Send({});
  auto second = stream.Send({});
  EXPECT_EQ(first.get().status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(second.get().status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(stream.Send({}).get().status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(StreamTest, IsCancelledWhenItIsDropped) {
  std::promise<void> reading;
  server_.on_stream = [&](FakeServer::StreamCall& call) {
    v1::ConvertStreamRequest part;
    call.Read(&part);
    reading.set_value();
    while (call.Read(&part)) continue;
    return grpc::Status::OK;
  };
  Stream::Answer answer;
  {
    Stream stream = client_.OpenStream();
    answer = stream.Send({});
    reading.get_future().wait();
  }
  EXPECT_EQ(answer.get().status().code(), absl::StatusCode::kCancelled);
}

TEST_F(StreamTest, SaysThatTheServerAnsweredTwice) {
  server_.on_stream = [](FakeServer::StreamCall& call) {
    v1::ConvertStreamRequest part;
    call.Read(&part);
    Write(call, AnswerTo(part.request()));
    Write(call, AnswerTo(part.request()));
    return grpc::Status::OK;
  };
  Stream stream = client_.OpenStream();
  EXPECT_THAT(stream.Send({}).get(), IsOk());
  const absl::Status end = stream.Finish();
  EXPECT_EQ(end.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(end.message()), testing::HasSubstr("a request that was not sent"));
}

struct BrokenCase {
  std::string name;
  std::function<void(FakeServer::StreamCall&, v1::ConvertResponse)> answer;
  std::string message;
  friend void PrintTo(const BrokenCase& c, std::ostream* out) { *out << c.name; }
};
class StreamBroken : public testing::TestWithParam<BrokenCase> {};

v1::ConvertResponse Announce(v1::ConvertResponse response, std::uint64_t nbytes) {
  v1::Tensor& tensor = *response.add_outputs();
  tensor.mutable_metadata()->set_nbytes(static_cast<std::int64_t>(nbytes));
  tensor.set_chunked_nbytes(nbytes);
  return response;
}

TEST_P(StreamBroken, IsAnErrorAndNothingWorse) {
  FakeServer server;
  server.on_stream = [&](FakeServer::StreamCall& call) {
    v1::ConvertStreamRequest part;
    call.Read(&part);
    GetParam().answer(call, AnswerTo(part.request()));
    return grpc::Status::OK;
  };
  const absl::Status status = Client::Connect(server.address())->Convert({}, {.model_name = "m"}).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(GetParam().message));
}

using Call = FakeServer::StreamCall;
INSTANTIATE_TEST_SUITE_P(
    Framing, StreamBroken,
    testing::ValuesIn(std::vector<BrokenCase>{
        {"NoAnswer", [](Call&, auto) {}, "without an answer"},
        {"ChunkFirst", [](Call& call, auto) { WriteChunk(call, "x"); }, "belongs to no response"},
        {"EmptyPart", [](Call& call, auto) { call.Write({}); }, "neither a response nor a chunk"},
        {"ChunkTooLarge",
         [](Call& call, auto response) {
           Write(call, Announce(response, 2));
           WriteChunk(call, "xyz");
         },
         "lacks 2"},
        {"ChunkMissing", [](Call& call, auto response) { Write(call, Announce(response, 2)); }, "without an answer"},
        {"AnswerInChunks",
         [](Call& call, auto response) {
           Write(call, Announce(response, 2));
           Write(call, response);
         },
         "among the chunks"},
        {"ExabyteAnnounced",
         [](Call& call, auto response) { Write(call, Announce(response, std::numeric_limits<std::int64_t>::max())); },
         "no memory here"},
        {"SizesContradict",
         [](Call& call, auto response) {
           response.add_outputs()->set_data("xyz");
           Write(call, response);
         },
         "of 0 bytes with 3 bytes"},
    }),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tensorferry::client
