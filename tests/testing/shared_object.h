#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

namespace tensorferry {

// PageBytes returns the size of a page of memory, in bytes.
inline std::size_t PageBytes() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

// BytesOf returns the bytes of `text`, which must outlive them.
inline std::span<const std::byte> BytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

// SharedObject is a POSIX shared memory object as a client makes one, under a name that no other test has. Its
// destructor removes it.
class SharedObject {
 public:
  explicit SharedObject(std::string_view bytes) : key_(UniqueKey()) {
    file_ = shm_open(key_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file_ < 0) std::abort();
    Write(0, bytes);
  }
  SharedObject(const SharedObject&) = delete;
  SharedObject& operator=(const SharedObject&) = delete;
  ~SharedObject() {
    close(file_);
    shm_unlink(key_.c_str());
  }

  const std::string& key() const { return key_; }

  void Write(std::size_t offset, std::string_view bytes) {
    if (pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(offset)) != std::ssize(bytes)) std::abort();
  }

  std::string Read() const {
    std::string bytes(static_cast<std::size_t>(lseek(file_, 0, SEEK_END)), '\0');
    if (pread(file_, bytes.data(), bytes.size(), 0) != std::ssize(bytes)) std::abort();
    return bytes;
  }

  void Resize(std::size_t nbytes) {
    if (ftruncate(file_, static_cast<off_t>(nbytes)) != 0) std::abort();
  }

  // UniqueKey returns a key that belongs to no object.
  static std::string UniqueKey() {
    static std::atomic<int> count = 0;
    return fmt::format("/tensorferry-test-{}-{}", getpid(), ++count);
  }

 private:
  const std::string key_;
  int file_ = -1;
};

}  // namespace tensorferry
