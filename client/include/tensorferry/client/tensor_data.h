#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace tensorferry::client {

// TensorData are the elements of a tensor that a server sent back, as bytes that nobody changes. They lie in a string, or
// in memory that this process shares with a server on the same machine, where the server has written them.
//
// Lifetime: the bytes stay where they are as long as this object or a copy of it is there; copies are cheap, as they share
//           the bytes. Neither needs the Client that they came from. Shared memory takes a later answer once the tensors
//           of this one are gone. Each of 64 KiB and more keeps the memory of all: copy what is to be kept for long.
// Threads:  any.
class TensorData {
 public:
  TensorData() = default;  // No bytes.

  // Takes the string over.
  TensorData(std::string bytes) {
    auto owner = std::make_shared<const std::string>(std::move(bytes));
    bytes_ = std::as_bytes(std::span(*owner));
    owner_ = std::move(owner);
  }

  // Views `bytes`, which `owner` keeps where they are and as they are.
  TensorData(std::span<const std::byte> bytes, std::shared_ptr<const void> owner)
      : bytes_(bytes), owner_(std::move(owner)) {}

  const char* data() const { return reinterpret_cast<const char*>(bytes_.data()); }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  std::span<const std::byte> bytes() const { return bytes_; }
  operator std::string_view() const { return {data(), size()}; }

  // `T` is the type of the elements: `float` of a tensor of "float32".
  template <typename T>
  std::span<const T> values() const {
    return {reinterpret_cast<const T*>(bytes_.data()), bytes_.size() / sizeof(T)};
  }

  friend bool operator==(const TensorData& a, const TensorData& b) {
    return std::string_view(a) == std::string_view(b);
  }
  template <std::convertible_to<std::string_view> Text>
  requires(!std::same_as<Text, TensorData>) friend bool operator==(const TensorData& a, const Text& b) {
    return std::string_view(a) == std::string_view(b);
  }

 private:
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
};

}  // namespace tensorferry::client
