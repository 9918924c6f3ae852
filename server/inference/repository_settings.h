// What the operator says of the model repository: config reads it, inference and rpc go by it. Free of torch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace tensorferry::inference {

// A model that is one file, and the name under which callers know it.
struct NamedFile {
  std::string name;
  std::filesystem::path file;

  bool operator==(const NamedFile&) const = default;
};

// Who changes which models are served.
enum class ModelControl : std::uint8_t {
  kNone,      // Nobody: what is loaded at the start stays.
  kExplicit,  // Callers load and unload.
  kPoll,      // The repository is looked at again and again.
};

// What a caller's load may override. Each value includes those before it.
enum class OverridePolicy : std::uint8_t {
  kOff,     // Nothing.
  kConfig,  // Fields of the configuration.
  kFiles,   // The model's files.
};

}  // namespace tensorferry::inference
