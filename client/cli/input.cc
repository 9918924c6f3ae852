#include "cli/input.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "base/status.h"
#include "cli/terminal.h"
#include "payload/npy.h"

namespace tensorferry::cli {
namespace {

// CheckName refuses a `--dtype` that is not what the file itself says of a tensor.
absl::Status CheckName(const client::Array& array, const std::string& name) {
  TENSORFERRY_ASSIGN_OR_RETURN(const SourceDType source, ParseDType(array.dtype, Fidelity::kConvert));
  const std::string said(Info(source.dtype).name);
  if (name == said) return absl::OkStatus();
  return InArray(array.name,
                 MakeError(Reason::kConflictingFields,
                           fmt::format("--dtype {} conflicts with the file, which says {}", Quote(name), said),
                           {.field = "dtype", .expected = said, .actual = Quote(name)}));
}

// IsAmbiguous returns whether the file leaves open what the elements are.
bool IsAmbiguous(const client::Array& array) {
  if (array.form != client::Array::Form::kNpy) return false;
  const std::string_view file(reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size());
  const absl::StatusOr<NpyHeader> header = ParseNpyHeader(file);
  return header.ok() && IsAmbiguousVoid(header->descr);
}

}  // namespace

InputFile::InputFile(std::string path, NamedDType dtype, client::ArrayReader reader)
    : path_(std::move(path)), dtype_(std::move(dtype)), reader_(std::move(reader)) {}

absl::StatusOr<InputFile> InputFile::Open(const std::string& path, NamedDType dtype) {
  TENSORFERRY_ASSIGN_OR_RETURN(client::ArrayReader reader, client::ArrayReader::Open(path));
  for (const std::string& member : reader.skipped_members()) {
    PrintError(fmt::format("{}: member {} is not a .npy file, skipped", path, Quote(member)));
  }
  return InputFile(path, std::move(dtype), std::move(reader));
}

absl::Status InputFile::CheckHasArrays() const {
  if (!names().empty() || skipped().empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("none of its {} members is a .npy file", skipped().size()));
}

absl::StatusOr<client::Array> InputFile::Read(std::size_t i) {
  TENSORFERRY_ASSIGN_OR_RETURN(client::Array array, reader_.Read(i));
  const bool only_array = dtype_.only_file && names().size() == 1;
  if (dtype_.name.empty() || !(only_array || IsAmbiguous(array))) return array;
  if (array.form == client::Array::Form::kElements) {
    TENSORFERRY_RETURN_IF_ERROR(CheckName(array, dtype_.name));
  } else {
    array.dtype = dtype_.name;
  }
  return array;
}

}  // namespace tensorferry::cli
