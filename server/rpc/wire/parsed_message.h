#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <string>
#include <vector>

#include "payload/scattered_bytes.h"

namespace tensorferry::rpc {

// What protobuf's parser made of a message, if it was needed; elements that were decoded may be there.
struct ParsedMessage {
  std::unique_ptr<google::protobuf::Message> message;
  std::vector<Bytes> pieces;
  std::vector<std::string> contents;  // Elements in a form that the message did not have.
};

}  // namespace tensorferry::rpc
