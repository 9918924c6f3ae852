#pragma once

#include <boost/asio/buffer.hpp>
#include <optional>
#include <string>
#include <vector>

#include "http/message.h"
#include "http/response_head.h"

namespace tensorferry::http {

// OutgoingAnswer is an answer on its way. It keeps what is being written.
class OutgoingAnswer {
 public:
  using Buffers = std::vector<boost::asio::const_buffer>;

  // Begins with another answer. `is_head`: the peer wants the head alone. Returns what is written first.
  Buffers Begin(Response response, const Framing& framing, bool is_head);

  // Returns what is written for a piece of the answer's stream, or for its end, behind which there is no stream.
  Buffers Continue(std::optional<BodyStream::Piece> piece);

  // Null: all that is to be written was returned.
  BodyStream* stream() const { return response_.stream.get(); }

  // Lets the stream go, which ends it.
  void DropStream() { response_.stream = nullptr; }

 private:
  Response response_;
  std::string head_;
  bool chunked_ = false;
  BodyStream::Piece piece_;
  std::string chunk_head_;
};

}  // namespace tensorferry::http
