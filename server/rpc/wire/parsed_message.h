#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <string>
#include <vector>

#include "payload/scattered_bytes.h"

namespace tensorferry::rpc {

// What protobuf's parser made of a message, if it was needed, and what the views of it borrow.
struct ParsedMessage {
  std::unique_ptr<google::protobuf::Message> message;
  std::vector<Bytes> pieces;          // Where the elements lie in `message`.
  std::vector<std::string> contents;  // Elements that were converted from another form in `message`.
};

}  // namespace tensorferry::rpc
