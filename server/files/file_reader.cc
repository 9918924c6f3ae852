#include "files/file_reader.h"

#include <utility>
#include <vector>

#include "base/status.h"
#include "payload/dtype.h"

namespace tensorferry {
namespace {

// SpellingOf returns the dtype as a .npy file would have it, where NumPy has the dtype.
std::string SpellingOf(DType dtype) {
  const DTypeInfo& info = Info(dtype);
  return std::string(info.in_from_numpy ? info.descr : info.name);
}

FileArray WholeNpy(std::string name, OwnedBytes content) {
  return {.name = std::move(name), .is_npy = true, .content = std::move(content)};
}

}  // namespace

std::optional<FileFormat> FormatOf(std::string_view begin) {
  if (begin.starts_with("\x93NUMPY")) return FileFormat::kNpy;
  // A zip without members consists of its end record.
  if (begin.starts_with("PK\x03\x04") || begin.starts_with("PK\x05\x06")) return FileFormat::kNpz;
  return LooksLikeSafetensors(begin) ? std::optional(FileFormat::kSafetensors) : std::nullopt;
}

// Format is a file of one of the formats; its methods are those of FileReader.
class FileReader::Format {
 public:
  Format() = default;
  Format(const Format&) = delete;
  Format& operator=(const Format&) = delete;
  virtual ~Format() = default;

  virtual std::span<const std::string> names() const = 0;
  virtual std::span<const std::string> skipped() const { return {}; }
  virtual absl::StatusOr<FileArray> Read(std::size_t i) = 0;
};

class FileReader::Npy final : public Format {
 public:
  Npy(std::string name, OwnedBytes file) : names_{std::move(name)}, file_(std::move(file)) {}

  std::span<const std::string> names() const override { return names_; }
  absl::StatusOr<FileArray> Read(std::size_t) override { return WholeNpy(names_.front(), file_); }

 private:
  std::vector<std::string> names_;  // One.
  OwnedBytes file_;
};

class FileReader::Npz final : public Format {
 public:
  explicit Npz(NpzReader reader) : reader_(std::move(reader)) {}

  std::span<const std::string> names() const override { return reader_.names(); }
  std::span<const std::string> skipped() const override { return reader_.skipped(); }
  absl::StatusOr<FileArray> Read(std::size_t i) override {
    TENSORFERRY_ASSIGN_OR_RETURN(OwnedBytes content, reader_.Read(i));
    return WholeNpy(names()[i], std::move(content));
  }

 private:
  NpzReader reader_;
};

class FileReader::Safetensors final : public Format {
 public:
  Safetensors(std::vector<SafetensorsTensor> tensors, OwnedBytes file)
      : tensors_(std::move(tensors)), file_(std::move(file)) {
    for (const SafetensorsTensor& tensor : tensors_) names_.push_back(tensor.name);
  }

  std::span<const std::string> names() const override { return names_; }
  absl::StatusOr<FileArray> Read(std::size_t i) override {
    const SafetensorsTensor& tensor = tensors_[i];
    TENSORFERRY_ASSIGN_OR_RETURN(const DType dtype, DTypeOf(tensor));
    return FileArray{.name = tensor.name,
                     .dtype = SpellingOf(dtype),
                     .shape = tensor.shape,
                     .content = {file_.memory, file_.bytes.subspan(tensor.begin, tensor.end - tensor.begin)}};
  }

 private:
  std::vector<SafetensorsTensor> tensors_;
  std::vector<std::string> names_;
  OwnedBytes file_;
};

FileReader::FileReader(std::unique_ptr<Format> format) : format_(std::move(format)) {}
FileReader::FileReader(FileReader&&) noexcept = default;
FileReader& FileReader::operator=(FileReader&&) noexcept = default;
FileReader::~FileReader() = default;

absl::StatusOr<FileReader> FileReader::Open(FileFormat format, OwnedBytes file, FileReaderOptions options) {
  switch (format) {
    case FileFormat::kNpy: return FileReader(std::make_unique<Npy>(std::move(options.name), std::move(file)));
    case FileFormat::kNpz: {
      TENSORFERRY_ASSIGN_OR_RETURN(NpzReader reader, NpzReader::Open(std::move(file), std::move(options.limits)));
      return FileReader(std::make_unique<Npz>(std::move(reader)));
    }
    case FileFormat::kSafetensors: {
      const std::string_view text(reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size());
      TENSORFERRY_ASSIGN_OR_RETURN(auto tensors, ParseSafetensorsHeader(text, text.size(), options.max_header_bytes));
      return FileReader(std::make_unique<Safetensors>(std::move(tensors), std::move(file)));
    }
  }
  __builtin_unreachable();
}

std::span<const std::string> FileReader::names() const { return format_->names(); }

std::span<const std::string> FileReader::skipped() const { return format_->skipped(); }

absl::StatusOr<FileArray> FileReader::Read(std::size_t i) { return format_->Read(i); }

}  // namespace tensorferry
