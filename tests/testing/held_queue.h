// Tags for tests of serving queues whose thread is held up.
#pragma once

#include <future>

#include "rpc/serve/operation.h"

namespace tensorferry::rpc {

// Hold keeps the thread of its queue until `go_on`.
class Hold final : public Tag {
 public:
  void Complete(bool /*ok*/) override {
    held.set_value();
    go_on.get_future().wait();
    ended.set_value();
  }
  std::promise<void> held, go_on, ended;
};

class Served final : public Tag {
 public:
  void Complete(bool /*ok*/) override { done.set_value(); }
  std::promise<void> done;
};

}  // namespace tensorferry::rpc
