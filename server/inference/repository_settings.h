// The operator's settings for the model repository: config reads them, inference and rpc obey them. Free of torch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

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

// OverridePolicy says what a caller's load may override. Each value includes those before it.
enum class OverridePolicy : std::uint8_t {
  kOff,     // Nothing.
  kConfig,  // Fields of the configuration.
  kFiles,   // The model's files.
};

}  // namespace tensorferry::inference
