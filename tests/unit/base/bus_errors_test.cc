#include "base/bus_errors.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <span>
#include <string>

#include "testing/shared_object.h"

namespace tensorferry {
namespace {

constexpr int kOtherHandler = 42;  // The exit code of the handler below.

// MapBehindTheEnd maps two pages of an object that has one.
std::span<std::byte> MapBehindTheEnd() {
  SharedObject object("x");
  const int file = shm_open(object.key().c_str(), O_RDWR, 0);
  void* const pages = mmap(nullptr, 2 * PageBytes(), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  shm_unlink(object.key().c_str());  // The caller may end the process.
  if (pages == MAP_FAILED) std::abort();
  return {static_cast<std::byte*>(pages), 2 * PageBytes()};
}

// Touch reads the second page, which is not there.
std::byte Touch(std::span<const std::byte> pages) {
  return static_cast<const volatile std::byte*>(pages.data())[PageBytes()];
}

void ExitOnBusError(int, siginfo_t* info, void*) { _exit(info->si_addr == nullptr ? 1 : kOtherHandler); }

void InstallOtherHandler() {
  struct sigaction action {};
  action.sa_sigaction = ExitOnBusError;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &action, nullptr);
}

TEST(WatchedMapping, ReadsZerosBehindTheEnd) {
  const BusErrorHandler handler;
  const std::span<std::byte> pages = MapBehindTheEnd();
  auto watched = WatchedMapping::Watch(pages);
  ASSERT_TRUE(watched);
  EXPECT_FALSE(watched->truncated());
  EXPECT_EQ(Touch(pages), std::byte{0});
  EXPECT_TRUE(watched->truncated());
  const WatchedMapping moved = std::move(*watched);
  EXPECT_TRUE(moved.truncated());
  munmap(pages.data(), pages.size());
}

// A bus error elsewhere still ends the process, so that a debugger sees it, whether something is watched or not.
TEST(BusErrorDeathTest, OfOthersEndTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto of_nobody = [] {
    std::signal(SIGBUS, SIG_DFL);  // Sanitizers have a handler of their own.
    const BusErrorHandler handler;
    return Touch(MapBehindTheEnd());
  };
  EXPECT_EXIT(of_nobody(), testing::KilledBySignal(SIGBUS), "");
  const auto after_a_mapping = [] {
    std::signal(SIGBUS, SIG_DFL);
    const BusErrorHandler handler;
    const std::span<std::byte> pages = MapBehindTheEnd();
    if (!WatchedMapping::Watch(pages)) std::abort();  // Watched only until the end of this statement.
    return Touch(pages);
  };
  EXPECT_EXIT(after_a_mapping(), testing::KilledBySignal(SIGBUS), "");
}

TEST(BusErrorDeathTest, OfOthersGoToTheHandlerThatWasThere) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto while_ours_is_there = [] {
    InstallOtherHandler();
    const BusErrorHandler handler;
    const std::span<std::byte> pages = MapBehindTheEnd();
    const auto watched = WatchedMapping::Watch(pages);
    if (Touch(pages) != std::byte{0}) std::abort();
    return Touch(MapBehindTheEnd());
  };
  EXPECT_EXIT(while_ours_is_there(), testing::ExitedWithCode(kOtherHandler), "");
  const auto afterwards = [] {
    InstallOtherHandler();
    { const BusErrorHandler handler; }
    return Touch(MapBehindTheEnd());
  };
  EXPECT_EXIT(afterwards(), testing::ExitedWithCode(kOtherHandler), "");
}

}  // namespace
}  // namespace tensorferry
