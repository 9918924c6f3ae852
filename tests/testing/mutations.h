// These functions make random messages, change them at random places, and cut them anywhere.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "testing/cut_message.h"
#include "testing/wire_bytes.h"

namespace tensorferry {

// Random gives equal numbers on every machine, which the standard's distributions do not promise.
class Random {
 public:
  std::size_t Below(std::size_t bound) { return bound == 0 ? 0 : numbers_() % bound; }
  bool OneIn(std::size_t count) { return Below(count) == 0; }
  char Byte() { return static_cast<char>(Below(256)); }
  std::int64_t Int64() { return static_cast<std::int64_t>(numbers_() >> Below(64)); }

  std::string Ascii(std::size_t max_length) {
    std::string text(Below(max_length + 1), '\0');
    for (char& c : text) c = static_cast<char>(Below(128));
    return text;
  }

  std::string Bytes(std::size_t max_length) {
    std::string bytes(Below(max_length + 1), '\0');
    for (char& byte : bytes) byte = Byte();
    return bytes;
  }

 private:
  std::mt19937_64 numbers_{1};
};

inline void Mutate(std::string& message, Random& random) {
  const std::size_t place = random.Below(message.size());
  const std::string span = message.substr(place, 1 + random.Below(20));
  switch (random.Below(8)) {
    case 0: message.insert(place, 1, random.Byte()); break;
    case 1: message.insert(random.Below(message.size()), span); break;  // Duplicate.
    case 2: message.erase(place, span.size()); break;
    case 3: message.resize(place); break;
    case 4: message += VarintField(1 + static_cast<int>(random.Below(100)), random.Below(1000)); break;
    default:
      if (message.empty()) return;
      if (random.OneIn(2)) {
        message[place] = static_cast<char>(message[place] ^ 1 << random.Below(8));
      } else {
        message[place] = random.Byte();
      }
  }
}

inline CutMessage RandomlyCut(const std::string& message, Random& random) {
  if (random.OneIn(8)) return CutMessage::InSingleBytes(message);
  std::vector<std::size_t> lengths(random.Below(5));
  for (std::size_t& length : lengths) length = random.Below(message.size() + 1);
  return CutMessage(message, lengths);
}

}  // namespace tensorferry
