#include "rpc/library_logs.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace tensorferry::rpc {
namespace {

const LogLimit::Time kBegin{std::chrono::hours(1)};

gpr_log_func_args Line(const char* file, const char* message, gpr_log_severity severity = GPR_LOG_SEVERITY_ERROR) {
  return {file, 1, severity, message};
}

TEST(LineOfGrpc, IsAnErrorIfItTellsOfAListener) {
  LogLimit limit;
  const auto of_listener = Line("src/core/lib/iomgr/tcp_server_posix.cc", "Failed accept4: Too many open files");
  EXPECT_EQ(LineOfGrpc(of_listener, limit).level, spdlog::level::err);
  EXPECT_EQ(LineOfGrpc(of_listener, limit).text, "grpc: Failed accept4: Too many open files");
  EXPECT_EQ(LineOfGrpc(Line("hpack_parser.cc", "bad header"), limit).level, spdlog::level::debug);
  EXPECT_EQ(LineOfGrpc(Line("x.cc", "assertion failed: y"), limit).level, spdlog::level::err);
}

TEST(LineOfGrpc, TellsHowManyErrorsWereLeftOut) {
  LogLimit limit;
  const auto line = Line("src/core/lib/iomgr/tcp_server_posix.cc", "Failed accept4");
  for (int i = 0; i < LogLimit::kMostInAnInterval; ++i) {
    EXPECT_EQ(LineOfGrpc(line, limit, kBegin).level, spdlog::level::err);
  }
  for (int i = 0; i < 3; ++i) EXPECT_EQ(LineOfGrpc(line, limit, kBegin).level, spdlog::level::debug);
  const LibraryLine next = LineOfGrpc(line, limit, kBegin + LogLimit::kInterval);
  EXPECT_EQ(next.level, spdlog::level::err);
  EXPECT_EQ(next.text, "grpc: Failed accept4 (3 more since the last such error are at debug)");
}

TEST(LineOfGrpc, IsCut) {
  LogLimit limit;
  const std::string message(5000, 'x');
  EXPECT_LT(LineOfGrpc(Line("x.cc", message.c_str()), limit).text.size(), 1100U);
}

}  // namespace
}  // namespace tensorferry::rpc
