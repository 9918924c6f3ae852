#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "rpc/serve/async_call.h"

namespace tensorferry::rpc {

// WaitingCaller is a caller of whom nobody knows anything, and who waits for ever.
class WaitingCaller : public AsyncCall {
 public:
  std::string_view Metadata(std::string_view /*key*/) const override { return {}; }
  std::string Peer() const override { return {}; }
  std::string CertificateName() const override { return {}; }
  std::chrono::system_clock::time_point Deadline() const override {
    return std::chrono::system_clock::time_point::max();
  }
  bool IsCancelled() const override { return false; }
  void AddToAnswer(const std::string& /*key*/, const std::string& /*value*/) override {}
  void Cancel() override {}
};

}  // namespace tensorferry::rpc
