#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "payload/scattered_bytes.h"

namespace tensorferry {

// CutMessage is a message in pieces. Each piece is an allocation of exactly its size, so that AddressSanitizer sees
// what is read beyond it.
class CutMessage {
 public:
  // Cuts `message` into pieces of `lengths`, as far as it goes; the rest of it is the last piece.
  CutMessage(std::string_view message, std::span<const std::size_t> lengths) {
    for (const std::size_t length : lengths) {
      const std::string_view piece = message.substr(0, length);
      Add(piece);
      message.remove_prefix(piece.size());
    }
    Add(message);
  }

  static CutMessage InSingleBytes(std::string_view message) {
    return CutMessage(message, std::vector<std::size_t>(message.size(), 1));
  }

  std::span<const Bytes> pieces() const { return pieces_; }

 private:
  void Add(std::string_view piece) {
    std::byte* const bytes = memory_.emplace_back(std::make_unique<std::byte[]>(piece.size())).get();
    std::ranges::copy(std::as_bytes(std::span(piece)), bytes);
    pieces_.emplace_back(bytes, piece.size());
  }

  std::vector<std::unique_ptr<std::byte[]>> memory_;
  std::vector<Bytes> pieces_;
};

// CutEverywhere cuts `message` once at every place, without and with an empty piece there, and into single bytes.
inline std::vector<CutMessage> CutEverywhere(const std::string& message) {
  std::vector<CutMessage> cuts;
  for (std::size_t place = 0; place <= message.size(); ++place) {
    cuts.emplace_back(message, std::array{place});
    cuts.emplace_back(message, std::array{place, std::size_t{0}});
  }
  cuts.push_back(CutMessage::InSingleBytes(message));
  return cuts;
}

}  // namespace tensorferry
