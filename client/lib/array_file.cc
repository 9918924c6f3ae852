#include "tensorferry/client/array_file.h"

#include <filesystem>
#include <optional>
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

}  // namespace

struct ArrayReader::Impl {
  std::vector<std::string> npy_name;  // One name; empty for a .npz.
  FileBytes npy;
  std::optional<NpzReader> npz;
};

ArrayReader::ArrayReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ArrayReader::ArrayReader(ArrayReader&&) noexcept = default;
ArrayReader& ArrayReader::operator=(ArrayReader&&) noexcept = default;
ArrayReader::~ArrayReader() = default;

absl::StatusOr<ArrayReader> ArrayReader::Open(const std::string& path) {
  TENSORFERRY_ASSIGN_OR_RETURN(FileBytes content, LoadFile(path));
  auto impl = std::make_unique<Impl>();
  if (StartsWith(content.bytes, "\x93NUMPY")) {
    impl->npy_name.push_back(NameOf(path));
    impl->npy = std::move(content);
    return ArrayReader(std::move(impl));
  }
  // A zip without members consists of its end record.
  if (!StartsWith(content.bytes, "PK\x03\x04") && !StartsWith(content.bytes, "PK\x05\x06")) {
    return absl::InvalidArgumentError("neither a .npy nor a .npz file");
  }
  absl::StatusOr<NpzReader> npz = NpzReader::Open(content);
  TENSORFERRY_RETURN_IF_ERROR(content.CheckWhole());  // If both checks fail, CheckWhole has the true reason.
  TENSORFERRY_ASSIGN_OR_RETURN(impl->npz, std::move(npz));
  return ArrayReader(std::move(impl));
}

absl::Status ArrayReader::CheckWhole() const { return impl_->npz ? impl_->npz->CheckWhole() : impl_->npy.CheckWhole(); }

std::span<const std::string> ArrayReader::names() const { return impl_->npz ? impl_->npz->names() : impl_->npy_name; }

std::span<const std::string> ArrayReader::skipped_members() const {
  return impl_->npz ? std::span<const std::string>(impl_->npz->skipped()) : std::span<const std::string>();
}

absl::StatusOr<Array> ArrayReader::Read(std::size_t i) {
  FileBytes file = impl_->npy;
  if (impl_->npz) {
    TENSORFERRY_ASSIGN_OR_RETURN(file, impl_->npz->Read(i));
  }
  Array array = Array::Npy(names()[i], file.bytes);
  array.owner = std::move(file.memory);
  return array;
}

absl::StatusOr<ArrayFile> ArrayFile::Open(const std::string& path) {
  TENSORFERRY_ASSIGN_OR_RETURN(ArrayReader reader, ArrayReader::Open(path));
  ArrayFile file(std::move(reader));
  for (std::size_t i = 0; i < file.reader_.names().size(); ++i) {
    TENSORFERRY_ASSIGN_OR_RETURN(Array array, file.reader_.Read(i));
    file.arrays_.push_back(std::move(array));
  }
  const std::span<const std::string> skipped = file.reader_.skipped_members();
  file.skipped_members_.assign(skipped.begin(), skipped.end());
  return file;
}

}  // namespace tensorferry::client
