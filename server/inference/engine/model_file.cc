#include "inference/engine/model_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <span>
#include <system_error>
#include <thread>
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

// Computes the SHA-256 of a file, in hex, until `stopped` is true.
absl::StatusOr<std::string> HashOf(int descriptor, const fs::path& name, const std::atomic<bool>& stopped) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  const int error = ForEachPiece(descriptor, [&](std::span<const char> piece) {
    EVP_DigestUpdate(context.get(), piece.data(), piece.size());
    return !stopped;
  });
  if (error != 0) return CannotRead(name, error);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  EVP_DigestFinal_ex(context.get(), digest.data(), &size);
  std::string hex;
  for (const unsigned char byte : std::span(digest).first(size)) hex += fmt::format("{:02x}", byte);
  return hex;
}

}  // namespace

// Hashing computes a file's SHA-256 on a thread of its own.
class ModelFile::Hashing {
 public:
  // Throws: std::system_error if the system has no thread.
  Hashing(int descriptor, const fs::path& name)
      : thread_([this, descriptor, name] { hash_ = HashOf(descriptor, name, stopped_); }) {}

  ~Hashing() {
    stopped_ = true;
    if (thread_.joinable()) thread_.join();
  }

  const absl::StatusOr<std::string>& Await() {
    if (thread_.joinable()) thread_.join();
    return hash_;
  }

 private:
  std::atomic<bool> stopped_ = false;
  absl::StatusOr<std::string> hash_;
  std::thread thread_;  // The last member: it uses the others.
};

ModelFile::ModelFile(fs::path name, int descriptor) : name_(std::move(name)), descriptor_(descriptor) {}

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
    : name_(std::move(other.name_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      hashing_(std::move(other.hashing_)) {}

ModelFile::~ModelFile() {
  hashing_.reset();
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

void ModelFile::BeginSha256() const {
  constexpr off_t kWorthAThread = 1'000'000;  // Bytes, of half a millisecond.
  struct stat status {};
  if (hashing_ != nullptr || fstat(descriptor_, &status) != 0 || status.st_size < kWorthAThread) return;
  try {
    hashing_ = std::make_unique<Hashing>(descriptor_, name_);
  } catch (const std::system_error&) {
    return;  // Sha256() computes it then.
  }
}

absl::StatusOr<std::string> ModelFile::Sha256() const {
  if (hashing_ != nullptr) return hashing_->Await();
  return HashOf(descriptor_, name_, /*stopped=*/false);
}

}  // namespace tensorferry::inference
