#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <iterator>
#include <string_view>

#include "base/file_descriptor.h"

namespace tensorferry {

inline constexpr int kAllSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

// MakeMemfd returns a memfd with these bytes and seals, as a client makes one.
inline FileDescriptor MakeMemfd(std::string_view bytes, int seals = kAllSeals) {
  FileDescriptor file(memfd_create("tensorferry-test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file || write(file.get(), bytes.data(), bytes.size()) != std::ssize(bytes)) std::abort();
  if (fcntl(file.get(), F_ADD_SEALS, seals) != 0) std::abort();
  return file;
}

// MakeMemfdWithHole returns a memfd of `nbytes` bytes, a multiple of the size of a page, of which none is there. As many
// are there beyond its end, which the system counts, too.
inline FileDescriptor MakeMemfdWithHole(std::size_t nbytes, int seals = kAllSeals) {
  FileDescriptor file = MakeMemfd("", /*seals=*/0);
  const auto end = static_cast<off_t>(nbytes);
  if (ftruncate(file.get(), end) != 0) std::abort();
  if (fallocate(file.get(), FALLOC_FL_KEEP_SIZE, end, end) != 0) std::abort();
  if (fcntl(file.get(), F_ADD_SEALS, seals) != 0) std::abort();
  return file;
}

// SameFile returns another descriptor of the same open file.
inline FileDescriptor SameFile(const FileDescriptor& file) {
  return FileDescriptor(fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
}

}  // namespace tensorferry
