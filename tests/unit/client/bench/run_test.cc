// These tests load a server that answers as they say. No test looks at how long anything took.
#include "bench/run.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "bench/request.h"
#include "tensorferry/client/error.h"
#include "testing/arrays.h"
#include "testing/fake_server.h"
#include "testing/owned_bytes.h"
#include "testing/status_matchers.h"

namespace tensorferry::cli {
namespace {

using client::FakeServer;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::Pair;

constexpr milliseconds kShort{100};

v1::ConvertResponse Converted(const v1::ConvertRequest& request) {
  v1::ConvertResponse response = client::AnswerTo(request);
  v1::TensorMetadata& metadata = *response.mutable_tensors(0)->mutable_metadata();
  metadata.set_dtype(request.arrays(0).dtype());
  metadata.mutable_receipt()->set_numpy_dtype(request.arrays(0).dtype());
  metadata.mutable_receipt()->set_dtype_equal(true);
  response.mutable_timing()->set_convert_ns(7);
  return response;
}

v1::ConvertResponse Refused(const std::string& reason) {
  v1::ConvertResponse response;
  response.mutable_error()->set_code(3);
  response.mutable_error()->set_reason(reason);
  return response;
}

class BenchRunTest : public testing::Test {
 protected:
  BenchRunTest() {
    server_.on_convert = [&](const v1::ConvertRequest& request, v1::ConvertResponse* response) {
      ++served_;
      *response = Converted(request);
      return grpc::Status::OK;
    };
    server_.on_stream = [&](FakeServer::StreamCall& call) { return AnswerEach(call, Converted); };
  }

  // AnswerEach takes requests with their chunks until the client ends the stream.
  template <typename Answer>
  grpc::Status AnswerEach(FakeServer::StreamCall& call, Answer answer) {
    for (v1::ConvertStreamRequest part; call.Read(&part);) {
      const v1::ConvertRequest request = part.request();
      std::string elements = request.arrays(0).data();
      while (elements.size() < request.arrays(0).chunked_nbytes() && call.Read(&part)) elements += part.chunk();
      if (elements != AsText(array_.bytes)) ++spoiled_;
      ++served_;
      client::Write(call, answer(request));
    }
    return grpc::Status::OK;
  }

  BenchResult Measure(const BenchOptions& options, milliseconds duration = kShort) {
    const auto request = MakeBenchRequest({&array_, 1}, {.mode = options.mode, .chunk_bytes = FakeServer::kChunk});
    const BenchChannels channels = OpenBenchChannels(address_, options.connections);
    return BenchRun(options, channels, {&array_, 1}, *request, interrupted_).Measure(duration);
  }

