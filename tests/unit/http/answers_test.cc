// Answers that come later, and what becomes of them when the peer goes or the server drains; and bodies that do not come.
#include <gmock/gmock.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "http/server.h"
#include "unit/http/peer.h"

namespace tensorferry::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kAskLater = "GET /later HTTP/1.1\r\nHost: a\r\n\r\n";

std::chrono::steady_clock::time_point In(std::chrono::nanoseconds delay) {
  return std::chrono::steady_clock::now() + delay;
}

// Asked is a request whose answer is still to come.
struct Asked {
  Request request;
  Reply reply;
};

class AnswersTest : public testing::Test {
 protected:
  std::unique_ptr<Server> Start(const Limits& limits = {}) {
    Route route{.path = "/later", .purpose = "", .roles = {}, .answer = nullptr, .methods = {"GET", "POST"}};
    route.answer_later = [this](Request request, Reply reply) {
      asked_.set_value({std::move(request), std::move(reply)});
    };
    return Server::Start({.address = "127.0.0.1:0", .limits = limits, .pool = &pool_}, Router({route}, {})).value();
  }

  MemoryBudget budget_{std::uint64_t{8} << 20};
  BufferPool pool_{budget_, 0};
  std::promise<Asked> asked_;
};

TEST_F(AnswersTest, ARouteLearnsThatItsPeerHasGone) {
  const auto server = Start();
  std::promise<void> gone;
  Asked asked;
  {
    const Peer peer(*server);
    peer.Send(kAskLater);
    asked = asked_.get_future().get();
    asked.request.cancellation->OnGone([&] { gone.set_value(); });
  }
  EXPECT_EQ(gone.get_future().wait_for(minutes(1)), std::future_status::ready);
  bool at_once = false;
  asked.request.cancellation->OnGone([&] { at_once = true; });
  EXPECT_TRUE(at_once);
  asked.reply({});  // Nobody is there.
}

TEST_F(AnswersTest, ADrainWaitsForTheLastAnswer) {
  const auto server = Start();
  EXPECT_TRUE(server->AwaitAnswers(In(minutes(1))));
  const Peer peer(*server);
  peer.Send(kAskLater);
  const Asked asked = asked_.get_future().get();
  server->BeginDrain();
  EXPECT_FALSE(server->AwaitAnswers(In(milliseconds(1))));
  const std::string body(4 << 20, 'x');
  auto all = std::async(std::launch::async, [&] { return server->AwaitAnswers(In(minutes(1))); });
  asked.reply({.body = body});
  EXPECT_THAT(peer.Receive(), AllOf(HasSubstr("\r\nConnection: close\r\n"), EndsWith("\r\n\r\n" + body)));
  shutdown(peer.socket(), SHUT_RDWR);
  EXPECT_TRUE(all.get());
}

TEST_F(AnswersTest, APeerIsToldThatItsBodyIsLate) {
  const auto server = Start({.body_bytes = 100, .upload = milliseconds(50)});
  for (const std::string body : {"Content-Length: 3\r\n\r\nab", "Transfer-Encoding: chunked\r\n\r\n3\r\nab"}) {
    const Peer peer(*server);
    peer.Send("POST /later HTTP/1.1\r\nHost: a\r\n" + body);
    EXPECT_THAT(peer.Receive(), StartsWith("HTTP/1.1 408 ")) << body;
  }
  EXPECT_EQ(budget_.used(), 0);
}

TEST_F(AnswersTest, ABodyIsAdmittedAsItComes) {
  const auto server = Start({.body_bytes = 64 << 20});
  const std::string head = "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: ";
  const Peer never(*server);
  never.Send(head + std::to_string(budget_.limit() + 1) + "\r\n\r\n");
  EXPECT_THAT(never.Receive(), StartsWith("HTTP/1.1 413 "));
  auto others = pool_.Reserve(budget_.limit() - (1 << 20));
  const Peer now(*server);
  now.Send(head + std::to_string(4 << 20) + "\r\n\r\n");
  EXPECT_THAT(now.Receive(), AllOf(StartsWith("HTTP/1.1 429 "), HasSubstr("\r\nRetry-After: ")));
}

}  // namespace
}  // namespace tensorferry::http
