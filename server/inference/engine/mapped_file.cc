#include "inference/engine/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "base/status.h"

namespace tensorferry::inference {
namespace {

absl::Status CannotMap() {
  return MakeError(Reason::kModelNotReady,
                   "the file cannot be mapped into memory: " + std::generic_category().message(errno));
}

}  // namespace

absl::StatusOr<std::shared_ptr<MappedFile>> MappedFile::Map(const ModelFile& file) {
  const int descriptor = open(file.path().c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return CannotMap();
  struct stat status {};
  void* address = MAP_FAILED;
  if (fstat(descriptor, &status) == 0 && status.st_size > 0) {
    address = mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_NORESERVE, descriptor, 0);
  }
  const absl::Status failure = address == MAP_FAILED ? CannotMap() : absl::OkStatus();
  close(descriptor);
  if (!failure.ok()) return failure;
  const std::span bytes(static_cast<std::byte*>(address), static_cast<std::size_t>(status.st_size));
  return std::shared_ptr<MappedFile>(new MappedFile(bytes, WatchedMapping::Watch(bytes)));
}

MappedFile::~MappedFile() {
  watched_.reset();
  munmap(bytes_.data(), bytes_.size());
}

}  // namespace tensorferry::inference
