// What differs between gRPC 1.51 with protobuf 21, as Debian 12 has them, and newer ones. No other file has an #if about
// their versions. ADR 0036 says why the build takes both.
#pragma once

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/version_info.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#if GRPC_CPP_VERSION_MAJOR == 1 && GRPC_CPP_VERSION_MINOR <= 51
#define TENSORFERRY_NEWER_GRPC 0
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#else
#define TENSORFERRY_NEWER_GRPC 1
#include "absl/log/globals.h"
#include "absl/log/initialize.h"
#include "absl/log/log_sink.h"
#include "absl/log/log_sink_registry.h"
#endif

namespace tensorferry::rpc {

// SourceLine is a line as a library wrote it. Lifetime: the call of the hook.
struct SourceLine {
  enum class Library : std::uint8_t { kGrpc, kProtobuf };
  enum class Severity : std::uint8_t { kInfo, kError, kFatal };  // After kFatal the library ends the process.

  Library library;
  Severity severity;
  std::string_view file;  // The library's source file, with some of its path.
  std::string_view message;
};

// The libraries leave their lines in hooks of their own, each in one, or both in abseil's log.
// Threads: called by any, several at once.
using LineHook = void (*)(const SourceLine& line);

#if TENSORFERRY_NEWER_GRPC

class HookSink final : public absl::LogSink {
 public:
  void Set(LineHook hook) { hook_ = hook; }

  void Send(const absl::LogEntry& entry) override {
    const std::string_view file = entry.source_filename();
    const bool of_protobuf = file.find("google/protobuf/") != std::string_view::npos;
    hook_.load()({.library = of_protobuf ? SourceLine::Library::kProtobuf : SourceLine::Library::kGrpc,
                  .severity = SeverityOf(entry.log_severity()),
                  .file = file,
                  .message = entry.text_message()});
  }

 private:
  static SourceLine::Severity SeverityOf(absl::LogSeverity severity) {
    if (severity == absl::LogSeverity::kFatal) return SourceLine::Severity::kFatal;
    return severity == absl::LogSeverity::kError ? SourceLine::Severity::kError : SourceLine::Severity::kInfo;
  }

  std::atomic<LineHook> hook_ = nullptr;
};

// Makes the libraries call `hook` with each line, instead of writing it to standard error.
inline void HookLibraryLines(LineHook hook) {
  static HookSink& sink = *new HookSink;  // Never destroyed: threads of gRPC's may log until the process has ended.
  sink.Set(hook);
  static const bool once = [] {
    absl::SetStderrThreshold(absl::LogSeverityAtLeast::kInfinity);
    absl::InitializeLog();  // Before it, abseil writes to standard error whatever the threshold.
    absl::AddLogSink(&sink);
    return true;
  }();
  static_cast<void>(once);
}

// The class of gRPC's keeps credentials for all sockets, if it is given any.
class CredentialsBase : public grpc::ServerCredentials {
 protected:
  CredentialsBase() : grpc::ServerCredentials(nullptr) {}
};

// While one of these is there, tests read messages that do not parse without a line for each on standard error.
class QuietLibraries {
 public:
  QuietLibraries() : threshold_(absl::LogSeverityAtLeast::kInfinity) {}

 private:
  absl::ScopedStderrThreshold threshold_;
};

#else

inline std::atomic<LineHook> library_line_hook = nullptr;

inline void SendGrpcLine(gpr_log_func_args* line) {
  using Severity = SourceLine::Severity;
  const std::string_view message = line->message;
  const bool fatal = message.starts_with("assertion failed");
  const Severity error = fatal ? Severity::kFatal : Severity::kError;
  library_line_hook.load()({.library = SourceLine::Library::kGrpc,
                            .severity = line->severity == GPR_LOG_SEVERITY_ERROR ? error : Severity::kInfo,
                            .file = line->file,
                            .message = message});
}

inline void SendProtobufLine(google::protobuf::LogLevel level, const char* file, int, const std::string& message) {
  using Severity = SourceLine::Severity;
  const Severity lesser = level == google::protobuf::LOGLEVEL_ERROR ? Severity::kError : Severity::kInfo;
  library_line_hook.load()({.library = SourceLine::Library::kProtobuf,
                            .severity = level == google::protobuf::LOGLEVEL_FATAL ? Severity::kFatal : lesser,
                            .file = file,
                            .message = message});
}

// Makes the libraries call `hook` with each line, instead of writing it to standard error.
inline void HookLibraryLines(LineHook hook) {
  library_line_hook = hook;
  gpr_set_log_function(SendGrpcLine);
  google::protobuf::SetLogHandler(SendProtobufLine);
}

using CredentialsBase = grpc::ServerCredentials;

using QuietLibraries = google::protobuf::LogSilencer;

#endif

}  // namespace tensorferry::rpc
