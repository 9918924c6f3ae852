#include "lib/file_bytes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "base/bus_errors.h"
#include "base/file_descriptor.h"
#include "base/status.h"

namespace tensorferry::client {
namespace {

// Returns the last error of the system, without the path, which the caller knows.
absl::Status SystemError() { return {absl::ErrnoToStatusCode(errno), std::generic_category().message(errno)}; }

FileBytes Own(std::string content) {
  auto memory = std::make_shared<const std::string>(std::move(content));
  const auto bytes = std::as_bytes(std::span(*memory));
  return {std::move(memory), bytes};
}

absl::StatusOr<FileBytes> ReadToEnd(int descriptor) {
  std::string content;
  std::array<char, std::size_t{64} << 10> block;
  while (true) {
    const ssize_t count = read(descriptor, block.data(), block.size());
    if (count == 0) return Own(std::move(content));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return SystemError();
    content.append(block.data(), static_cast<std::size_t>(count));
  }
}

}  // namespace

class MappedFile {
 public:
  // Map returns null if the process watches as many mappings as it can.
  static absl::StatusOr<std::shared_ptr<const MappedFile>> Map(int descriptor, const struct stat& info,
                                                               const std::string& path) {
    static const BusErrorHandler handler;
    const auto nbytes = static_cast<std::size_t>(info.st_size);
    void* const address = mmap(nullptr, nbytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (address == MAP_FAILED) return SystemError();
    std::shared_ptr<MappedFile> file(new MappedFile({static_cast<const std::byte*>(address), nbytes}, info, path));
    if (!file->watched_) return nullptr;
    return file;
  }

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
    watched_.reset();
    munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }

  std::span<const std::byte> bytes() const { return bytes_; }

  absl::Status CheckWhole() const {
    struct stat now {};
    const bool is_there = stat(path_.c_str(), &now) == 0 && now.st_dev == info_.st_dev && now.st_ino == info_.st_ino;
    const bool is_cut = watched_->truncated() || (is_there && now.st_size < info_.st_size);
    return is_cut ? absl::DataLossError("the file became smaller while it was read") : absl::OkStatus();
  }

 private:
  MappedFile(std::span<const std::byte> bytes, const struct stat& info, std::string path)
      : bytes_(bytes), info_(info), path_(std::move(path)), watched_(WatchedMapping::Watch(bytes)) {}

  const std::span<const std::byte> bytes_;
  const struct stat info_;  // The file's state when it was mapped.
  const std::string path_;
  std::optional<WatchedMapping> watched_;
};

absl::Status FileBytes::CheckWhole() const { return mapped == nullptr ? absl::OkStatus() : mapped->CheckWhole(); }

absl::StatusOr<FileBytes> LoadFile(const std::string& path) {
  if (path == "-") return ReadToEnd(STDIN_FILENO);
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return SystemError();
  struct stat info {};
  if (fstat(file.get(), &info) != 0) return SystemError();
  if (!S_ISREG(info.st_mode) || info.st_size == 0) return ReadToEnd(file.get());
  TENSORFERRY_ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> mapped, MappedFile::Map(file.get(), info, path));
  if (mapped == nullptr) return ReadToEnd(file.get());
  return FileBytes{mapped, mapped->bytes(), mapped};
}

}  // namespace tensorferry::client
