#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "inference/engine/exported_json.h"

namespace tensorferry::inference {

// PickleBytes reads numbers and texts one after the other. Each function throws WrongProgram where the bytes end.
// Lifetime: the text outlives this object.
class PickleBytes {
 public:
  explicit PickleBytes(std::string_view text) : rest_(text) {}

  std::uint8_t Byte() { return static_cast<std::uint8_t>(Take(1).front()); }

  void Skip(std::size_t nbytes) { Take(nbytes); }

  // Reads a number of at most 7 bytes, the lowest first.
  std::int64_t Unsigned(std::size_t nbytes) { return static_cast<std::int64_t>(Bits(nbytes)); }

  // Reads a number in two's complement, the lowest byte first.
  std::int64_t Signed(std::size_t nbytes) {
    if (nbytes > 8) throw WrongProgram("a whole number does not fit 64 bits");
    if (nbytes == 0) return 0;
    const std::size_t unused = 64 - 8 * nbytes;
    return static_cast<std::int64_t>(Bits(nbytes) << unused) >> unused;
  }

  // Reads a text behind its size, which has so many bytes.
  std::string Text(std::size_t size_nbytes) { return std::string(Take(Bits(size_nbytes))); }

  // Reads a text until the line ends.
  std::string Line() {
    const std::size_t end = rest_.find('\n');
    if (end == std::string_view::npos) throw WrongProgram("it ends too early");
    std::string line(Take(end));
    Skip(1);
    return line;
  }

 private:
  std::string_view Take(std::size_t nbytes) {
    if (rest_.size() < nbytes) throw WrongProgram("it ends too early");
    const std::string_view taken = rest_.substr(0, nbytes);
    rest_.remove_prefix(nbytes);
    return taken;
  }

  std::uint64_t Bits(std::size_t nbytes) {
    std::uint64_t bits = 0;
    const std::string_view bytes = Take(nbytes);
    for (std::size_t i = nbytes; i > 0; --i) bits = bits << 8 | static_cast<std::uint8_t>(bytes[i - 1]);
    return bits;
  }

  std::string_view rest_;
};

}  // namespace tensorferry::inference
