#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "inference/repository/model_source.h"

namespace tensorferry::inference {

// UploadedFiles are the files of a model that a caller sent. They lie in a folder of their own, which the destructor
// removes.
class UploadedFiles {
 public:
  // Writes the files, whose contents are given by "VERSION/FILE".
  // Errors: MODEL_NOT_READY for a path of another form, for a name that no model may have, and if the files cannot be
  //         written.
  static absl::StatusOr<UploadedFiles> Write(const std::string& model, const std::map<std::string, std::string>& files);

  // Returns what the source of the files will be, without the places of files, before they are written.
  // Errors: MODEL_NOT_READY for a path of another form, and for a name that no model may have.
  static absl::StatusOr<ModelSource> Expected(const std::string& model,
                                              const std::map<std::string, std::string>& files);

  UploadedFiles(UploadedFiles&& other) noexcept
      : folder_(std::exchange(other.folder_, {})), source_(std::move(other.source_)) {}
  UploadedFiles& operator=(UploadedFiles&&) = delete;
  ~UploadedFiles();

  const ModelSource& source() const { return source_; }

 private:
  explicit UploadedFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

  std::filesystem::path folder_;  // Empty: this object was moved from.
  ModelSource source_;
};

}  // namespace tensorferry::inference