  // These members stand before the server, whose handlers use them to their end.
  std::atomic<std::uint64_t> served_ = 0;
  std::atomic<int> spoiled_ = 0;
  std::atomic<bool> interrupted_ = false;
  const client::Array array_ = client::OwnedBytes(250'000);
  FakeServer server_;
  std::string address_ = server_.address();
};

class BenchOfEachMode : public BenchRunTest, public testing::WithParamInterface<BenchMode> {};

TEST_P(BenchOfEachMode, CountsEachRequestOnce) {
  const BenchResult result = Measure({.mode = GetParam(), .outstanding = 3, .connections = 2});
  EXPECT_THAT(result.ended, IsOk());
  EXPECT_GT(result.ok, 0);
  EXPECT_EQ(result.ok, served_);
  EXPECT_EQ(spoiled_, 0);
  EXPECT_THAT(result.errors, testing::IsEmpty());
  EXPECT_EQ(result.latency.count(), result.ok);
  EXPECT_EQ(result.server.convert.count(), 7 * static_cast<std::int64_t>(result.ok));
  EXPECT_GE(result.elapsed, kShort);
}

TEST_P(BenchOfEachMode, KeepsToTheRate) {
  for (const Arrivals arrivals : {Arrivals::kConstant, Arrivals::kPoisson}) {
    const auto start = std::chrono::steady_clock::time_point();
    std::uint64_t due = 0;
    for (ArrivalSchedule schedule(200, arrivals, start); schedule.next() < start + milliseconds(250);
         schedule.Advance()) {
      ++due;
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    BenchResult result;
    do {  // A machine that is busy with something else at the end of a run has it leave the last requests out.
      served_ = 0;
      result = Measure({.mode = GetParam(), .rate = 200, .arrivals = arrivals}, milliseconds(250));
      EXPECT_EQ(result.ok + result.unsent, due);
      EXPECT_EQ(served_, result.ok);
    } while (result.unsent > 0 && std::chrono::steady_clock::now() < deadline);
    EXPECT_EQ(result.unsent, 0);
  }
}

TEST_P(BenchOfEachMode, EndsWithoutAServer) {
  address_ = "unix:/nowhere/at/all";
  const BenchResult result = Measure({.mode = GetParam(), .outstanding = 2}, std::chrono::hours(1));
  EXPECT_TRUE(client::IsUnreachable(result.ended)) << result.ended;
  EXPECT_EQ(result.ok, 0);
  EXPECT_THAT(result.errors, ElementsAre(Pair("UNAVAILABLE", 1)));
}

TEST_P(BenchOfEachMode, EndsAtATensorThatIsNotTheArray) {
  const auto wrong = [](const v1::ConvertRequest& request) {
    v1::ConvertResponse response = Converted(request);
    response.mutable_tensors(0)->mutable_metadata()->set_shape(0, 1);
    return response;
  };
  server_.on_convert = [&](const v1::ConvertRequest& request, v1::ConvertResponse* response) {
    *response = wrong(request);
    return grpc::Status::OK;
  };
  server_.on_stream = [&](FakeServer::StreamCall& call) { return AnswerEach(call, wrong); };
  const BenchResult result = Measure({.mode = GetParam()}, std::chrono::hours(1));
  EXPECT_THAT(std::string(result.ended.message()), testing::HasSubstr("shape"));
  EXPECT_EQ(result.ok, 0);
}

TEST_P(BenchOfEachMode, EndsWhenInterrupted) {
  server_.on_stream = [&](FakeServer::StreamCall& call) {
    return AnswerEach(call, [&](const v1::ConvertRequest& request) {
      if (served_ >= 5) interrupted_ = true;
      return Converted(request);
    });
  };
  server_.on_convert = [&](const v1::ConvertRequest& request, v1::ConvertResponse* response) {
    if (++served_ >= 5) interrupted_ = true;
    *response = Converted(request);
    return grpc::Status::OK;
  };
  const BenchResult result = Measure({.mode = GetParam(), .outstanding = 2}, std::chrono::hours(1));
  EXPECT_THAT(result.ended, IsOk());
  EXPECT_GT(result.ok, 0);
  EXPECT_LE(result.ok, served_);
  EXPECT_THAT(result.errors, testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Modes, BenchOfEachMode,
                         testing::Values(BenchMode::kUnary, BenchMode::kStream, BenchMode::kChunks),
                         [](const auto& test) { return std::string(Info(test.param).name); });

TEST_F(BenchRunTest, CountsRefusalsByReason) {
  server_.on_convert = [&](const v1::ConvertRequest& request, v1::ConvertResponse* response) {
    *response = Converted(request);
    const bool refused = ++served_ % 2 == 0;
    return refused ? grpc::Status(grpc::ABORTED, "try again") : grpc::Status::OK;
  };
  const BenchResult result = Measure({.outstanding = 2});
  EXPECT_THAT(result.errors, ElementsAre(Pair("ABORTED", served_ / 2)));
  EXPECT_EQ(result.ok + result.failed(), served_);
  EXPECT_EQ(result.latency.count(), result.ok);
}

TEST_F(BenchRunTest, CountsRefusalsInPlaceByReason) {
  server_.on_stream = [&](FakeServer::StreamCall& call) {
    return AnswerEach(call, [&](const v1::ConvertRequest& request) {
      return served_ % 3 == 0 ? Refused("BAD_NAME") : Converted(request);
    });
  };
  const BenchResult result = Measure({.mode = BenchMode::kStream, .outstanding = 4});
  EXPECT_THAT(result.errors, ElementsAre(Pair("BAD_NAME", served_ / 3)));
  EXPECT_EQ(result.ok + result.failed(), served_);
}

TEST_F(BenchRunTest, SendsNoMoreChunksOfARefusedArray) {
  server_.on_stream = [&](FakeServer::StreamCall& call) {
    for (v1::ConvertStreamRequest part; call.Read(&part);) {
      if (!part.has_request()) continue;
      if (++served_ == 3) interrupted_ = true;
      v1::ConvertResponse refused = Refused("MEMORY_BUDGET");
      refused.mutable_error()->set_retry_after_ms(1);
      client::Write(call, refused);
    }
    return grpc::Status::OK;
  };
  const BenchResult result = Measure({.mode = BenchMode::kChunks}, std::chrono::hours(1));
  EXPECT_THAT(result.errors, ElementsAre(Pair("MEMORY_BUDGET", testing::Ge(2))));
}

TEST_F(BenchRunTest, EndsWithAFirstRefusalThatEachRequestWillMeet) {
  server_.on_stream = [&](FakeServer::StreamCall& call) {
    return AnswerEach(call, [&](const v1::ConvertRequest&) { return Refused("BAD_DTYPE"); });
  };
  const BenchResult result = Measure({.mode = BenchMode::kStream, .outstanding = 4}, std::chrono::hours(1));
  EXPECT_THAT(result.errors, ElementsAre(Pair("BAD_DTYPE", 1)));
  EXPECT_EQ(client::ToError(result.refused).reason, "BAD_DTYPE");
  EXPECT_TRUE(result.ended.ok());
}

TEST_F(BenchRunTest, WaitsForTheChunksOfAResponse) {
  server_.on_stream = [&](FakeServer::StreamCall& call) {
    for (v1::ConvertStreamRequest part; call.Read(&part);) {
      v1::ConvertResponse response = Converted(part.request());
      response.add_outputs()->set_chunked_nbytes(5);
      client::Write(call, response);
      client::WriteChunk(call, "abc");
      client::WriteChunk(call, "de");
      ++served_;
    }
    return grpc::Status::OK;
  };
  const BenchResult result = Measure({.mode = BenchMode::kStream, .outstanding = 2});
  EXPECT_THAT(result.ended, IsOk());
  EXPECT_EQ(result.ok, served_);
}

TEST_F(BenchRunTest, OpensAStreamAgainThatTheServerEnded) {
  server_.on_stream = [&](FakeServer::StreamCall& call) {
    if (++served_ == 3) interrupted_ = true;
    v1::ConvertStreamRequest part;
    if (!call.Read(&part)) return grpc::Status::CANCELLED;  // The interruption cut the stream off.
    client::Write(call, Converted(part.request()));
    call.Read(&part);
    return grpc::Status(grpc::ABORTED, "enough");
  };
  const BenchResult result = Measure({.mode = BenchMode::kStream}, std::chrono::hours(1));
  EXPECT_GE(result.ok, 2);
  EXPECT_THAT(result.errors, ElementsAre(Pair("ABORTED", testing::Ge(2))));
}

TEST_F(BenchRunTest, RefusesMessagesThatBelongToNoRequest) {
  server_.on_stream = [&](FakeServer::StreamCall& call) {
    client::WriteChunk(call, "abc");
    v1::ConvertStreamRequest part;
    while (call.Read(&part)) {
    }
    return grpc::Status::OK;
  };
  const BenchResult result = Measure({.mode = BenchMode::kStream, .outstanding = 2});
  EXPECT_EQ(result.ok, 0);
  EXPECT_EQ(result.errors.size(), 1);
  EXPECT_GT(result.errors.at("INTERNAL"), 0);
}

TEST_F(BenchRunTest, GivesUpOnAServerThatHangs) {
  server_.on_stream = [](FakeServer::StreamCall& call) {
    for (v1::ConvertStreamRequest part; call.Read(&part);) {
    }
    return grpc::Status::OK;
  };
  const BenchResult result =
      Measure({.mode = BenchMode::kStream, .outstanding = 5, .patience = milliseconds(50)}, milliseconds(50));
  EXPECT_TRUE(result.gave_up);
  EXPECT_EQ(result.ok, 0);
  EXPECT_THAT(result.errors, ElementsAre(Pair("DEADLINE_EXCEEDED", 5)));
}

TEST_F(BenchRunTest, SendsNoMoreThanItsLimitToAServerThatHangs) {
  server_.on_stream = [&](FakeServer::StreamCall& call) {
    for (v1::ConvertStreamRequest part; call.Read(&part);) {
    }
    return grpc::Status::OK;
  };
  const BenchResult result =
      Measure({.mode = BenchMode::kStream, .rate = 20'000, .patience = milliseconds(50)}, milliseconds(200));
  EXPECT_THAT(result.errors, ElementsAre(Pair("DEADLINE_EXCEEDED", 1024)));
  EXPECT_EQ(result.unsent, 4000 - 1024);
}

}  // namespace
}  // namespace tensorferry::cli
