#include "cli/input.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "base/status.h"
#include "cli/terminal.h"
#include "payload/npy.h"

namespace tensorferry::cli {
namespace {

bool IsAmbiguous(const client::Array& array) {
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
  if (!dtype_.name.empty() && (only_array || IsAmbiguous(array))) array.dtype = dtype_.name;
  return array;
}

}  // namespace tensorferry::cli
