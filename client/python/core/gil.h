#pragma once

#include <Python.h>
#include <cxxabi.h>
#include <unistd.h>

namespace tensorferry::core {

// StayAtExit takes the GIL by `take`. Before version 3.14 Python ends a thread that asks for it while the interpreter
// ends, as pthread_exit does: by unwinding, which would end the process at the first destructor on its way. Here the
// thread waits for the end of the process instead, as Python itself has it do since then.
template <typename Take>
void StayAtExit(Take take) {
  try {
    take();
  } catch (abi::__forced_unwind&) {
    while (true) pause();
  }
}

// WithoutGil lets other threads run Python while it is there. Its maker has the GIL.
class WithoutGil {
 public:
  WithoutGil() : state_(PyEval_SaveThread()) {}
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;
  ~WithoutGil() {
    StayAtExit([this] { PyEval_RestoreThread(state_); });
  }

 private:
  PyThreadState* const state_;
};

// WithGil has the GIL while it is there.
class WithGil {
 public:
  WithGil() {
    StayAtExit([this] { state_ = PyGILState_Ensure(); });
  }
  WithGil(const WithGil&) = delete;
  WithGil& operator=(const WithGil&) = delete;
  ~WithGil() { PyGILState_Release(state_); }

 private:
  PyGILState_STATE state_{};
};

}  // namespace tensorferry::core
