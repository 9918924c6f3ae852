#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "base/bus_errors.h"
#include "inference/engine/model_file.h"

namespace tensorferry::inference {

// MappedFile is a whole model file, mapped into memory: whoever reads its bytes reads those of the file.
//
// Lifetime: its bytes are touched only while the process has a BusErrorHandler.
// Threads:  any.
class MappedFile {
 public:
  // Errors: MODEL_NOT_READY if the file cannot be mapped.
  static absl::StatusOr<std::shared_ptr<MappedFile>> Map(const ModelFile& file);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  // Returns the bytes. They can be written to: such writes reach nobody else, nor the file.
  std::span<std::byte> bytes() const { return bytes_; }

  // Returns whether the file was cut short since it was mapped, and a part that is gone has been read: as zeros.
  bool truncated() const { return watched_ && watched_->truncated(); }

 private:
  MappedFile(std::span<std::byte> bytes, std::optional<WatchedMapping> watched)
      : bytes_(bytes), watched_(std::move(watched)) {}

  const std::span<std::byte> bytes_;
  std::optional<WatchedMapping> watched_;  // Nothing: the process watches as many mappings as it can.
};

}  // namespace tensorferry::inference
