#include "rpc/call/encoded_response.h"

#include <algorithm>
#include <memory>

#include "base/status.h"

namespace tensorferry::rpc {

std::optional<OutgoingMessage> EncodedResponse::Next() {
  if (message_) return std::exchange(message_, std::nullopt);
  if (chunked_.empty()) return std::nullopt;
  inference::TensorElements& rest = chunked_.back();
  inference::TensorElements part = rest;
  part.bytes = rest.bytes.first(std::min(rest.bytes.size(), chunk_bytes_));
  rest.bytes = rest.bytes.subspan(part.bytes.size());
  if (rest.bytes.empty()) chunked_.pop_back();
  return encode_chunk_(part);
}

absl::Status EncodedResponse::Count(const PoolFor& pool) {
  TENSORFERRY_ASSIGN_OR_RETURN(MemoryBudget::Reservation counted, pool.Reserve(own_bytes()));
  if (message_) message_->Keep(std::make_shared<const MemoryBudget::Reservation>(std::move(counted)));
  return absl::OkStatus();
}

std::uint64_t EncodedResponse::nbytes() const {
  std::uint64_t sum = message_ ? message_->bytes().Length() : 0;
  for (const inference::TensorElements& tensor : chunked_) sum += tensor.bytes.size();
  return sum;
}

std::uint64_t EncodedResponse::messages() const {
  std::uint64_t count = message_ ? 1 : 0;
  for (const inference::TensorElements& tensor : chunked_) {
    count += (tensor.bytes.size() + chunk_bytes_ - 1) / chunk_bytes_;
  }
  return count;
}

}  // namespace tensorferry::rpc
