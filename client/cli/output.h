#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tensorferry/client/response.h"

namespace tensorferry::cli {

// Output is where `-o` saves tensors: NAME.npy files in a directory, or the members of one .npz or safetensors file.
class Output {
 public:
  // `path` ends in .npz or .safetensors, or names a directory, which is made if it is missing. If it is empty, nothing is saved.
  // Errors: those of the system, if nothing can be written there.
  static absl::StatusOr<Output> Open(const std::string& path);

  bool wanted() const { return !path_.empty(); }

  // Add saves tensors that came with their elements. It changes names that could lead out of a folder, or
  // that are taken.
  absl::Status Add(std::vector<client::Tensor> tensors);

  // Finish writes the one file with what Add has kept.
  absl::Status Finish();

 private:
  enum class Kind : std::uint8_t { kNpyFiles, kNpz, kSafetensors };

  explicit Output(std::string path);
  std::string UniqueName(const std::string& name);

  std::string path_;
  Kind kind_;
  std::unordered_set<std::string> taken_;
  std::vector<client::Tensor> kept_;
};

}  // namespace tensorferry::cli
