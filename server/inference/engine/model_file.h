#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace tensorferry::inference {

// ModelFile is a file of a model that is kept open: the bytes that were checked are those that are read, even if
// another file gets its name.
// Threads: one at a time.
class ModelFile {
 public:
  // Opens `file`. `root` is the folder below which the file must be once links are followed; empty: it may be anywhere.
  // Errors: MODEL_NOT_READY if the file cannot be read, is no regular file, or is not below `root`. The message names
  //         no path.
  static absl::StatusOr<ModelFile> Open(const std::filesystem::path& file, const std::filesystem::path& root);

  // Takes over the descriptor of a file that another process has opened.
  // Errors: MODEL_NOT_READY if it is no regular file.
  static absl::StatusOr<ModelFile> Adopt(int descriptor);

  ModelFile(ModelFile&& other) noexcept;
  ModelFile& operator=(ModelFile&&) = delete;
  ~ModelFile();

  // Returns a path that opens this very file, as long as this object lives.
  std::string path() const;

  // Returns the path by which the file was opened.
  const std::filesystem::path& name() const { return name_; }

  // Reads the whole file. Errors: MODEL_NOT_READY if it cannot be read, or has more than `max_nbytes` bytes.
  absl::StatusOr<std::string> Read(std::size_t max_nbytes) const;

  // Begins to compute the file's SHA-256 on a thread of its own, so that Sha256() has less to wait for. It does nothing
  // where the file is so small that a thread costs more, where the system has no thread, or if it has begun already.
  void BeginSha256() const;

  // Returns the file's SHA-256, in hex. Errors: MODEL_NOT_READY if it cannot be read.
  absl::StatusOr<std::string> Sha256() const;

 private:
  class Hashing;

  ModelFile(std::filesystem::path name, int descriptor);

  std::filesystem::path name_;
  int descriptor_;
  mutable std::unique_ptr<Hashing> hashing_;  // Uses descriptor_.
};

}  // namespace tensorferry::inference
