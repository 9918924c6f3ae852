#include "inference/engine/temporary_folder.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "base/status.h"

namespace tensorferry::inference {
namespace {

absl::Status CannotUse(const std::string& folder, std::string_view what) {
  return MakeError(Reason::kModelNotReady, fmt::format("the temporary folder (TMPDIR) {}", what), {.log_text = folder});
}

// Makes a folder inside `parent`, as who unpacks there will, and removes it. Returns 0 or the error number.
int TryToMakeFolder(const std::filesystem::path& parent) {
  std::string name = (parent / "tensorferry-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) return errno;
  rmdir(name.c_str());
  return 0;
}

absl::Status CheckSpace(const std::string& folder, const FileSizes& sizes, TemporaryUse use) {
  struct statvfs system {};
  if (statvfs(folder.c_str(), &system) != 0) return absl::OkStatus();
  const std::uint64_t available = std::uint64_t{system.f_bavail} * system.f_frsize;
  if (available < sizes.total) {
    return MakeError(Reason::kModelNotReady,
                     fmt::format("no space left in the temporary folder (TMPDIR): {} bytes are needed, {} are free",
                                 sizes.total, available),
                     {.actual = fmt::to_string(sizes.total), .limit = fmt::to_string(available), .log_text = folder});
  }
  if (use == TemporaryUse::kExecute && (system.f_flag & ST_NOEXEC) != 0) {
    return CannotUse(folder, "does not allow execution, and packages are run from there");
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < sizes.largest) {
    return CannotUse(folder, fmt::format("cannot take a file of {} bytes: this process may write {} (ulimit -f)",
                                         sizes.largest, limit.rlim_cur));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckTemporaryFolder(const FileSizes& sizes, TemporaryUse use) {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::temp_directory_path(error);
  if (error) return CannotUse("", fmt::format("cannot be used: {}", error.message()));
  if (const int failed = TryToMakeFolder(folder); failed != 0 && failed != ENOSPC) {
    return CannotUse(folder.string(), fmt::format("cannot be written: {}", std::generic_category().message(failed)));
  }
  return CheckSpace(folder.string(), sizes, use);
}

}  // namespace tensorferry::inference
