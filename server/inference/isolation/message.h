// Messages between the server and a worker: numbers and texts, one after another. Both ends are the same program, so a
// message carries no names, versions or types.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"

namespace tensorferry::inference {

class MessageWriter {
 public:
  template <typename Number>
  requires std::is_arithmetic_v<Number> || std::is_enum_v<Number>
  void Put(Number number) { bytes_.append(reinterpret_cast<const char*>(&number), sizeof(number)); }
  void Put(std::string_view text);
  void Put(const std::vector<std::int64_t>& numbers);

  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// MessageReader reads what a MessageWriter has written. A message that ends too early, or has more bytes, makes
// `Finish` fail; what was read from it until then is zeros and empty texts.
// Lifetime: borrows `bytes`, and so do the texts that it returns.
class MessageReader {
 public:
  explicit MessageReader(std::string_view bytes) : rest_(bytes) {}

  template <typename Number>
  requires std::is_arithmetic_v<Number> Number Get() {
    Number number{};
    const std::string_view bytes = Take(sizeof(number));
    if (bytes.size() == sizeof(number)) std::memcpy(&number, bytes.data(), sizeof(number));
    return number;
  }
  bool GetBool() { return Get<std::uint8_t>() != 0; }
  std::string_view GetText();
  std::vector<std::int64_t> GetNumbers();

  // Returns a count of things that take at least one byte each, so that a loop over them ends with the message.
  std::size_t GetCount();

  // Errors: INTERNAL if the message was shorter or longer than what was read from it.
  absl::Status Finish() const;

 private:
  std::string_view Take(std::size_t nbytes);

  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace tensorferry::inference
