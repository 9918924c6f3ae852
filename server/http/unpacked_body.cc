#include "http/unpacked_body.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/status.h"
#include "http/error_response.h"
#include "http/incoming_request.h"
#include "http/read_problem.h"
#include "http/stepped_buffer.h"

namespace tensorferry::http {
namespace {

constexpr std::uint64_t kLeastUnpacked = 4096;
constexpr std::uint64_t kMaxDeflateRatio = 1032;  // Deflate packs no more into a byte.
constexpr std::size_t kGzipTrailer = 8;           // A checksum, and the number of bytes.

Response TooLong(const CodingPolicy& policy) {
  return ErrorResponse({.status = 413,
                        .message = "the request's body is too long when it is unpacked",
                        .expected = fmt::format("at most {} bytes", policy.body_bytes),
                        .actual = "more",
                        .reason = std::string(Info(Reason::kTensorTooLarge).name)});
}

Response Damaged(Coding coding, std::string_view what) {
  return ErrorResponse({.status = 400,
                        .message = fmt::format("the body cannot be unpacked: {}", what),
                        .expected = fmt::format("a whole body in {}", NameOf(coding)),
                        .actual = "another one",
                        .reason = std::string(Info(Reason::kBadHeader).name)});
}

Response NoMemoryForZlib() {
  return NoMemory(MakeError(Reason::kMemoryBudget, "the system has none to unpack it now",
                            {.field = "body", .retry_after = std::chrono::milliseconds(1000)}));
}

// Inflater is the state of zlib's reader.
class Inflater {
 public:
  Inflater(Coding coding, std::string_view packed) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream_.avail_in = static_cast<uInt>(packed.size());
    ready_ = inflateInit2(&stream_, WindowBitsOf(coding)) == Z_OK;
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&stream_); }

  bool ready() const { return ready_; }
  bool at_end() const { return stream_.avail_in == 0; }

  // Goes on with another stream behind one that has ended.
  bool Restart() { return inflateReset(&stream_) == Z_OK; }

  // Unpacks into the room of `into`. Returns what inflate does.
  int Run(SteppedBuffer& into) {
    const auto room = static_cast<uInt>(std::min<std::size_t>(into.room(), std::numeric_limits<uInt>::max()));
    stream_.next_out = reinterpret_cast<Bytef*>(into.end());
    stream_.avail_out = room;
    const int code = inflate(&stream_, Z_NO_FLUSH);
    into.Fill(room - stream_.avail_out);
    return code;
  }

 private:
  z_stream stream_{};
  bool ready_ = false;
};

// Returns how many bytes a body may unpack to by what it says itself, which need not be true.
std::uint64_t Announced(Coding coding, std::string_view packed) {
  constexpr std::uint64_t kUsualRatio = 4;
  if (coding != Coding::kGzip || packed.size() < kGzipTrailer) return kUsualRatio * packed.size();
  std::uint64_t nbytes = 0;
  for (std::size_t i = 0; i < sizeof(std::uint32_t); ++i) {
    nbytes |= std::uint64_t{static_cast<unsigned char>(packed[packed.size() - sizeof(std::uint32_t) + i])} << (8 * i);
  }
  return std::min(nbytes, kMaxDeflateRatio * packed.size());
}

// Unpacking is a body that is being unpacked.
class Unpacking {
 public:
  Unpacking(const CodingPolicy& policy, Coding coding, std::string_view packed, const MemoryPeer& peer)
      : policy_(policy), coding_(coding), packed_(packed), pool_(*policy.pool, &peer), inflater_(coding, packed) {}

  std::variant<SteppedBuffer, Response> Run() {
    if (!inflater_.ready()) return NoMemoryForZlib();
    auto unpacked = Take(Announced(coding_, packed_));
    if (!unpacked.ok()) return NoMemory(unpacked.status());
    while (true) {
      if (unpacked->room() == 0) {
        if (unpacked->full() && unpacked->capacity() > policy_.body_bytes) return TooLong(policy_);
        if (const absl::Status grown = Grow(*unpacked); !grown.ok()) return NoMemory(grown);
      }
      const int code = inflater_.Run(*unpacked);
      if (code == Z_OK) continue;
      if (code == Z_MEM_ERROR) return NoMemoryForZlib();
      if (code != Z_STREAM_END) {
        return Damaged(coding_, code == Z_BUF_ERROR ? "it ends too early" : "it is none, or was changed");
      }
      if (inflater_.at_end()) break;
      // One gzip may follow the other (RFC 1952, 2.2).
      if (coding_ != Coding::kGzip || !inflater_.Restart()) return Damaged(coding_, "other bytes follow it");
    }
    if (unpacked->bytes().size() > policy_.body_bytes) return TooLong(policy_);
    return *std::move(unpacked);
  }

 private:
  // Takes memory for `nbytes` bytes, and for one more, so that the end of a body of this size is seen at once.
  absl::StatusOr<SteppedBuffer> Take(std::uint64_t nbytes) const {
    const std::uint64_t most = std::min(std::max(nbytes, kLeastUnpacked), policy_.body_bytes);
    return SteppedBuffer::Take(static_cast<std::size_t>(most) + 1, packed_.size(), pool_);
  }

  // Makes room for more bytes, in other memory if this one is full.
  absl::Status Grow(SteppedBuffer& unpacked) const {
    if (!unpacked.full()) return unpacked.MakeRoom();
    TENSORFERRY_ASSIGN_OR_RETURN(SteppedBuffer larger, Take(2 * unpacked.capacity()));
    for (std::string_view rest = unpacked.bytes(); !rest.empty();) {
      TENSORFERRY_RETURN_IF_ERROR(larger.MakeRoom());
      const std::size_t copied = std::min(rest.size(), larger.room());
      std::memcpy(larger.end(), rest.data(), copied);
      larger.Fill(copied);
      rest.remove_prefix(copied);
    }
    unpacked = std::move(larger);
    return unpacked.room() > 0 ? absl::OkStatus() : unpacked.MakeRoom();
  }

  const CodingPolicy& policy_;
  const Coding coding_;
  const std::string_view packed_;
  const PoolFor pool_;
  Inflater inflater_;
};

bool TellsOfPacking(const Field& field) {
  return EqualInAnyCase(field.name, "content-encoding") || EqualInAnyCase(field.name, "content-length");
}

}  // namespace

std::optional<Response> UnpackBody(const CodingPolicy& policy, Request& request) {
  if (policy.pool == nullptr || request.body.empty()) return std::nullopt;
  const Coding coding = CodingOf(request);
  if (coding == Coding::kIdentity) return std::nullopt;
  const RequestPeer peer(request);
  auto run = Unpacking(policy, coding, request.body, peer).Run();
  if (auto* const refusal = std::get_if<Response>(&run)) return std::move(*refusal);
  auto& unpacked = std::get<SteppedBuffer>(run);
  request.body = unpacked.bytes();
  request.body_owner = std::make_shared<AlignedBuffer>(std::move(unpacked).Release());
  std::erase_if(request.fields, TellsOfPacking);
  return std::nullopt;
}

}  // namespace tensorferry::http
