#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <string>
#include <vector>

#include "base/memory_budget.h"
#include "payload/scattered_bytes.h"

namespace tensorferry::rpc {

// ParsedMessage is what protobuf's parser made of a message, if it was needed, with the memory that the views of the
// message borrow.
struct ParsedMessage {
  std::unique_ptr<google::protobuf::Message> message;
  std::vector<Bytes> pieces;          // The places of the elements in `message`.
  std::vector<std::string> contents;  // Elements that had another form in `message`, and were converted.
  MemoryBudget::Reservation counted;  // What the memory budget has admitted of it.

  // Gives the memory back, if there is any, as there is for few messages.
  void Clear() {
    if (message != nullptr || pieces.capacity() > 0 || contents.capacity() > 0) [[unlikely]]
      *this = {};
  }
};

}  // namespace tensorferry::rpc
