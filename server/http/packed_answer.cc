#include "http/packed_answer.h"

#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/memory_peer.h"
#include "http/response_head.h"
#include "http/stepped_buffer.h"

namespace tensorferry::http {
namespace {

constexpr std::uint64_t kLeastPacked = 1024;     // Shorter answers gain nothing.
constexpr std::uint64_t kLongToPack = 64 << 10;  // Packing it takes milliseconds.
constexpr std::size_t kMostAtOnce = 1 << 30;     // zlib counts in 32 bits.
constexpr int kMemoryLevel = 8;                  // zlib's default.

// PackingPeer is the caller of a request, which may be gone when its answer is packed.
class PackingPeer final : public MemoryPeer {
 public:
  explicit PackingPeer(const Request& request) : name_(MemoryNameOf(request.certificate, request.peer)) {}
  std::string memory_name() const override { return name_; }

 private:
  std::string name_;
};

// Deflater is the state of zlib's writer, which makes the best of little time.
class Deflater {
 public:
  explicit Deflater(Coding coding) {
    ready_ = deflateInit2(&stream_, Z_BEST_SPEED, Z_DEFLATED, WindowBitsOf(coding), kMemoryLevel, Z_DEFAULT_STRATEGY) ==
             Z_OK;
  }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;
  ~Deflater() { deflateEnd(&stream_); }

  bool ready() const { return ready_; }

  // Packs some bytes, the last ones with `flush` Z_FINISH. Returns whether there was room for them.
  bool Pack(std::string_view bytes, int flush, SteppedBuffer& into) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    while (true) {
      if (into.room() == 0 && (into.full() || !into.MakeRoom().ok())) return false;
      const auto room = static_cast<uInt>(std::min<std::size_t>(into.room(), std::numeric_limits<uInt>::max()));
      stream_.next_out = reinterpret_cast<Bytef*>(into.end());
      stream_.avail_out = room;
      const int code = deflate(&stream_, flush);
      into.Fill(room - stream_.avail_out);
      if (code == Z_STREAM_END) return true;
      if (code != Z_OK && code != Z_BUF_ERROR) return false;
      if (flush != Z_FINISH && stream_.avail_in == 0 && stream_.avail_out > 0) return true;
    }
  }

 private:
  z_stream stream_{};
  bool ready_ = false;
};

// Returns the body of an answer in pieces, which zlib can count.
std::vector<std::string_view> PiecesOf(const Response& response) {
  std::vector<std::string_view> pieces;
  const auto add = [&pieces](std::string_view bytes) {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(kMostAtOnce, bytes.size()))) {
      pieces.push_back(bytes.substr(0, kMostAtOnce));
    }
  };
  add(response.body);
  std::ranges::for_each(response.pieces, add);
  return pieces;
}

// Returns nothing if the body does not become shorter, or if there is no memory for it.
std::optional<SteppedBuffer> PackBody(const Response& response, Coding coding, const PoolFor& pool) {
  const auto most = static_cast<std::size_t>(BodyBytes(response) - 1);
  auto packed = SteppedBuffer::Take(most, /*beside=*/0, pool);
  Deflater deflater(coding);
  if (!packed.ok() || !deflater.ready()) return std::nullopt;
  for (const std::string_view piece : PiecesOf(response)) {
    if (!deflater.Pack(piece, Z_NO_FLUSH, *packed)) return std::nullopt;
  }
  if (!deflater.Pack("", Z_FINISH, *packed)) return std::nullopt;
  return *std::move(packed);
}

Response Packed(Response response, Coding coding, const PoolFor& pool) {
  auto packed = PackBody(response, coding, pool);
  if (!packed) return response;
  response.fields.push_back({"Content-Encoding", std::string(NameOf(coding))});
  response.body.clear();
  response.pieces = {packed->bytes()};
  response.owner = std::make_shared<AlignedBuffer>(std::move(*packed).Release());
  return response;
}

bool IsWorthPacking(const Response& response) {
  const bool succeeded = response.status >= 200 && response.status < 300;
  return succeeded && response.stream == nullptr && BodyBytes(response) >= kLeastPacked;
}

}  // namespace

Reply PackingReply(const CodingPolicy& policy, const Request& request, Reply reply) {
  if (policy.pool == nullptr) return reply;
  return [policy, coding = AcceptedCoding(request), peer = PackingPeer(request),
          reply = std::move(reply)](Response response) {
    response.fields.push_back({"Vary", "Accept-Encoding"});
    if (coding == Coding::kIdentity || !IsWorthPacking(response)) return reply(std::move(response));
    const bool is_long = BodyBytes(response) >= kLongToPack;
    const auto pack = [pool = policy.pool, coding, peer, reply,
                       kept = std::make_shared<Response>(std::move(response))] {
      reply(Packed(std::move(*kept), coding, {*pool, &peer}));
    };
    if (is_long && policy.aside) return policy.aside(pack);
    pack();
  };
}

}  // namespace tensorferry::http
