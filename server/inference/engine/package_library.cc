#include "inference/engine/package_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <map>
#include <regex>
#include <string>
#include <system_error>

#include "base/status.h"
#include "base/thread_annotations.h"
#include "inference/engine/model_file.h"

namespace tensorferry::inference {
namespace {

namespace fs = std::filesystem;

// OpenedLibraries are those that this process has opened. They lie in a folder below TMPDIR, by the SHA-256 of their
// bytes.
class OpenedLibraries {
 public:
  absl::Status Open(const fs::path& library, const std::string& sha256) {
    const MutexLock lock(mutex_);
    if (const auto opened = files_.find(sha256); opened != files_.end()) return Link(opened->second, library);
    std::error_code error;
    if (folder_.empty()) {
      std::string folder = fs::temp_directory_path(error) / "libraries-XXXXXX";
      if (error || mkdtemp(folder.data()) == nullptr) return CannotKeep(std::generic_category().message(errno));
      folder_ = folder;
    }
    const fs::path file = folder_ / (sha256 + ".so");
    fs::rename(library, file, error);
    if (error) return CannotKeep(error.message());
    // The first to open it: the library finds its own file by this path, in order to read weights that stand at the end
    // of it.
    if (dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) {
      const char* const text = dlerror();
      const absl::Status status = DescribeLoaderError(text == nullptr ? "" : text);
      fs::remove(file, error);
      return status;
    }
    files_.emplace(sha256, file);
    return Link(file, library);
  }

 private:
  static absl::Status Link(const fs::path& file, const fs::path& library) {
    std::error_code error;
    fs::remove(library, error);
    fs::create_symlink(file, library, error);
    return error ? CannotKeep(error.message()) : absl::OkStatus();
  }

  static absl::Status CannotKeep(std::string_view why) {
    return MakeError(Reason::kModelNotReady,
                     fmt::format("the package's library cannot be kept in the folder for temporary files: {}", why));
  }

  Mutex mutex_;
  fs::path folder_ TENSORFERRY_GUARDED_BY(mutex_);
  std::map<std::string, fs::path> files_ TENSORFERRY_GUARDED_BY(mutex_);
};

}  // namespace

absl::Status OpenForGood(const fs::path& library) {
  // One for the process, as the system's list of loaded libraries is.
  static OpenedLibraries opened;
  TENSORFERRY_ASSIGN_OR_RETURN(const ModelFile file, ModelFile::Open(library, {}));
  TENSORFERRY_ASSIGN_OR_RETURN(const std::string sha256, file.Sha256());
  return opened.Open(library, sha256);
}

absl::Status DescribeLoaderError(std::string_view text) {
  static const std::regex missing(R"(([^/\s:]+): cannot open shared object file)");
  static const std::regex symbol(R"(undefined symbol: (\w+))");
  static const std::regex version(R"(version `([^'/]+)' not found)");
  const std::string whole(text);
  std::smatch match;
  std::string why = "the server's log has the system's words";
  if (std::regex_search(whole, match, missing)) {
    why = fmt::format("it needs {}, which is not found; start the server with its folder in LD_LIBRARY_PATH",
                      Quote(match[1].str()));
  } else if (std::regex_search(whole, match, symbol)) {
    why = fmt::format(
        "it needs {}, which neither the server nor its torch has; compile the package with the server's "
        "version of torch, or start the server with the library that has it in LD_PRELOAD",
        Quote(match[1].str()));
  } else if (std::regex_search(whole, match, version)) {
    why = fmt::format("it needs {} of a library that is older here; compile the package on a system like this one",
                      Quote(match[1].str()));
  } else if (whole.find("failed to map segment") != std::string::npos) {
    why = "failed to map segment from shared object; the folder for temporary files (TMPDIR) may be mounted noexec";
  }
  return MakeError(Reason::kModelNotReady, fmt::format("the package's library cannot be opened: {}", why),
                   {.log_text = whole});
}

}  // namespace tensorferry::inference
