#include "cli/input.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "base/nearest.h"
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

// FileAndArray is what a word of the command line names.
struct FileAndArray {
  std::string file;
  std::optional<std::string> array;
};

// Split takes the word as a whole if there is a file of that name, and else up to the first colon before which there is
// one. Without any it is left to the error that there is no such file.
FileAndArray Split(const std::string& word) {
  const auto exists = [](const std::string& path) {
    std::error_code error;
    return path == "-" || std::filesystem::exists(path, error);
  };
  if (exists(word)) return {word, std::nullopt};
  for (std::size_t colon = word.find(':'); colon != std::string::npos; colon = word.find(':', colon + 1)) {
    if (exists(word.substr(0, colon))) return {word.substr(0, colon), word.substr(colon + 1)};
  }
  return {word, std::nullopt};
}

}  // namespace

InputFile::InputFile(std::string path, NamedDType dtype, client::ArrayReader reader)
    : path_(std::move(path)), dtype_(std::move(dtype)), reader_(std::move(reader)) {}

absl::StatusOr<InputFile> InputFile::Open(const std::string& path, NamedDType dtype) {
  const FileAndArray named = Split(path);
  TENSORFERRY_ASSIGN_OR_RETURN(client::ArrayReader reader, client::ArrayReader::Open(named.file));
  InputFile file(path, std::move(dtype), std::move(reader));
  if (named.array) TENSORFERRY_RETURN_IF_ERROR(file.Choose(*named.array));
  for (const std::string& member : file.skipped()) {
    PrintError(fmt::format("{}: member {} is not a .npy file, skipped", path, Quote(member)));
  }
  return file;
}

absl::Status InputFile::Choose(const std::string& array) {
  constexpr std::size_t kMostListed = 10;
  const std::span<const std::string> all = reader_.names();
  const auto found = std::ranges::find(all, array);
  if (found != all.end()) {
    chosen_ = static_cast<std::size_t>(found - all.begin());
    return absl::OkStatus();
  }
  const auto nearest = Nearest(array, {all.begin(), all.end()});
  const std::string listed = fmt::format("{}{}", fmt::join(all.first(std::min(all.size(), kMostListed)), ", "),
                                         all.size() > kMostListed ? ", ..." : "");
  return absl::NotFoundError(fmt::format(
      "the file has no array {}; {}", Quote(array),
      nearest ? fmt::format("did you mean {}?", *nearest) : fmt::format("it has {}: {}", all.size(), listed)));
}

std::span<const std::string> InputFile::names() const {
  return chosen_ ? reader_.names().subspan(*chosen_, 1) : reader_.names();
}

std::span<const std::string> InputFile::skipped() const {
  return chosen_ ? std::span<const std::string>() : reader_.skipped_members();
}

absl::Status InputFile::CheckHasArrays() const {
  if (!names().empty() || skipped().empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("none of its {} members is a .npy file", skipped().size()));
}

absl::Status InputFile::CheckHasOneArray(const std::string& name) const {
  if (names().size() == 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("the file has {} arrays, expected one for input {}; name it: {}={}:ARRAY", names().size(),
                  Quote(name), name, path_));
}

absl::StatusOr<client::Array> InputFile::Read(std::size_t i) {
  TENSORFERRY_ASSIGN_OR_RETURN(client::Array array, reader_.Read(chosen_.value_or(0) + i));
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
