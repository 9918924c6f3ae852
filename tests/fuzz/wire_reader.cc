#include <cstdint>
#include <string>
#include <vector>

#include "fuzz/properties.h"
#include "testing/cut_message.h"
#include "testing/request_views.h"
#include "testing/wire_bytes.h"

namespace tensorferry::fuzz {
namespace {

struct Message {
  std::string bytes;
  MessageKind kind;
};

// Wrapped gives the mutated fields the right lengths, so that mutations get past those.
Message Wrapped(unsigned wrapping, std::string_view bytes) {
  switch (wrapping % 4) {
    case 0: return {std::string(bytes), MessageKind::kConvertRequest};
    case 1: return {std::string(bytes), MessageKind::kConvertStreamRequest};
    case 2:
      return {BytesField(v1::ConvertStreamRequest::kRequestFieldNumber, bytes), MessageKind::kConvertStreamRequest};
    default: return {BytesField(v1::ConvertRequest::kArraysFieldNumber, bytes), MessageKind::kConvertRequest};
  }
}

}  // namespace

std::string_view WireReaderMistake(std::string_view input) {
  if (input.empty()) return "";
  const auto first = static_cast<std::uint8_t>(input.front());
  const std::string_view lengths = input.substr(1, first / 4);
  const auto [message, kind] = Wrapped(first, input.substr(1 + lengths.size()));

  std::vector<std::size_t> piece_lengths;
  for (const char length : lengths) piece_lengths.push_back(static_cast<std::uint8_t>(length));
  return DecoderMistake(CutMessage(message, piece_lengths).pieces(), kind, ProtobufReading(message, kind));
}

}  // namespace tensorferry::fuzz
