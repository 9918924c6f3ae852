#pragma once

#include <string>
#include <utility>

#include "base/memory_peer.h"

namespace tensorferry {

class NamedPeer final : public MemoryPeer {
 public:
  explicit NamedPeer(std::string name) : name_(std::move(name)) {}
  std::string memory_name() const override { return name_; }

 private:
  const std::string name_;
};

}  // namespace tensorferry
