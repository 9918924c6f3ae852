#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "tensorferry/client/array.h"

namespace tensorferry::client {

// WritableArray is an array whose elements the caller writes, in memory that a server on the same machine can read
// without any copy. Client::Empty makes it.
//
// It is sent like any other array, by any client, as `array()`, or as a part of it: a copy of `array()` with another
// `shape`, and with `bytes` within those of `array()`. The first call that sends it in sealed memory seals the memory:
// the server reads what it holds at that time. The array can be used on: what is written to it later goes to pages of
// its own, which no server sees, and the next call copies the array or sends it in messages. An array that was not
// written to since is sent as it is, as often as it is asked for.
//
// Lifetime: the memory stays as long as this object, `array()`, or a copy of either.
// Threads:  any may read and send it. Nobody may write to it until a call that sends it has returned, or the answer of a
//           Stream is there.
class WritableArray {
 public:
  const Array& array() const { return array_; }

  // The elements are zeros at first. They begin at an address that is that of a page.
  std::span<std::byte> bytes() const { return bytes_; }

  // `T` is the type of the elements: `float` of an array of "float32".
  template <typename T>
  std::span<T> values() const {
    return {reinterpret_cast<T*>(bytes_.data()), bytes_.size() / sizeof(T)};
  }

 private:
  friend class Client;
  WritableArray(Array array, std::span<std::byte> bytes) : array_(std::move(array)), bytes_(bytes) {}

  Array array_;
  std::span<std::byte> bytes_;
};

}  // namespace tensorferry::client
