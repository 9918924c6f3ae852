#include "tensorferry/client/array_file.h"

#include <filesystem>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "file_bytes.h"
#include "npz_reader.h"

namespace tensorferry::client {
namespace {

bool StartsWith(std::span<const std::byte> bytes, std::string_view magic) {
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()).starts_with(magic);
}

std::string NameOf(const std::string& path) {
  return path == "-" ? "stdin" : std::filesystem::path(path).stem().string();
}

}  // namespace

absl::StatusOr<ArrayFile> ArrayFile::Open(const std::string& path) {
  TENSORFERRY_ASSIGN_OR_RETURN(FileBytes content, LoadFile(path));
  ArrayFile file;
  if (StartsWith(content.bytes, "\x93NUMPY")) {
    file.arrays_.push_back(Array::Npy(NameOf(path), content.bytes));
    file.memory_.push_back(std::move(content.memory));
    return file;
  }
  // A zip without members is its end record alone.
  if (!StartsWith(content.bytes, "PK\x03\x04") && !StartsWith(content.bytes, "PK\x05\x06")) {
    return absl::InvalidArgumentError("neither a .npy nor a .npz file");
  }
  TENSORFERRY_ASSIGN_OR_RETURN(NpzContent npz, ReadNpz(content.bytes));
  for (NpzMember& member : npz.arrays) {
    file.arrays_.push_back(Array::Npy(std::move(member.name), member.npy.bytes));
    file.memory_.push_back(std::move(member.npy.memory));
  }
  file.skipped_members_ = std::move(npz.skipped);
  return file;
}

}  // namespace tensorferry::client
