// The limits of connections, each in a server that has little of it.
#include "http/server.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>

#include "unit/http/peer.h"

namespace tensorferry::http {
namespace {

using std::chrono::milliseconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

constexpr milliseconds kSoon{50};
constexpr std::string_view kAsk = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

std::unique_ptr<Server> StartServer(const Limits& limits, std::string body = "") {
  const auto answer = [body](const Request&) { return Response{.body = body}; };
  return Server::Start({.address = "127.0.0.1:0", .limits = limits}, Router({{"/body", "a body", {}, answer}}, {}))
      .value();
}

std::ptrdiff_t OpenFiles() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}

TEST(Server, ClosesTheConnectionThatHasKeptItWaitingLongest) {
  const auto server = StartServer({.connections = 2});
  const Peer first(*server);
  const Peer second(*server);
  for (const Peer* peer : {&first, &second}) {  // Only what comes on a connection that it has taken comes in order.
    peer->Send(kAsk);
    EXPECT_THAT(peer->Receive("}\n"), StartsWith("HTTP/1.1 200"));
  }
  second.Send("GET /bo");  // It has begun to wait for `second` after it has begun to wait for `first`.
  first.Send(kAsk);
  EXPECT_THAT(first.Receive("}\n"), StartsWith("HTTP/1.1 200"));  // Now it has waited for `second` longer.
  const Peer third(*server);
  EXPECT_EQ(second.Receive(), "");
  for (const Peer* peer : {&third, &first}) {
    peer->Send(kAsk);
    EXPECT_THAT(peer->Receive("}\n"), StartsWith("HTTP/1.1 200"));
  }
}

TEST(Server, TellsAPeerThatItsRequestIsLate) {
  const auto server = StartServer({.request = milliseconds(1500)});  // A busy machine has begun to ask by then.
  const Peer peer(*server);
  peer.Send("GET /body HTTP/1.1\r\n");
  const std::string answer = peer.Receive();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 408 "));
  EXPECT_THAT(answer, HasSubstr("a whole request within 1500 ms"));
}

TEST(Server, ClosesConnectionsThatSendNothing) {
  const auto server = StartServer({.request = kSoon});
  EXPECT_EQ(Peer(*server).Receive(), "");
}

TEST(Server, ClosesIdleConnections) {
  const auto server = StartServer({.idle = kSoon}, "x\n");
  const Peer peer(*server);
  peer.Send("GET /body HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(peer.Receive(), EndsWith("\r\n\r\nx\n"));
}

TEST(Server, ClosesConnectionsThatDoNotTakeTheirAnswer) {
  const auto server = StartServer({.answer = kSoon}, std::string(64 << 20, 'x'));
  const Peer peer(*server);
  const std::ptrdiff_t before = OpenFiles();
  peer.Send("GET /body HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  std::ptrdiff_t highest = before;
  while (OpenFiles() >= highest && std::chrono::steady_clock::now() < deadline) {
    highest = std::max(highest, OpenFiles());  // The server may have taken the connection only now.
    std::this_thread::yield();
  }
  EXPECT_LT(std::chrono::steady_clock::now(), deadline);
}

TEST(Server, TakesBodiesUpToItsLimit) {
  const auto server = StartServer({.body_bytes = 4});
  for (const std::string body :
       {"Content-Length: 4\r\n\r\nabcd", "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n"}) {
    const Peer peer(*server);
    peer.Send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + body);
    EXPECT_THAT(peer.Receive(), StartsWith("HTTP/1.1 200")) << body;
  }
  for (const std::string body : {"Content-Length: 5\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n5\r\n"}) {
    const Peer peer(*server);
    peer.Send("GET / HTTP/1.1\r\nHost: a\r\n" + body);
    EXPECT_THAT(peer.Receive(), StartsWith("HTTP/1.1 413")) << body;
  }
}

TEST(Server, EndsBesideOpenConnections) {
  auto server = StartServer({});
  const Peer idle(*server);
  const Peer reading(*server);
  reading.Send("GET /");
  idle.Send(kAsk);
  EXPECT_THAT(idle.Receive("}\n"), StartsWith("HTTP/1.1 200"));
  server.reset();
  EXPECT_EQ(idle.Receive(), "");
}

TEST(Server, SaysWhyItCannotListen) {
  const auto server = StartServer({});
  const absl::Status taken = Server::Start({.address = server->address()}, Router({}, {})).status();
  EXPECT_EQ(std::string(taken.message()), "cannot listen on " + server->address() + ": address already in use");
  const absl::Status unknown = Server::Start({.address = "no-such-host.invalid:0"}, Router({}, {})).status();
  EXPECT_THAT(std::string(unknown.message()), StartsWith("cannot listen on no-such-host.invalid:0: host not found"));
}

TEST(Server, ListensOnEveryAddressOfAName) {
  const auto server = Server::Start({.address = "localhost:0"}, Router({}, {})).value();
  EXPECT_THAT(server->address(), StartsWith("localhost:"));
  const Peer peer(*server);  // It goes to 127.0.0.1.
  peer.Send(kAsk);
  EXPECT_THAT(peer.Receive("}\n"), StartsWith("HTTP/1.1 200"));
}

}  // namespace
}  // namespace tensorferry::http
