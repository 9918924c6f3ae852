#include "rpc/library_logs.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <spdlog/spdlog.h>

#include <cstddef>
#include <optional>
#include <string_view>

namespace tensorferry::rpc {
namespace {

constexpr std::size_t kMaxLine = 1024;  // Bytes of a library's line: it may quote what a caller sent.

std::string_view Cut(std::string_view text) { return text.substr(0, kMaxLine); }

bool IsOfListener(const gpr_log_func_args& line) {
  return std::string_view(line.file).find("/tcp_server") != std::string_view::npos;
}

void LogForGrpc(gpr_log_func_args* line) {
  static LogLimit limit;
  const LibraryLine ours = LineOfGrpc(*line, limit);
  spdlog::log(ours.level, "{}", ours.text);
}

void LogForGrpcAtDebug(gpr_log_func_args* line) { spdlog::debug("grpc: {}", Cut(line->message)); }

// protobuf logs texts that are not UTF-8 as errors, so that any caller could fill the log with them. They are logged at
// a lower level here, but for those with which it ends the process.
void LogForProtobuf(google::protobuf::LogLevel level, const char*, int, const std::string& message) {
  const bool fatal = level == google::protobuf::LOGLEVEL_FATAL;
  spdlog::log(fatal ? spdlog::level::err : spdlog::level::debug, "protobuf: {}", Cut(message));
}

}  // namespace

LibraryLine LineOfGrpc(const gpr_log_func_args& line, LogLimit& limit, LogLimit::Time now) {
  const std::string_view message = Cut(line.message);
  const std::string text = fmt::format("grpc: {}", message);
  if (line.severity != GPR_LOG_SEVERITY_ERROR) return {spdlog::level::debug, text};
  if (message.starts_with("assertion failed")) return {spdlog::level::err, text};
  const std::optional<std::uint64_t> admitted = IsOfListener(line) ? limit.Admit(now) : std::nullopt;
  if (!admitted) return {spdlog::level::debug, text};
  return {spdlog::level::err, text + MoreAtDebug(*admitted, "error")};
}

void SendLibraryLogsToOurs(GrpcLog level) {
  gpr_set_log_function(level == GrpcLog::kDebug ? LogForGrpcAtDebug : LogForGrpc);
  google::protobuf::SetLogHandler(LogForProtobuf);
}

}  // namespace tensorferry::rpc
