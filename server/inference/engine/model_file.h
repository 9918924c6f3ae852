#pragma once

#include <filesystem>
#include <string>

#include "absl/status/statusor.h"

namespace tensorferry::inference {

// A file of a model, held open: what was checked is what is read, whatever becomes of its name.
class ModelFile {
 public:
  // `root`: where the file must be, links followed; empty: anywhere.
  // Errors: MODEL_NOT_READY if it cannot be read, is no regular file, or is elsewhere; the message names no path.
  static absl::StatusOr<ModelFile> Open(const std::filesystem::path& file, const std::filesystem::path& root);

  ModelFile(ModelFile&& other) noexcept;
  ModelFile& operator=(ModelFile&&) = delete;
  ~ModelFile();

  // A path that opens this very file, while this lives.
  std::string path() const;

  // The path by which it was opened.
  const std::filesystem::path& name() const { return name_; }

  // Reads all of it. Errors: MODEL_NOT_READY; if it has more than `max_nbytes`, too.
  absl::StatusOr<std::string> Read(std::size_t max_nbytes) const;

  // Computes its SHA-256, in hex. Errors: MODEL_NOT_READY if it cannot be read.
  absl::StatusOr<std::string> Sha256() const;

 private:
  ModelFile(std::filesystem::path name, int descriptor) : name_(std::move(name)), descriptor_(descriptor) {}

  std::filesystem::path name_;
  int descriptor_;
};

}  // namespace tensorferry::inference
