#include "tensorferry/client/array_file.h"

#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "files/file_reader.h"
#include "lib/file_bytes.h"

namespace tensorferry::client {
namespace {

std::string NameOf(const std::string& path) {
  return path == "-" ? "stdin" : std::filesystem::path(path).stem().string();
}

// FormatOfFile goes by the content. The name counts only for a file whose content says nothing: it may be a safetensors
// file that is damaged.
std::optional<FileFormat> FormatOfFile(const std::string& path, const FileBytes& file) {
  const auto format = FormatOf({reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()});
  return !format && path.ends_with(".safetensors") ? FileFormat::kSafetensors : format;
}

Array ToArray(FileArray read) {
  Array array{.name = std::move(read.name),
              .dtype = std::move(read.dtype),
              .shape = {read.shape.begin(), read.shape.end()},
              .bytes = read.content.bytes,
              .owner = std::move(read.content.memory)};
  if (read.is_npy) array.form = Array::Form::kNpy;
  return array;
}

}  // namespace

struct ArrayReader::Impl {
  FileBytes file;
  FileReader reader;
};

ArrayReader::ArrayReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ArrayReader::ArrayReader(ArrayReader&&) noexcept = default;
ArrayReader& ArrayReader::operator=(ArrayReader&&) noexcept = default;
ArrayReader::~ArrayReader() = default;

absl::StatusOr<ArrayReader> ArrayReader::Open(const std::string& path) {
  TENSORFERRY_ASSIGN_OR_RETURN(FileBytes file, LoadFile(path));
  const std::optional<FileFormat> format = FormatOfFile(path, file);
  if (!format) return absl::InvalidArgumentError("neither a .npy, a .npz nor a safetensors file");
  auto reader = FileReader::Open(*format, {file.memory, file.bytes}, {.name = NameOf(path)});
  TENSORFERRY_RETURN_IF_ERROR(file.CheckWhole());  // If both checks fail, CheckWhole has the true reason.
  TENSORFERRY_RETURN_IF_ERROR(reader.status());
  return ArrayReader(std::make_unique<Impl>(Impl{std::move(file), *std::move(reader)}));
}

absl::Status ArrayReader::CheckWhole() const { return impl_->file.CheckWhole(); }

std::span<const std::string> ArrayReader::names() const { return impl_->reader.names(); }

std::span<const std::string> ArrayReader::skipped_members() const { return impl_->reader.skipped(); }

absl::StatusOr<Array> ArrayReader::Read(std::size_t i) {
  TENSORFERRY_ASSIGN_OR_RETURN(FileArray array, impl_->reader.Read(i));
  return ToArray(std::move(array));
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
