#include "http/outgoing_answer.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace tensorferry::http {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

}  // namespace

OutgoingAnswer::Buffers OutgoingAnswer::Begin(Response response, const Framing& framing, bool is_head) {
  response_ = std::move(response);
  head_ = ResponseHead(response_, framing);
  chunked_ = framing.version == kHttp11;
  piece_ = {};
  Buffers buffers{boost::asio::buffer(head_)};
  if (is_head) {
    DropStream();
    return buffers;
  }
  buffers.emplace_back(boost::asio::buffer(response_.body));
  for (const std::string_view piece : response_.pieces) buffers.emplace_back(piece.data(), piece.size());
  return buffers;
}

OutgoingAnswer::Buffers OutgoingAnswer::Continue(std::optional<BodyStream::Piece> piece) {
  if (!piece) DropStream();
  piece_ = std::move(piece).value_or(BodyStream::Piece{});
  std::size_t nbytes = 0;
  for (const std::string_view bytes : piece_.bytes) nbytes += bytes.size();
  chunk_head_ = fmt::format("{:x}{}", nbytes, kLineEnd);
  Buffers buffers;
  if (chunked_) buffers.push_back(boost::asio::buffer(chunk_head_));
  for (const std::string_view bytes : piece_.bytes) buffers.emplace_back(bytes.data(), bytes.size());
  if (chunked_) buffers.push_back(boost::asio::buffer(kLineEnd));
  return buffers;
}

}  // namespace tensorferry::http
