#include "tensorferry/client/array_file.h"

#include <filesystem>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "lib/file_bytes.h"
#include "lib/npz_reader.h"

namespace tensorferry::client {
namespace {

bool StartsWith(std::span<const std::byte> bytes, std::string_view magic) {
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()).starts_with(magic);
}

std::string NameOf(const std::string& path) {
  return path == "-" ? "stdin" : std::filesystem::path(path).stem().string();
}

Array Npy(std::string name, FileBytes file) {
  Array array = Array::Npy(std::move(name), file.bytes);
  array.owner = std::move(file.memory);
  return array;
}

}  // namespace

absl::StatusOr<ArrayFile> ArrayFile::Open(const std::string& path) {
  TENSORFERRY_ASSIGN_OR_RETURN(FileBytes content, LoadFile(path));
  ArrayFile file;
  if (StartsWith(content.bytes, "\x93NUMPY")) {
    file.arrays_.push_back(Npy(NameOf(path), std::move(content)));
    return file;
  }
  // A zip without members is its end record alone.
  if (!StartsWith(content.bytes, "PK\x03\x04") && !StartsWith(content.bytes, "PK\x05\x06")) {
    return absl::InvalidArgumentError("neither a .npy nor a .npz file");
  }
  TENSORFERRY_ASSIGN_OR_RETURN(NpzContent npz, ReadNpz(content.bytes));
  for (NpzMember& member : npz.arrays) {
    file.arrays_.push_back(Npy(std::move(member.name), std::move(member.npy)));
  }
  file.skipped_members_ = std::move(npz.skipped);
  return file;
}

}  // namespace tensorferry::client
