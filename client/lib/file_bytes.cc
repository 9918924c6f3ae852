#include "lib/file_bytes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <new>
#include <utility>

#include "absl/status/status.h"

namespace tensorferry::client {
namespace {

absl::Status SystemError(const std::string& path) { return absl::ErrnoToStatus(errno, path); }

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ > STDERR_FILENO) close(number_);
  }
  int get() const { return number_; }

 private:
  const int number_;
};

absl::StatusOr<FileBytes> ReadToEnd(int descriptor, const std::string& path) {
  std::string content;
  std::array<char, 64 * 1024> block;
  while (true) {
    const ssize_t count = read(descriptor, block.data(), block.size());
    if (count == 0) return Own(std::move(content));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return SystemError(path);
    content.append(block.data(), static_cast<std::size_t>(count));
  }
}

absl::StatusOr<FileBytes> Map(int descriptor, std::size_t nbytes, const std::string& path) {
  void* const address = mmap(nullptr, nbytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (address == MAP_FAILED) return SystemError(path);
  std::shared_ptr<const void> memory(address,
                                     [nbytes](const void* mapped) { munmap(const_cast<void*>(mapped), nbytes); });
  return FileBytes{std::move(memory), {static_cast<const std::byte*>(address), nbytes}};
}

}  // namespace

absl::StatusOr<FileBytes> LoadFile(const std::string& path) {
  if (path == "-") return ReadToEnd(STDIN_FILENO, "standard input");
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return SystemError(path);
  struct stat info {};
  if (fstat(file.get(), &info) != 0) return SystemError(path);
  if (!S_ISREG(info.st_mode) || info.st_size == 0) return ReadToEnd(file.get(), path);
  return Map(file.get(), static_cast<std::size_t>(info.st_size), path);
}

FileBytes Own(std::string content) {
  auto memory = std::make_shared<const std::string>(std::move(content));
  const auto bytes = std::as_bytes(std::span(*memory));
  return {std::move(memory), bytes};
}

}  // namespace tensorferry::client
