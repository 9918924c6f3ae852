// The operator's settings for the model repository: config reads them, inference and rpc obey them. Free of torch.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace tensorferry::inference {

// NamedFile is a model that is one file, and the name under which callers know it.
struct NamedFile {
  std::string name;
  std::filesystem::path file;

  bool operator==(const NamedFile&) const = default;
};

// ModelControl says who may change which models are served.
enum class ModelControl : std::uint8_t {
  kNone,      // The models that were loaded at the start stay.
  kExplicit,  // Callers load and unload.
  kPoll,      // The server looks at the repository at regular intervals.
};

// Isolation says in which process a model's code runs.
enum class Isolation : std::uint8_t {
  kNone,     // In the server's own.
  kProcess,  // In processes of the model's own, one for each executor.
};

// The names of the values of Isolation.
inline constexpr auto kIsolations = std::to_array<std::string_view>({"none", "process"});
static_assert(kIsolations.size() == static_cast<std::size_t>(Isolation::kProcess) + 1);

// OverridePolicy says what a caller's load may override. Each value includes those before it.
enum class OverridePolicy : std::uint8_t {
  kOff,     // Nothing.
  kConfig,  // Fields of the configuration.
  kFiles,   // The model's files.
};

}  // namespace tensorferry::inference
