#include "rpc/library_logs.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cstddef>
#include <optional>
#include <string_view>

namespace tensorferry::rpc {
namespace {

using Severity = SourceLine::Severity;

constexpr std::size_t kMaxLine = 1024;  // Bytes of a library's line: it may quote what a caller sent.

std::string_view Cut(std::string_view text) { return text.substr(0, kMaxLine); }

// gRPC has two listeners, each in files of its own: with its event engine, and without.
bool IsOfListener(std::string_view file) {
  return file.find("/tcp_server") != std::string_view::npos ||
         file.find("/posix_engine_listener") != std::string_view::npos;
}

// protobuf logs texts that are not UTF-8 as errors, so that any caller could fill the log with them. They are logged at
// a lower level here, but for those with which it ends the process.
LibraryLine LineOfProtobuf(const SourceLine& line) {
  return {line.severity == Severity::kFatal ? spdlog::level::err : spdlog::level::debug,
          fmt::format("protobuf: {}", Cut(line.message))};
}

void Log(const LibraryLine& line) { spdlog::log(line.level, "{}", line.text); }

void LogAsIs(const SourceLine& line) {
  static LogLimit limit;
  Log(line.library == SourceLine::Library::kGrpc ? LineOfGrpc(line, limit) : LineOfProtobuf(line));
}

void LogGrpcAtDebug(const SourceLine& line) {
  if (line.library == SourceLine::Library::kProtobuf) return Log(LineOfProtobuf(line));
  spdlog::debug("grpc: {}", Cut(line.message));
}

}  // namespace

LibraryLine LineOfGrpc(const SourceLine& line, LogLimit& limit, LogLimit::Time now) {
  const std::string text = fmt::format("grpc: {}", Cut(line.message));
  if (line.severity == Severity::kFatal) return {spdlog::level::err, text};
  if (line.severity != Severity::kError || !IsOfListener(line.file)) return {spdlog::level::debug, text};
  const std::optional<std::uint64_t> admitted = limit.Admit(now);
  if (!admitted) return {spdlog::level::debug, text};
  return {spdlog::level::err, text + MoreAtDebug(*admitted, "error")};
}

void SendLibraryLogsToOurs(GrpcLog level) { HookLibraryLines(level == GrpcLog::kDebug ? LogGrpcAtDebug : LogAsIs); }

}  // namespace tensorferry::rpc
