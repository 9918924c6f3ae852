#include "cli/input.h"

#include <fmt/format.h>

#include <string_view>

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

absl::StatusOr<client::ArrayFile> LoadArrays(const std::string& path, const std::string& dtype) {
  TENSORFERRY_ASSIGN_OR_RETURN(client::ArrayFile file, client::ArrayFile::Open(path));
  for (const std::string& member : file.skipped_members()) {
    PrintError(fmt::format("{}: member {} is not a .npy file, skipped", path, Quote(member)));
  }
  if (dtype.empty()) return file;
  for (client::Array& array : file.arrays()) {
    if (file.arrays().size() == 1 || IsAmbiguous(array)) array.dtype = dtype;
  }
  return file;
}

}  // namespace tensorferry::cli
