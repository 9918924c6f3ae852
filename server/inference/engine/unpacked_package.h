#pragma once

#include <filesystem>
#include <utility>

#include "absl/status/statusor.h"
#include "inference/engine/model_file.h"

namespace tensorferry::inference {

// UnpackedPackage is a folder below TMPDIR with those files of a package that torch reads: its library, what lies beside
// it, and its weights if they are a file of their own.
class UnpackedPackage {
 public:
  // Unpacks the package, and checks its library (elf_check.h). The library is not opened.
  // Errors: MODEL_NOT_READY, if the folder cannot be written, or the package has no library, or an incomplete one.
  static absl::StatusOr<UnpackedPackage> Unpack(const ModelFile& package);

  UnpackedPackage(UnpackedPackage&& other) noexcept
      : folder_(std::exchange(other.folder_, {})),
        library_(std::move(other.library_)),
        weights_(std::move(other.weights_)) {}
  UnpackedPackage& operator=(UnpackedPackage&&) = delete;

  // Removes the folder. What is loaded from it stays loaded.
  ~UnpackedPackage();

  const std::filesystem::path& folder() const { return folder_; }
  const std::filesystem::path& library() const { return library_; }
  const std::filesystem::path& weights() const { return weights_; }  // Empty: the weights are in the library.

 private:
  explicit UnpackedPackage(std::filesystem::path folder) : folder_(std::move(folder)) {}

  absl::Status Write(const ModelFile& package);

  std::filesystem::path folder_;  // Empty: it was moved away.
  std::filesystem::path library_, weights_;
};

}  // namespace tensorferry::inference
