#pragma once

#include <string>

#include "base/memory_peer.h"
#include "http/message.h"

namespace tensorferry::web {

// WebPeer is the caller of a request over HTTP, for whom memory is counted that the request and its answer take. It may
// outlive the request.
class WebPeer final : public MemoryPeer {
 public:
  explicit WebPeer(const http::Request& request) : name_(MemoryNameOf(request.certificate, request.peer)) {}
  std::string memory_name() const override { return name_; }

 private:
  std::string name_;
};

}  // namespace tensorferry::web
