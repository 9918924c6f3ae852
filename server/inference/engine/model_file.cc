#include "inference/engine/model_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <memory>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "base/status.h"

namespace tensorferry::inference {
namespace {

namespace fs = std::filesystem;

absl::Status CannotRead(const fs::path& file, int error) {
  return MakeError(Reason::kModelNotReady,
                   fmt::format("the file cannot be read: {}", std::generic_category().message(error)),
                   {.log_text = file.string()});
}

// Returns whether `file` lies below `root`. Neither path has links.
bool IsBelow(const fs::path& file, const fs::path& root) {
  const auto [end, rest] = std::mismatch(root.begin(), root.end(), file.begin(), file.end());
  return end == root.end() && rest != file.end();
}

// Calls `visit` with the file's bytes, piece by piece, until `visit` returns false. Returns errno, or 0.
int ForEachPiece(int descriptor, const std::function<bool(std::span<const char>)>& visit) {
  std::vector<char> piece(1 << 20);
  for (off_t offset = 0;;) {
    const ssize_t count = pread(descriptor, piece.data(), piece.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    if (count == 0 || !visit({piece.data(), static_cast<std::size_t>(count)})) return 0;
    offset += count;
  }
}

}  // namespace

absl::StatusOr<ModelFile> ModelFile::Open(const fs::path& file, const fs::path& root) {
  // O_NONBLOCK: opening a pipe or a device does not wait.
  const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) return CannotRead(file, errno);
  ModelFile opened(file, descriptor);
  struct stat status {};
  if (fstat(descriptor, &status) != 0) return CannotRead(file, errno);
  if (!S_ISREG(status.st_mode)) {
    return MakeError(Reason::kModelNotReady, "it is not a regular file", {.log_text = file.string()});
  }
  if (root.empty()) return opened;
  std::error_code error;
  const fs::path real = fs::read_symlink(opened.path(), error);
  if (error || !IsBelow(real, root)) {
    return MakeError(Reason::kModelNotReady, "the file is outside the model repository",
                     {.log_text = fmt::format("{} is {}", file.string(), real.string())});
  }
  return opened;
}

absl::StatusOr<ModelFile> ModelFile::Adopt(int descriptor) {
  ModelFile adopted({}, descriptor);
  struct stat status {};
  if (fstat(descriptor, &status) != 0) return CannotRead({}, errno);
  if (!S_ISREG(status.st_mode)) return MakeError(Reason::kModelNotReady, "it is not a regular file");
  return adopted;
}

ModelFile::ModelFile(ModelFile&& other) noexcept
    : name_(std::move(other.name_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

ModelFile::~ModelFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

std::string ModelFile::path() const { return fmt::format("/proc/self/fd/{}", descriptor_); }

absl::StatusOr<std::string> ModelFile::Read(std::size_t max_nbytes) const {
  std::string text;
  const int error = ForEachPiece(descriptor_, [&](std::span<const char> piece) {
    text.append(piece.begin(), piece.end());
    return text.size() <= max_nbytes;
  });
  if (error != 0) return CannotRead(name_, error);
  if (text.size() > max_nbytes) {
    return MakeError(Reason::kModelNotReady, fmt::format("the file has more than {} bytes", max_nbytes),
                     {.limit = fmt::to_string(max_nbytes), .log_text = name_.string()});
  }
  return text;
}

absl::StatusOr<std::string> ModelFile::Sha256() const {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  const int error = ForEachPiece(descriptor_, [&](std::span<const char> piece) {
    EVP_DigestUpdate(context.get(), piece.data(), piece.size());
    return true;
  });
  if (error != 0) return CannotRead(name_, error);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  EVP_DigestFinal_ex(context.get(), digest.data(), &size);
  std::string hex;
  for (const unsigned char byte : std::span(digest).first(size)) hex += fmt::format("{:02x}", byte);
  return hex;
}

}  // namespace tensorferry::inference
