#include "web/grpc_web_frames.h"

#include <fmt/format.h>

#include "absl/strings/escaping.h"

namespace tensorferry::web {
namespace {

constexpr std::size_t kHeadBytes = FrameHead().size();
constexpr char kTrailersFlag = '\x80';
constexpr std::string_view kBinarySuffix = "-bin";

http::Problem BadFrame(std::string_view message, std::string expected, std::string actual) {
  return {.status = 400,
          .message = fmt::format("the body is no gRPC-Web: {}", message),
          .expected = std::move(expected),
          .actual = std::move(actual)};
}

FrameHead HeadOf(char flags, std::uint32_t nbytes) {
  FrameHead head{flags};
  for (std::size_t i = 1; i < kHeadBytes; ++i) {
    constexpr unsigned kByteBits = 8;
    head[i] = static_cast<char>((nbytes >> (kByteBits * (kHeadBytes - 1 - i))) & 0xFFU);
  }
  return head;
}

// Returns a message as gRPC's field grpc-message has it: what is no printable ASCII is percent-encoded.
std::string PercentEncoded(std::string_view text) {
  std::string encoded;
  for (const char byte : text) {
    if (byte >= ' ' && byte <= '~' && byte != '%') {
      encoded += byte;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(byte));
    }
  }
  return encoded;
}

}  // namespace

FrameHead MessageHead(std::uint32_t nbytes) { return HeadOf(0, nbytes); }

std::variant<std::vector<std::string_view>, http::Problem> ReadMessages(std::string_view body) {
  std::vector<std::string_view> messages;
  while (!body.empty()) {
    if (body.size() < kHeadBytes) {
      return BadFrame("it ends within the head of a frame", fmt::format("{} bytes", kHeadBytes),
                      fmt::format("{} bytes", body.size()));
    }
    if (body.front() != 0) {
      return BadFrame("only messages that are not compressed are taken", "a frame with flags 0",
                      fmt::format("a frame with flags {}", static_cast<unsigned char>(body.front())));
    }
    std::uint32_t nbytes = 0;
    for (const char byte : body.substr(1, kHeadBytes - 1)) nbytes = nbytes << 8U | static_cast<unsigned char>(byte);
    body.remove_prefix(kHeadBytes);
    if (nbytes > body.size()) {
      return BadFrame("it ends within a message", fmt::format("{} bytes", nbytes),
                      fmt::format("{} bytes", body.size()));
    }
    messages.push_back(body.substr(0, nbytes));
    body.remove_prefix(nbytes);
  }
  return messages;
}

std::string TrailersFrame(const grpc::Status& status, const std::multimap<std::string, std::string>& metadata) {
  std::string trailers = fmt::format("grpc-status:{}\r\n", static_cast<int>(status.error_code()));
  if (!status.error_message().empty()) {
    trailers += fmt::format("grpc-message:{}\r\n", PercentEncoded(status.error_message()));
  }
  for (const auto& [key, value] : metadata) {
    trailers += fmt::format("{}:{}\r\n", key, key.ends_with(kBinarySuffix) ? absl::Base64Escape(value) : value);
  }
  const FrameHead head = HeadOf(kTrailersFlag, static_cast<std::uint32_t>(trailers.size()));
  return std::string(head.data(), head.size()) + trailers;
}

}  // namespace tensorferry::web
