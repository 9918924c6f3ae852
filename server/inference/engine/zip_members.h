#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "inference/engine/zip_handle.h"

namespace tensorferry::inference {

// ZipMembers reads members of a zip archive, wherever in it they lie and however they are packed, as torch's own reader
// takes only archives with one folder that has everything.
class ZipMembers {
 public:
  // Errors: MODEL_NOT_READY if it is no zip archive.
  static absl::StatusOr<ZipMembers> OpenFile(const std::string& path);

  // Lifetime: the bytes outlive this object.
  static absl::StatusOr<ZipMembers> OpenBytes(std::span<const std::byte> bytes);

  std::vector<std::string> Names() const;

  // Returns how many bytes the member has when it is unpacked; nothing if there is none.
  std::optional<std::size_t> Size(const std::string& name) const;

  // Unpacks a member into as many bytes as it has. Errors: MODEL_NOT_READY if it is damaged.
  absl::Status Read(const std::string& name, std::span<std::byte> into) const;

 private:
  explicit ZipMembers(ZipHandle<zip_t> archive) : archive_(std::move(archive)) {}

  ZipHandle<zip_t> archive_;
};

}  // namespace tensorferry::inference
