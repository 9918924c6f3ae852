#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

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

// SameFile returns another descriptor of the same open file.
inline FileDescriptor SameFile(const FileDescriptor& file) {
  return FileDescriptor(fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
}

}  // namespace tensorferry
