#include "security/secret_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/file_descriptor.h"
#include "base/text.h"

namespace tensorferry::security {
namespace {

// Buffer is memory for a secret, which is overwritten before it is given back.
class Buffer {
 public:
  explicit Buffer(std::size_t size) : bytes_(size, '\0') {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

  char* data() { return bytes_.data(); }
  std::size_t size() const { return bytes_.size(); }

 private:
  std::string bytes_;
};

std::string SystemReason(int error) { return std::generic_category().message(error); }

}  // namespace

absl::Status FileError(std::string_view flag, const std::string& path, std::string_view problem) {
  return absl::InvalidArgumentError(OneLine(fmt::format("--{} {}: {}", flag, path, problem)));
}

absl::StatusOr<std::string> ReadSecretFile(std::string_view flag, const std::string& path) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (file.get() < 0 || fstat(file.get(), &status) != 0) return FileError(flag, path, SystemReason(errno));
  if (!S_ISREG(status.st_mode)) return FileError(flag, path, "it is no regular file");
  Buffer text(kMaxSecretFileBytes + 1);
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(flag, path, SystemReason(errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size == text.size()) {
    return FileError(flag, path, fmt::format("it has more than the {} bytes that are read", kMaxSecretFileBytes));
  }
  return std::string(text.data(), size);
}

}  // namespace tensorferry::security
