#include <zlib.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "fuzz/properties.h"
#include "http/unpacked_body.h"

namespace tensorferry::fuzz {
namespace {

constexpr std::uint64_t kMostUnpacked = std::uint64_t{1} << 20;

// Returns what zlib makes of a body that comes byte by byte, with one block after the other; nothing if it takes it for
// damaged, or if it is too long.
std::optional<std::string> UnpackedByZlib(std::string_view packed, http::Coding coding) {
  z_stream stream{};
  if (inflateInit2(&stream, http::WindowBitsOf(coding)) != Z_OK) return std::nullopt;
  std::string all;
  int code = Z_OK;
  for (const char byte : packed) {
    if (code == Z_STREAM_END && (coding != http::Coding::kGzip || inflateReset(&stream) != Z_OK)) code = Z_DATA_ERROR;
    auto next = static_cast<Bytef>(byte);
    stream.next_in = &next;
    stream.avail_in = 1;
    do {
      std::array<Bytef, 333> block{};
      stream.next_out = block.data();
      stream.avail_out = static_cast<uInt>(block.size());
      if (code != Z_DATA_ERROR) code = inflate(&stream, Z_NO_FLUSH);
      all.append(reinterpret_cast<const char*>(block.data()), block.size() - stream.avail_out);
    } while (code == Z_OK && stream.avail_out == 0);
    if (code == Z_BUF_ERROR) code = Z_OK;  // It has no more to tell until the next byte comes.
    if (code != Z_OK && code != Z_STREAM_END) break;
  }
  inflateEnd(&stream);
  return code == Z_STREAM_END && all.size() <= kMostUnpacked ? std::optional(all) : std::nullopt;
}

}  // namespace

std::string_view PackedBodyMistake(std::string_view input) {
  if (input.size() < 2) return "";
  const http::Coding coding = input.front() % 2 == 0 ? http::Coding::kGzip : http::Coding::kDeflate;
  MemoryBudget budget(8 * kMostUnpacked);
  BufferPool pool(budget, 0);
  http::Request request{.method = "POST",
                        .path = "/",
                        .fields = {{"content-encoding", std::string(NameOf(coding))}},
                        .body = input.substr(1),
                        .body_owner = nullptr,
                        .path_values = {},
                        .peer = ""};
  const auto refusal = UnpackBody({.pool = &pool, .body_bytes = kMostUnpacked}, request);
  const std::optional<std::string> expected = UnpackedByZlib(input.substr(1), coding);
  if (refusal) {
    if (expected) return "a whole body is refused";
    return budget.used() == 0 ? "" : "a refusal holds memory";
  }
  if (!expected || request.body != *expected) return "the body has other bytes";
  if (budget.used() < request.body.size()) return "the body is not in the budget";
  request.body_owner = nullptr;
  return budget.used() == 0 ? "" : "the budget is held in the end";
}

}  // namespace tensorferry::fuzz
