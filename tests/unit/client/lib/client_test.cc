// These tests make calls of one request: they look at how it is framed, and what comes back.
#include "tensorferry/client/client.h"

#include <gmock/gmock.h>

#include <chrono>
#include <future>

#include "files.h"
#include "testing/arrays.h"
#include "testing/fake_server.h"
#include "testing/status_matchers.h"

namespace tensorferry::client {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::Pair;
using namespace std::chrono_literals;

constexpr std::size_t kLarge = 4 * 1024 * 1024 + 8;  // Bytes; just too many for one message.

class ClientTest : public testing::Test {
 protected:
  FakeServer server_;
  Client client_ = Client::Connect(server_.address()).value();
};

TEST_F(ClientTest, SendsSmallArraysInOneMessage) {
  v1::ConvertRequest seen;
  server_.on_convert = [&](const v1::ConvertRequest& request, v1::ConvertResponse* response) {
    seen = request;
    *response = AnswerTo(request);
    return grpc::Status::OK;
  };
  const std::vector<std::int16_t> values{1, 2, 3};
  const std::vector arrays{Array::Of("x", {3}, std::span(values))};
  const auto response = client_.Convert(arrays, {.request_id = "7", .fidelity = Fidelity::kStrict});
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->request_id, "7");
  EXPECT_THAT(response->tensors[0].shape, ElementsAre(3));
  EXPECT_FALSE(response->tensors[0].data);
  EXPECT_EQ(seen.fidelity(), v1::FIDELITY_STRICT);
  EXPECT_EQ(seen.digest(), v1::DIGEST_ALGORITHM_XXH3_128);
  EXPECT_EQ(seen.arrays(0).dtype(), "int16");
  EXPECT_EQ(seen.arrays(0).data(), AsText(std::as_bytes(std::span(values))));
  EXPECT_EQ(server_.info_calls, 0);
}

