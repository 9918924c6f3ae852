#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/options.h"
#include "fetch/http_target.h"
#include "tensorferry/client/client.h"
#include "tensorferry/client/tls.h"

namespace tensorferry::cli {

enum class Command : std::uint8_t {
  kHelp,
  kConvert,
  kInfer,
  kInspect,
  kModels,
  kModel,
  kStats,
  kLoad,
  kUnload,
  kTop,
  kInfo,
  kPing,
  kBench,
  kVersion,
};

// A server announces this service when its models are loaded.
inline constexpr const char* kReadiness = "tensorferry.v1.TensorService";

// NamedFile is `NAME=FILE` of the command line: the input of a model that gets the array of the file.
struct NamedFile {
  std::string name;
  std::string file;
};

// Arguments is the command line, checked.
struct Arguments {
  Command command = Command::kHelp;
  std::string help;  // The text to print for kHelp.
  std::vector<std::string> files;
  std::vector<NamedFile> inputs;
  std::string server;
  std::string model;
  std::string dtype;                     // Empty: what the file or the model says.
  std::string output;                    // Empty: nothing is saved.
  std::string service = kReadiness;      // The service whose health ping asks for.
  std::chrono::milliseconds timeout{0};  // 0: the default of the command.
  std::optional<client::TlsFiles> tls;   // None: the connection is in the clear.
  std::string token_file;                // Empty: `token` is the token.
  std::string token;                     // Empty: there is none.
  client::Transport transport = client::Transport::kAuto;
  BenchOptions bench;
  std::string csv;  // Empty: none is written. The same goes for `plot`.
  std::string plot;
  std::chrono::milliseconds interval{0};     // Of `top`, between two looks.
  std::uint64_t count = 0;                   // Of `top`, the looks after the first; 0: until it is ended.
  std::optional<fetch::HttpTarget> metrics;  // Of `top`: where /metrics is. None: nothing of it is shown.
  int retries = 0;                           // Of `convert` and `infer`.
  bool wait = false;                         // For a server that cannot be reached.
  bool json = false;
  bool strict = false;
};

// ParseArguments takes the command line without the program's name.
// Errors: INVALID_ARGUMENT with one line; for an unknown command or option it names the nearest one.
absl::StatusOr<Arguments> ParseArguments(std::span<const std::string> words);

}  // namespace tensorferry::cli
