#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tensorferry {

// MemoryPeer is somebody for whom memory is reserved: a caller, on one connection or on many.
// Threads: any.
class MemoryPeer {
 public:
  virtual ~MemoryPeer() = default;

  // Returns the peer's name, the same for all that it asks for. Empty: nobody knows who it is. Called only while much of
  // the memory budget is in use.
  virtual std::string memory_name() const = 0;

  // Returns the bytes that the peer's request has of the memory budget before its arrays are taken in, such as a body of
  // HTTP. Called only once memory has been refused.
  virtual std::uint64_t held_bytes() const { return 0; }
};

// Returns the name of a caller: that of the certificate which it has shown, cut to 256 bytes, wherever it calls from; else
// its address without the port. All callers of unix: addresses have one name, as nobody tells them apart. `address` is
// HOST:PORT, begins with "unix", or is empty if nobody knows it.
std::string MemoryNameOf(std::string_view certificate, std::string_view address);

}  // namespace tensorferry