TEST_F(ClientTest, WantsATensorForEachArray) {
  server_.on_convert = [](const v1::ConvertRequest&, v1::ConvertResponse*) { return grpc::Status::OK; };
  const absl::Status status = client_.Convert(std::vector{Array{.name = "x"}}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(std::string(status.message()), "1 arrays were sent, the server answered with 0");
}

TEST_F(ClientTest, RestoresTheErrorOfACall) {
  server_.on_convert = [](const v1::ConvertRequest&, v1::ConvertResponse*) { return Busy(100ms); };
  const Error error = ToError(client_.Convert({}).status());
  EXPECT_EQ(error.code, absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(error.reason, "MEMORY_BUDGET");
  EXPECT_EQ(error.message, "array 'x': too many bytes now");
  EXPECT_THAT(error.metadata, ElementsAre(Pair("array", "x"), Pair("limit", "10")));
  EXPECT_EQ(error.retry_after, std::chrono::milliseconds(100));
}

TEST_F(ClientTest, PassesOnReasonsThatItDoesNotKnow) {
  server_.on_stream = [](FakeServer::StreamCall& call) {
    v1::ConvertStreamRequest part;
    call.Read(&part);
    v1::ConvertResponse response;
    response.mutable_error()->set_code(9);
    response.mutable_error()->set_reason("FROM_THE_FUTURE");
    response.mutable_error()->set_message("not yet");
    Write(call, response);
    return grpc::Status::OK;
  };
  const absl::Status status = client_.Convert({}, {.model_name = "m"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ToError(status).message, "FROM_THE_FUTURE: not yet");
}

// Upload reads one request with its chunks, and answers it.
struct Upload {
  v1::ConvertRequest request;
  std::vector<std::size_t> chunk_sizes;
  std::string bytes;

  grpc::Status Receive(FakeServer::StreamCall& call) {
    v1::ConvertStreamRequest part;
    call.Read(&part);
    request = part.request();
    std::uint64_t expected = 0;
    for (const v1::Array& array : request.arrays()) expected += array.chunked_nbytes();
    while (bytes.size() < expected && call.Read(&part)) {
      chunk_sizes.push_back(part.chunk().size());
      bytes += part.chunk();
    }
    Write(call, AnswerTo(request));
    return grpc::Status::OK;
  }
};

TEST_F(ClientTest, SendsLargeArraysInChunksOfTheRecommendedSize) {
  Upload upload;
  server_.on_stream = [&](FakeServer::StreamCall& call) { return (upload = {}).Receive(call); };
  const auto bytes = RandomBytes(kLarge);
  const std::vector arrays{Array{.name = "x", .dtype = "<f8", .shape = {kLarge / 8}, .bytes = bytes},
                           Array{.name = "empty", .dtype = "<f8", .shape = {0}, .bytes = {}},
                           Array{.name = "y", .dtype = "|u1", .shape = {5}, .bytes = std::span(bytes).first(5)}};
  std::uint64_t reported = 0;
  const ConvertOptions options{.progress = [&](std::uint64_t sent, std::uint64_t) { reported = sent; }};
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT(client_.Convert(arrays, options), IsOk());
    EXPECT_EQ(upload.bytes, std::string(AsText(bytes)) + std::string(AsText(bytes).substr(0, 5)));
    EXPECT_EQ(upload.request.arrays(0).chunked_nbytes(), kLarge);
    EXPECT_TRUE(upload.request.arrays(1).has_data());
    EXPECT_EQ(reported, kLarge + 5);
    ASSERT_EQ(upload.chunk_sizes.size(), kLarge / FakeServer::kChunk + 2);
    EXPECT_EQ(upload.chunk_sizes.back(), 5);  // No chunk holds bytes of two arrays.
    upload.chunk_sizes.resize(kLarge / FakeServer::kChunk);
    EXPECT_THAT(upload.chunk_sizes, Each(FakeServer::kChunk));
  }
  EXPECT_EQ(server_.info_calls, 1);
}

TEST_F(ClientTest, DeclaresALargeNpyByItsHeader) {
  Upload upload;
  server_.on_stream = [&](FakeServer::StreamCall& call) { return upload.Receive(call); };
  std::string file = ReadFile(kFiles / "plain" / "bfloat16-2.npy").substr(0, 128);
  file.replace(file.find("(7,)"), 4, "(3000000,)");
  file.erase(file.find("}") + 1, 6);  // The header keeps its length.
  file.append(6'000'000, 'x');
  ASSERT_THAT(client_.Convert(std::vector{Array::Npy("w", std::as_bytes(std::span(file)), "bfloat16")}), IsOk());
  EXPECT_EQ(upload.request.arrays(0).dtype(), "bfloat16");
  EXPECT_THAT(upload.request.arrays(0).shape(), ElementsAre(3'000'000));
  EXPECT_EQ(upload.bytes, std::string(6'000'000, 'x'));
}

TEST_F(ClientTest, RefusesALargeNpyAsTheServerWouldBeforeSendingIt) {
  std::string file = ReadFile(kFiles / "plain" / "int16-2.npy");
  file.append(kLarge, 'x');
  EXPECT_THAT(client_.Convert(std::vector{Array::Npy("w", std::as_bytes(std::span(file)))}),
              Fails(Reason::kTrailingBytes));
}

TEST_F(ClientTest, PutsReturnedChunksIntoOneBufferPerTensor) {
  const std::string first(250'000, 'a');
  const std::string second(3, 'b');
  server_.on_stream = [&](FakeServer::StreamCall& call) {
    v1::ConvertStreamRequest part;
    call.Read(&part);
    v1::ConvertResponse response = AnswerTo(part.request());
    for (const std::string& elements : {first, second}) {
      v1::Tensor& output = *response.add_outputs();
      output.mutable_metadata()->set_nbytes(static_cast<std::int64_t>(elements.size()));
      output.set_chunked_nbytes(elements.size());
    }
    Write(call, response);
    for (std::size_t i = 0; i < first.size(); i += 100'000) WriteChunk(call, first.substr(i, 100'000));
    WriteChunk(call, second);
    return grpc::Status::OK;
  };
  const auto response = client_.Convert({}, {.model_name = "m"});
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->outputs[0].data, first);
  EXPECT_EQ(response->outputs[1].data, second);
}

TEST_F(ClientTest, EndsAtItsDeadline) {
  std::promise<void> over;
  server_.on_convert = [go = over.get_future().share()](const v1::ConvertRequest&, v1::ConvertResponse*) {
    go.wait();  // The call may reach the server after the end of this test.
    return grpc::Status::OK;
  };
  EXPECT_EQ(client_.Convert({}, {.timeout = std::chrono::milliseconds(50)}).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  over.set_value();
}

TEST(Connect, TellsAnAbsentServerFromARefusal) {
  const std::string address = FakeServer().address();  // That server has ended.
  const absl::Status status = Client::Connect(address)->Convert({}).status();
  EXPECT_TRUE(IsUnreachable(status)) << status;
  EXPECT_FALSE(IsUnreachable(MakeError(Reason::kDraining, "the server is shutting down")));
}

TEST(Connect, TakesAddressesWithAPortAndSockets) {
  for (const char* address : {"localhost:8001", "[::1]:1", "unix:server.sock", "dns:///localhost:8001",
                              "ipv4:127.0.0.1:1", "ipv4:127.0.0.1:1,127.0.0.2:2", "ipv6:[::1]:1,[::2]:2"}) {
    EXPECT_THAT(Client::Connect(address), IsOk()) << address;
  }
  for (const char* address :
       {"", "localhost", ":8001", "host:0", "host:65536", "host:80x", "unix:", "dns:///", "dns:///host",
        "ipv4:", "ipv4:127.0.0.1:1,", "ipv4:127.0.0.1:1,,127.0.0.2:2", "ipv4:127.0.0.1"}) {
    EXPECT_EQ(Client::Connect(address).status().code(), absl::StatusCode::kInvalidArgument) << address;
  }
}

}  // namespace
}  // namespace tensorferry::client
