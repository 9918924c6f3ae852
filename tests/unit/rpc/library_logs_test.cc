#include "rpc/library_logs.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>

namespace tensorferry::rpc {
namespace {

const LogLimit::Time kBegin{std::chrono::hours(1)};

SourceLine Line(std::string_view file, std::string_view message,
                SourceLine::Severity severity = SourceLine::Severity::kError) {
  return {SourceLine::Library::kGrpc, severity, file, message};
}

TEST(LineOfGrpc, IsAnErrorIfItTellsOfAListener) {
  LogLimit limit;
  const auto of_listener = Line("src/core/lib/iomgr/tcp_server_posix.cc", "Failed accept4: Too many open files");
  EXPECT_EQ(LineOfGrpc(of_listener, limit).level, spdlog::level::err);
  EXPECT_EQ(LineOfGrpc(of_listener, limit).text, "grpc: Failed accept4: Too many open files");
  EXPECT_EQ(LineOfGrpc(Line("hpack_parser.cc", "bad header"), limit).level, spdlog::level::debug);
  const auto of_event_engine =
      Line("src/core/lib/event_engine/posix_engine/posix_engine_listener.cc", "Failed accept4");
  EXPECT_EQ(LineOfGrpc(of_event_engine, limit).level, spdlog::level::err);
}

TEST(LineOfGrpc, IsAnErrorIfGrpcEndsTheProcess) {
  LogLimit limit;
  EXPECT_EQ(LineOfGrpc(Line("x.cc", "Check failed: y", SourceLine::Severity::kFatal), limit).level, spdlog::level::err);
  EXPECT_EQ(LineOfGrpc(Line("x.cc", "retries", SourceLine::Severity::kInfo), limit).level, spdlog::level::debug);
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
  EXPECT_LT(LineOfGrpc(Line("x.cc", message), limit).text.size(), 1100U);
}

}  // namespace
}  // namespace tensorferry::rpc
