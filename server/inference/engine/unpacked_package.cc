#include "inference/engine/unpacked_package.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zip.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/engine/elf_check.h"

namespace tensorferry::inference {
namespace {

namespace fs = std::filesystem;

struct CloseZip {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* member) const { zip_fclose(member); }
};

// Returns the name of the file that the member becomes, or an empty one if torch does not need it. As torch's loader
// does, it puts the files of the model and the constants into one folder.
std::string_view FileNameOf(std::string_view member) {
  for (const std::string_view folder : {"data/aotinductor/model/", "data/constants/"}) {
    const std::size_t begin = member.find(folder);
    if (begin == std::string_view::npos || (begin > 0 && member.find('/') + 1 != begin)) continue;
    const std::string_view name = member.substr(begin + folder.size());
    if (name.find('/') != std::string_view::npos || name == "." || name == ".." || name.ends_with(".cpp")) return {};
    return name;
  }
  return {};
}

absl::Status CannotUnpack(const fs::path& file, std::string_view why) {
  return MakeError(Reason::kModelNotReady,
                   fmt::format("the package cannot be unpacked into the folder for temporary files: {}", why),
                   {.log_text = file.string()});
}

// Copies one member of the archive into a file.
absl::Status CopyMember(zip_t* archive, zip_uint64_t index, const fs::path& file) {
  const std::unique_ptr<zip_file_t, CloseZip> member(zip_fopen_index(archive, index, 0));
  if (member == nullptr) return CannotUnpack(file, "a member of the archive cannot be read");
  std::ofstream out(file, std::ios::binary);
  std::vector<char> piece(1 << 20);
  zip_int64_t count = 0;
  while (out && (count = zip_fread(member.get(), piece.data(), piece.size())) > 0) out.write(piece.data(), count);
  out.close();
  if (count < 0) return CannotUnpack(file, "a member of the archive cannot be read");
  if (!out) return CannotUnpack(file, std::generic_category().message(errno));
  return absl::OkStatus();
}

absl::Status CheckLibrary(const fs::path& library) {
  const int descriptor = open(library.c_str(), O_RDONLY | O_CLOEXEC);
  std::error_code error;
  const auto nbytes = static_cast<std::size_t>(fs::file_size(library, error));
  void* const begin = error || nbytes == 0 ? MAP_FAILED : mmap(nullptr, nbytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (descriptor >= 0) close(descriptor);
  if (begin == MAP_FAILED) return CheckElf({});
  const absl::Status checked = CheckElf({static_cast<const char*>(begin), nbytes});
  munmap(begin, nbytes);
  return checked;
}

}  // namespace

absl::StatusOr<UnpackedPackage> UnpackedPackage::Unpack(const ModelFile& package) {
  std::error_code error;
  std::string folder = fs::temp_directory_path(error) / "package-XXXXXX";
  if (error || mkdtemp(folder.data()) == nullptr) {
    return CannotUnpack(folder, error ? error.message() : std::generic_category().message(errno));
  }
  UnpackedPackage unpacked{fs::path(folder)};
  TENSORFERRY_RETURN_IF_ERROR(unpacked.Write(package));
  if (unpacked.library_.empty()) return MakeError(Reason::kModelNotReady, "the package has no library");
  TENSORFERRY_RETURN_IF_ERROR(CheckLibrary(unpacked.library_));
  return unpacked;
}

UnpackedPackage::~UnpackedPackage() {
  if (folder_.empty()) return;
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

absl::Status UnpackedPackage::Write(const ModelFile& package) {
  int error = 0;
  const std::unique_ptr<zip_t, CloseZip> archive(zip_open(package.path().c_str(), ZIP_RDONLY, &error));
  if (archive == nullptr) return CannotUnpack(folder_, fmt::format("libzip's error {}", error));
  const zip_int64_t members = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < members; ++i) {
    const auto index = static_cast<zip_uint64_t>(i);
    const char* const member = zip_get_name(archive.get(), index, 0);
    const std::string_view name = FileNameOf(member == nullptr ? "" : member);
    if (name.empty()) continue;
    const fs::path file = folder_ / name;
    TENSORFERRY_RETURN_IF_ERROR(CopyMember(archive.get(), index, file));
    if (name.ends_with(".so")) library_ = file;
    if (name.ends_with(".blob")) weights_ = file;
  }
  return absl::OkStatus();
}

}  // namespace tensorferry::inference
