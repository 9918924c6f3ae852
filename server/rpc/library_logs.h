// What gRPC and protobuf say goes into the server's log.
#pragma once

#include <spdlog/common.h>

#include <cstdint>
#include <string>

#include "rpc/library_versions.h"
#include "rpc/serve/log_limit.h"

namespace tensorferry::rpc {

// GrpcLog says at which level gRPC's lines go to our log: those of the machine as errors, or all at `debug`.
enum class GrpcLog : std::uint8_t { kAsIs, kDebug };

// Makes gRPC and protobuf write their lines into our log, in our format, cut to 1 KiB. What they say of a caller is at
// `debug`. Holds for the whole process.
void SendLibraryLogsToOurs(GrpcLog level);

struct LibraryLine {
  spdlog::level::level_enum level;
  std::string text;
};

// Returns a line of gRPC's as our log has it. gRPC complains of what callers send, as of a header that cannot be read, at
// the level of errors: any peer could fill the log. Above debug are only the lines of its listeners that `limit` admits,
// which tell of this machine, such as that there are no descriptors left; and the line before gRPC ends the process.
LibraryLine LineOfGrpc(const SourceLine& line, LogLimit& limit, LogLimit::Time now = std::chrono::steady_clock::now());

}  // namespace tensorferry::rpc
