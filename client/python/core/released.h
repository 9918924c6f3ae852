#pragma once

#include <Python.h>

#include <mutex>
#include <vector>

namespace tensorferry::core {

// Buffer is a borrowed view of a Python object's memory, which stays where it is until the view is released.
using Buffer = Py_buffer*;

// Released collects the buffers that gRPC is done with. gRPC says so in threads of its own, which must not wait for the
// GIL: the next call into the module gives the memory back.
// Threads: any; only Drain needs the GIL.
class Released {
 public:
  void Add(Buffer buffer) {
    const std::scoped_lock lock(mutex_);
    buffers_.push_back(buffer);
  }

  void Drain() {
    std::vector<Buffer> buffers;
    {
      const std::scoped_lock lock(mutex_);
      buffers.swap(buffers_);
    }
    for (const Buffer buffer : buffers) {
      PyBuffer_Release(buffer);
      delete buffer;
    }
  }

 private:
  std::mutex mutex_;
  std::vector<Buffer> buffers_;
};

// TheReleased returns the one of the process. It is never destroyed: gRPC's threads may outlive the module.
Released& TheReleased();

}  // namespace tensorferry::core
