#include <gmock/gmock.h>

#include <functional>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "rpc/health_service.h"
#include "testing/in_process_server.h"
#include "testing/test_memory.h"
#include "web/gateway.h"

namespace tensorferry::web {
namespace {

// StreamingCalls are calls of a service of health, each with one message to go and one to come.
class StreamingCalls : public testing::Test {
 protected:
  using Piece = http::BodyStream::Piece;

  static Piece PieceOf(std::string text) {
    const auto owner = std::make_shared<const std::string>(std::move(text));
    return {.bytes = {*owner}, .owner = owner};
  }

  std::shared_ptr<http::BodyStream> Call(
      std::function<Piece(const grpc::Status&, const grpc::ClientContext&)> end_piece) {
    const grpc::Slice empty;
    return gateway_.Stream(http::Request(), {.method = "/grpc.health.v1.Health/Check",
                                             .messages = {grpc::ByteBuffer(&empty, 1)},
                                             .message_piece = [](const auto&) { return PieceOf("a message"); },
                                             .end_piece = std::move(end_piece)});
  }

  // Waits for the next piece of a body. Nothing: it has ended.
  static std::optional<std::string> Next(http::BodyStream& body) {
    std::promise<std::optional<std::string>> next;
    body.Pull([&next](std::optional<Piece> piece) {
      next.set_value(piece ? std::optional<std::string>(piece->bytes.front()) : std::nullopt);
    });
    return next.get_future().get();
  }

  rpc::LiveCoroutines live_;
  const rpc::CallChain chain_{rpc::CallChain::Steps()};
  rpc::WorkerPool copiers_{1};
  rpc::WaitLimit waits_{std::chrono::milliseconds(0)};
  rpc::OpenStreams streams_;
  TestMemory memory_;
  rpc::LocalMethods local_{live_};
  rpc::HealthService health_{{live_, chain_, copiers_, waits_, streams_, memory_.pool, local_}};
  InProcessServer server_{live_, health_};
  Gateway gateway_{local_, server_.channel()};
};

TEST_F(StreamingCalls, GiveTheirMessagesAndTheirEnd) {
  health_.Set("", true);
  const auto body =
      Call([](const grpc::Status& status, const auto&) { return PieceOf(status.ok() ? "OK" : "failed"); });
  EXPECT_EQ(Next(*body), "a message");
  EXPECT_EQ(Next(*body), "OK");
  EXPECT_EQ(Next(*body), std::nullopt);
}

TEST_F(StreamingCalls, EndTheBodyWhereThereIsNoMemoryForTheirEnd) {
  health_.Set("", true);
  for (int i = 0; i < 2; ++i) {
    const auto body = Call([](const auto&, const auto&) -> Piece { throw std::bad_alloc(); });
    EXPECT_EQ(Next(*body), "a message");
    EXPECT_EQ(Next(*body), std::nullopt);
  }
}

}  // namespace
}  // namespace tensorferry::web
