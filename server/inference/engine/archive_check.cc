#include "inference/engine/archive_check.h"

#include <fmt/format.h>
#include <zip.h>

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "inference/engine/zip_handle.h"

namespace tensorferry::inference {
namespace {

absl::Status Damaged(std::string_view what, std::string_view log_text) {
  return MakeError(Reason::kModelNotReady, fmt::format("the file is damaged, or no model file at all: {}", what),
                   {.log_text = std::string(log_text)});
}

}  // namespace

absl::Status CheckArchive(const ModelFile& file) {
  int error = 0;
  const ZipHandle<zip_t> archive(zip_open(file.path().c_str(), ZIP_RDONLY, &error));
  if (archive == nullptr) return Damaged("it is not a whole zip archive", fmt::format("libzip's error {}", error));
  std::vector<char> piece(1 << 20);
  const zip_int64_t members = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < members; ++i) {
    const auto index = static_cast<zip_uint64_t>(i);
    const ZipHandle<zip_file_t> member(zip_fopen_index(archive.get(), index, 0));
    if (member == nullptr) return Damaged("a member of the archive cannot be read", zip_strerror(archive.get()));
    zip_int64_t count = 1;
    while (count > 0) count = zip_fread(member.get(), piece.data(), piece.size());
    if (count < 0) {
      const char* const name = zip_get_name(archive.get(), index, 0);
      return Damaged(fmt::format("{} in the archive has another checksum than the archive says",
                                 Quote(name == nullptr ? "" : name)),
                     zip_file_strerror(member.get()));
    }
  }
  return absl::OkStatus();
}

FileSizes UnpackedSizes(const ModelFile& file) {
  FileSizes sizes;
  const ZipHandle<zip_t> archive(zip_open(file.path().c_str(), ZIP_RDONLY, nullptr));
  if (archive == nullptr) return sizes;
  const zip_int64_t members = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < members; ++i) {
    zip_stat_t member{};
    if (zip_stat_index(archive.get(), static_cast<zip_uint64_t>(i), 0, &member) == 0) sizes.Add(member.size);
  }
  return sizes;
}

}  // namespace tensorferry::inference
