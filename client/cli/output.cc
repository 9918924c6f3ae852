#include "cli/output.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/status.h"
#include "base/text.h"
#include "cli/terminal.h"
#include "tensorferry/client/array_writer.h"

namespace tensorferry::cli {
namespace {

// LeadsOut returns whether a name may lead out of the folder where a program unpacks it.
bool LeadsOut(const std::string& name) {
  const std::filesystem::path path(name);
  return path.is_absolute() || name.find('\\') != std::string::npos || std::ranges::count(path, "..") > 0;
}

}  // namespace

Output::Output(std::string path)
    : path_(std::move(path)),
      kind_(path_.ends_with(".npz")           ? Kind::kNpz
            : path_.ends_with(".safetensors") ? Kind::kSafetensors
                                              : Kind::kNpyFiles) {}

absl::StatusOr<Output> Output::Open(const std::string& path) {
  Output output(path);
  if (!output.wanted()) return output;
  std::error_code error;
  if (output.kind_ == Kind::kNpyFiles) {
    std::filesystem::create_directories(path, error);
    if (error) return absl::InvalidArgumentError(fmt::format("{}: {}", path, error.message()));
    return output;
  }
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (!parent.empty() && !std::filesystem::is_directory(parent, error)) {
    return absl::InvalidArgumentError(fmt::format("{}: no such directory", parent.string()));
  }
  return output;
}

absl::Status Output::Add(std::vector<client::Tensor> tensors) {
  if (!wanted()) return absl::OkStatus();
  for (client::Tensor& tensor : tensors) {
    tensor.name = UniqueName(tensor.name);
    if (kind_ == Kind::kNpyFiles) {
      TENSORFERRY_RETURN_IF_ERROR(client::WriteNpy(fmt::format("{}/{}.npy", path_, tensor.name), tensor));
    } else {
      kept_.push_back(std::move(tensor));
    }
  }
  return absl::OkStatus();
}

absl::Status Output::Finish() {
  switch (kind_) {
    case Kind::kNpyFiles: return absl::OkStatus();
    case Kind::kNpz: return client::WriteNpz(path_, kept_);
    case Kind::kSafetensors: return client::WriteSafetensors(path_, kept_);
  }
  __builtin_unreachable();
}

// Names come from files and servers: none may lead out of the directory, or replace the file of another tensor. An
// archive keeps those that cannot, and a safetensors file, which nobody unpacks, all.
std::string Output::UniqueName(const std::string& name) {
  std::string safe = OneLine(name);
  const bool keeps_slashes = kind_ == Kind::kSafetensors || (kind_ == Kind::kNpz && !LeadsOut(name));
  for (char& c : safe) {
    if (!keeps_slashes && (c == '/' || c == '\\')) c = '_';
  }
  if (safe.empty()) safe = "array";
  std::string unique = safe;
  for (int i = 2; !taken_.insert(unique).second; ++i) unique = fmt::format("{}_{}", safe, i);
  return unique;
}

}  // namespace tensorferry::cli
