#include "rpc/self_check.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace tensorferry::rpc {
namespace {

constexpr std::chrono::milliseconds kInterval{10};
constexpr std::chrono::milliseconds kSoon{100};  // For answers that do not come.
constexpr int kMany = 5 * SelfCheck::kMostFailures;

enum class Mode { kSilent, kSettings, kOtherBytes, kClose };

// Listener takes every connection on a free port of 127.0.0.1, and answers it as the mode says.
class Listener {
 public:
  explicit Listener(Mode mode) : mode_(mode) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 100), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Run(); });
  }
  ~Listener() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
    for (const int connection : silent_) close(connection);
  }

  std::string AddressAt(std::string_view host) const { return fmt::format("{}:{}", host, port_); }

  void Set(Mode mode) {
    const std::lock_guard lock(mutex_);
    mode_ = mode;
  }

  // Waits until so many connections more have come.
  void WaitForMore(int connections) {
    std::unique_lock lock(mutex_);
    const int until = connections_ + connections;
    came_.wait(lock, [&] { return connections_ >= until; });
  }

 private:
  void Run() {
    for (int connection = 0; (connection = accept(listener_, nullptr, nullptr)) >= 0;) {
      const std::lock_guard lock(mutex_);
      Answer(connection);
      ++connections_;
      came_.notify_all();
    }
  }

  void Answer(int connection) {
    constexpr std::string_view kSettings("\0\0\0\4\0\0\0\0\0", 9);
    constexpr std::string_view kAlert("\x15\3\1\0\2\2\x46\0\0", 9);
    if (mode_ == Mode::kSilent) return silent_.push_back(connection);
    if (mode_ == Mode::kSettings) send(connection, kSettings.data(), kSettings.size(), MSG_NOSIGNAL);
    if (mode_ == Mode::kOtherBytes) send(connection, kAlert.data(), kAlert.size(), MSG_NOSIGNAL);
    std::array<char, 100> hello{};  // Closing with unread bytes would take the answer back.
    recv(connection, hello.data(), hello.size(), 0);
    close(connection);
  }

  const int listener_ = socket(AF_INET, SOCK_STREAM, 0);
  int port_ = 0;
  std::mutex mutex_;  // Guards what follows.
  std::condition_variable came_;
  Mode mode_;
  int connections_ = 0;
  std::vector<int> silent_;
  std::thread thread_;  // The last member: the thread uses the others.
};

class SelfCheckTest : public testing::Test {
 protected:
  void Hear() {
    const std::lock_guard lock(mutex_);
    ++deaf_;
    changed_.notify_all();
  }

  // Waits until the check has told that the server is deaf.
  void WaitUntilDeaf() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return deaf_ > 0; });
  }

  int deaf() {
    const std::lock_guard lock(mutex_);
    return deaf_;
  }

  const std::function<void()> on_deaf_ = [this] { Hear(); };

 private:
  std::mutex mutex_;  // Guards deaf_.
  std::condition_variable changed_;
  int deaf_ = 0;
};

TEST_F(SelfCheckTest, TellsOfASilentListener) {
  const Listener listener(Mode::kSilent);
  const SelfCheck check({listener.AddressAt("127.0.0.1")}, kInterval, on_deaf_, kSoon);
  WaitUntilDeaf();
}

TEST_F(SelfCheckTest, TellsOfAPathThatIsGone) {
  const SelfCheck check({"unix:" + testing::TempDir() + "absent"}, kInterval, on_deaf_);
  WaitUntilDeaf();
}

TEST_F(SelfCheckTest, TellsOfAPortThatNobodyHas) {
  const std::string address = Listener(Mode::kSilent).AddressAt("127.0.0.1");
  const SelfCheck check({address}, kInterval, on_deaf_);
  WaitUntilDeaf();
  EXPECT_EQ(check.failures(), std::uint64_t{SelfCheck::kMostFailures});
}

TEST_F(SelfCheckTest, TellsOfOneAddressOfSeveral) {
  Listener answers(Mode::kSettings);
  const Listener silent(Mode::kSilent);
  const SelfCheck check({answers.AddressAt("127.0.0.1"), silent.AddressAt("127.0.0.1")}, kInterval, on_deaf_, kSoon);
  WaitUntilDeaf();
}

TEST_F(SelfCheckTest, IsContentWithSettings) {
  Listener listener(Mode::kSettings);
  const SelfCheck check({listener.AddressAt("127.0.0.1")}, kInterval, on_deaf_);
  listener.WaitForMore(kMany);
  EXPECT_EQ(deaf(), 0);
  EXPECT_EQ(check.failures(), 0u);
}

TEST_F(SelfCheckTest, FindsEveryAddress) {
  Listener listener(Mode::kSettings);
  for (const std::string_view host : {"0.0.0.0", "[::]", "localhost"}) {
    const SelfCheck check({listener.AddressAt(host)}, kInterval, on_deaf_);
    listener.WaitForMore(kMany);
  }
  EXPECT_EQ(deaf(), 0);
}

// A listener that speaks TLS ends a connection that does not, with an alert or without.
TEST_F(SelfCheckTest, IsContentWithAnotherAnswer) {
  for (const Mode mode : {Mode::kClose, Mode::kOtherBytes}) {
    Listener listener(mode);
    const SelfCheck check({listener.AddressAt("127.0.0.1")}, kInterval, on_deaf_);
    listener.WaitForMore(kMany);
  }
  EXPECT_EQ(deaf(), 0);
}

TEST_F(SelfCheckTest, WantsSettingsWhereThereWereSome) {
  Listener listener(Mode::kSettings);
  const SelfCheck check({listener.AddressAt("127.0.0.1")}, kInterval, on_deaf_);
  listener.WaitForMore(2);
  listener.Set(Mode::kClose);
  WaitUntilDeaf();
}

// The server may not listen on every address that a host's name has, and the machine may have one family alone.
class SelfCheckOfSeveralTest : public SelfCheckTest, public testing::WithParamInterface<const char*> {};

TEST_P(SelfCheckOfSeveralTest, WaitsForTheFirstAnswer) {
  Listener listener(Mode::kSilent);
  const SelfCheck check({listener.AddressAt(GetParam())}, kInterval, on_deaf_, kSoon);
  listener.WaitForMore(2 * SelfCheck::kMostFailures);
  EXPECT_EQ(deaf(), 0);
  listener.Set(Mode::kSettings);
  listener.WaitForMore(kMany);
  listener.Set(Mode::kSilent);
  WaitUntilDeaf();
}

INSTANTIATE_TEST_SUITE_P(Hosts, SelfCheckOfSeveralTest, testing::Values("localhost", "0.0.0.0", "[::]"));

TEST_F(SelfCheckTest, TellsNothingOnceStopped) {
  Listener listener(Mode::kSettings);
  {
    SelfCheck check({listener.AddressAt("127.0.0.1")}, kInterval, on_deaf_, kSoon);
    listener.WaitForMore(1);
    check.Stop();
    listener.Set(Mode::kSilent);
  }
  EXPECT_EQ(deaf(), 0);
}

}  // namespace
}  // namespace tensorferry::rpc
