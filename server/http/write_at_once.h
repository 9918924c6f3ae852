#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>

#include "http/outgoing_answer.h"

namespace tensorferry::http {

inline constexpr std::size_t kShortAnswer = std::size_t{16} << 10;

// Writes of a short answer what the system takes without waiting, which is cheaper, and returns how many bytes those are.
// An error is left to the next write.
inline std::size_t WriteAtOnce(boost::asio::ip::tcp::socket& socket, const OutgoingAnswer::Buffers& buffers) {
  boost::system::error_code ignored;
  return boost::asio::buffer_size(buffers) <= kShortAnswer ? socket.write_some(buffers, ignored) : 0;
}

// With TLS all is left to the next write.
template <typename Stream>
std::size_t WriteAtOnce(Stream& /*stream*/, const OutgoingAnswer::Buffers& /*buffers*/) {
  return 0;
}

}  // namespace tensorferry::http
