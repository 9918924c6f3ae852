#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "inference/repository/model_source.h"

namespace tensorferry::inference {

// The files of a model that a caller sent, in a folder of their own until this is destroyed.
class UploadedFiles {
 public:
  // `files`: contents by "VERSION/FILE".
  // Errors: MODEL_NOT_READY for paths that are not of this form, and a name no model has; if they cannot be written.
  static absl::StatusOr<UploadedFiles> Write(const std::string& model, const std::map<std::string, std::string>& files);

  UploadedFiles(UploadedFiles&& other) noexcept
      : folder_(std::exchange(other.folder_, {})), source_(std::move(other.source_)) {}
  UploadedFiles& operator=(UploadedFiles&&) = delete;
  ~UploadedFiles();

  const ModelSource& source() const { return source_; }

 private:
  explicit UploadedFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

  std::filesystem::path folder_;  // Empty: there is none any more.
  ModelSource source_;
};

}  // namespace tensorferry::inference
