#include <cstdint>
#include <string>
#include <vector>

#include "fuzz/properties.h"
#include "testing/cut_message.h"
#include "testing/infer_views.h"
#include "testing/wire_bytes.h"

namespace tensorferry::fuzz {
namespace {

using Request = triton::ModelInferRequest;

// Wrapped gives the mutated fields the right lengths, so that mutations get past those.
std::string Wrapped(unsigned wrapping, std::string_view bytes) {
  switch (wrapping % 4) {
    case 0: return std::string(bytes);
    case 1: return BytesField(Request::kParametersFieldNumber, bytes);
    case 2: return BytesField(Request::kInputsFieldNumber, bytes);
    default:
      return BytesField(Request::kInputsFieldNumber,
                        BytesField(Request::InferInputTensor::kParametersFieldNumber, BytesField(2, bytes)));
  }
}

}  // namespace

std::string_view InferReaderMistake(std::string_view input) {
  if (input.empty()) return "";
  const auto first = static_cast<std::uint8_t>(input.front());
  const std::string_view lengths = input.substr(1, first / 4);
  const std::string message = Wrapped(first, input.substr(1 + lengths.size()));

  std::vector<std::size_t> piece_lengths;
  for (const char length : lengths) piece_lengths.push_back(static_cast<std::uint8_t>(length));
  const CutMessage cut(message, piece_lengths);
  const ProtobufInferReading expected(message);
  const std::string_view mistake = Mistake(InPlaceInferReading(cut.pieces()), expected);
  return mistake.empty() ? InferDecoderMistake(cut.pieces(), expected) : mistake;
}

}  // namespace tensorferry::fuzz
