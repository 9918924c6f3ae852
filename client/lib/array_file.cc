#include "tensorferry/client/array_file.h"

#include <filesystem>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "files/safetensors.h"
#include "lib/file_bytes.h"
#include "lib/npz_reader.h"

namespace tensorferry::client {
namespace {

std::string_view Text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string NameOf(const std::string& path) {
  return path == "-" ? "stdin" : std::filesystem::path(path).stem().string();
}

// Format is a file of one of the formats; its methods are those of ArrayReader.
class Format {
 public:
  Format() = default;
  Format(const Format&) = delete;
  Format& operator=(const Format&) = delete;
  virtual ~Format() = default;

  virtual std::span<const std::string> names() const = 0;
  virtual std::span<const std::string> skipped_members() const { return {}; }
  virtual absl::StatusOr<Array> Read(std::size_t i) = 0;
  virtual absl::Status CheckWhole() const = 0;
};

Array WholeNpy(std::string name, FileBytes file) {
  Array array = Array::Npy(std::move(name), file.bytes);
  array.owner = std::move(file.memory);
  return array;
}

class NpyFormat final : public Format {
 public:
  NpyFormat(std::string name, FileBytes file) : names_{std::move(name)}, file_(std::move(file)) {}

  std::span<const std::string> names() const override { return names_; }
  absl::StatusOr<Array> Read(std::size_t) override { return WholeNpy(names_.front(), file_); }
  absl::Status CheckWhole() const override { return file_.CheckWhole(); }

 private:
  std::vector<std::string> names_;  // One.
  FileBytes file_;
};

class NpzFormat final : public Format {
 public:
  explicit NpzFormat(NpzReader reader) : reader_(std::move(reader)) {}

  std::span<const std::string> names() const override { return reader_.names(); }
  std::span<const std::string> skipped_members() const override { return reader_.skipped(); }
  absl::StatusOr<Array> Read(std::size_t i) override {
    TENSORFERRY_ASSIGN_OR_RETURN(FileBytes file, reader_.Read(i));
    return WholeNpy(names()[i], std::move(file));
  }
  absl::Status CheckWhole() const override { return reader_.CheckWhole(); }

 private:
  NpzReader reader_;
};

// SpellingOf returns the dtype as a .npy file would have it, where NumPy has the dtype.
std::string SpellingOf(DType dtype) {
  const DTypeInfo& info = Info(dtype);
  return std::string(info.in_from_numpy ? info.descr : info.name);
}

class SafetensorsFormat final : public Format {
 public:
  SafetensorsFormat(std::vector<SafetensorsTensor> tensors, FileBytes file)
      : tensors_(std::move(tensors)), file_(std::move(file)) {
    for (const SafetensorsTensor& tensor : tensors_) names_.push_back(tensor.name);
  }

  std::span<const std::string> names() const override { return names_; }
  absl::StatusOr<Array> Read(std::size_t i) override {
    const SafetensorsTensor& tensor = tensors_[i];
    TENSORFERRY_ASSIGN_OR_RETURN(const DType dtype, DTypeOf(tensor));
    return Array{.name = tensor.name,
                 .dtype = SpellingOf(dtype),
                 .shape = {tensor.shape.begin(), tensor.shape.end()},
                 .bytes = file_.bytes.subspan(tensor.begin, tensor.end - tensor.begin),
                 .owner = file_.memory};
  }
  absl::Status CheckWhole() const override { return file_.CheckWhole(); }

 private:
  std::vector<SafetensorsTensor> tensors_;
  std::vector<std::string> names_;
  FileBytes file_;
};

absl::StatusOr<std::unique_ptr<Format>> OpenNpz(FileBytes file) {
  absl::StatusOr<NpzReader> npz = NpzReader::Open(file);
  TENSORFERRY_RETURN_IF_ERROR(file.CheckWhole());  // If both checks fail, CheckWhole has the true reason.
  TENSORFERRY_RETURN_IF_ERROR(npz.status());
  return std::make_unique<NpzFormat>(*std::move(npz));
}

absl::StatusOr<std::unique_ptr<Format>> OpenSafetensors(FileBytes file) {
  auto tensors = ParseSafetensorsHeader(Text(file.bytes), file.bytes.size());
  TENSORFERRY_RETURN_IF_ERROR(file.CheckWhole());
  TENSORFERRY_RETURN_IF_ERROR(tensors.status());
  return std::make_unique<SafetensorsFormat>(*std::move(tensors), std::move(file));
}

// OpenFormat goes by the content. The name counts only for a file whose content says nothing: it may be a safetensors
// file that is damaged.
absl::StatusOr<std::unique_ptr<Format>> OpenFormat(const std::string& path, FileBytes file) {
  const std::string_view content = Text(file.bytes);
  if (content.starts_with("\x93NUMPY")) return std::make_unique<NpyFormat>(NameOf(path), std::move(file));
  // A zip without members consists of its end record.
  if (content.starts_with("PK\x03\x04") || content.starts_with("PK\x05\x06")) return OpenNpz(std::move(file));
  if (LooksLikeSafetensors(content) || path.ends_with(".safetensors")) return OpenSafetensors(std::move(file));
  return absl::InvalidArgumentError("neither a .npy, a .npz nor a safetensors file");
}

}  // namespace

struct ArrayReader::Impl {
  std::unique_ptr<Format> format;
};

ArrayReader::ArrayReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ArrayReader::ArrayReader(ArrayReader&&) noexcept = default;
ArrayReader& ArrayReader::operator=(ArrayReader&&) noexcept = default;
ArrayReader::~ArrayReader() = default;

absl::StatusOr<ArrayReader> ArrayReader::Open(const std::string& path) {
  TENSORFERRY_ASSIGN_OR_RETURN(FileBytes content, LoadFile(path));
  TENSORFERRY_ASSIGN_OR_RETURN(std::unique_ptr<Format> format, OpenFormat(path, std::move(content)));
  return ArrayReader(std::make_unique<Impl>(Impl{std::move(format)}));
}

absl::Status ArrayReader::CheckWhole() const { return impl_->format->CheckWhole(); }

std::span<const std::string> ArrayReader::names() const { return impl_->format->names(); }

std::span<const std::string> ArrayReader::skipped_members() const { return impl_->format->skipped_members(); }

absl::StatusOr<Array> ArrayReader::Read(std::size_t i) { return impl_->format->Read(i); }

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
