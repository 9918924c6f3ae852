#include "inference/engine/zip_members.h"

#include <fmt/format.h>

#include <utility>

#include "base/status.h"
#include "inference/engine/refuse_model.h"

namespace tensorferry::inference {

absl::StatusOr<ZipMembers> ZipMembers::OpenFile(const std::string& path) {
  ZipHandle<zip_t> archive(zip_open(path.c_str(), ZIP_RDONLY, nullptr));
  if (archive == nullptr) return RefuseModel("it is no zip archive");
  return ZipMembers(std::move(archive));
}

absl::StatusOr<ZipMembers> ZipMembers::OpenBytes(std::span<const std::byte> bytes) {
  zip_source_t* const source = zip_source_buffer_create(bytes.data(), bytes.size(), /*freep=*/0, nullptr);
  if (source == nullptr) return RefuseModel("it is no zip archive");
  ZipHandle<zip_t> archive(zip_open_from_source(source, ZIP_RDONLY, nullptr));
  if (archive == nullptr) {
    zip_source_free(source);  // An archive that was opened owns it.
    return RefuseModel("it is no zip archive");
  }
  return ZipMembers(std::move(archive));
}

std::vector<std::string> ZipMembers::Names() const {
  std::vector<std::string> names;
  const zip_int64_t count = zip_get_num_entries(archive_.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const char* const name = zip_get_name(archive_.get(), static_cast<zip_uint64_t>(i), 0);
    if (name != nullptr) names.emplace_back(name);
  }
  return names;
}

std::optional<std::size_t> ZipMembers::Size(const std::string& name) const {
  zip_stat_t member{};
  if (zip_stat(archive_.get(), name.c_str(), 0, &member) != 0 || (member.valid & ZIP_STAT_SIZE) == 0) {
    return std::nullopt;
  }
  return member.size;
}

absl::Status ZipMembers::Read(const std::string& name, std::span<std::byte> into) const {
  const ZipHandle<zip_file_t> member(zip_fopen(archive_.get(), name.c_str(), 0));
  zip_int64_t count = member == nullptr ? -1 : 1;
  while (count > 0 && !into.empty()) {
    count = zip_fread(member.get(), into.data(), into.size());
    if (count > 0) into = into.subspan(static_cast<std::size_t>(count));
  }
  // The checksum is compared at the end, which one byte more asks for.
  std::byte beyond{};
  if (count >= 0 && into.empty() && zip_fread(member.get(), &beyond, 1) == 0) return absl::OkStatus();
  return RefuseModel(fmt::format("the member {} cannot be read", Quote(name)));
}

}  // namespace tensorferry::inference
