#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cuda/driver_api.h"

namespace tensorferry::cuda {

// Driver is NVIDIA's driver, ready to be called.
// Threads: any.
class Driver {
 public:
  // Loads and initialises the driver. It takes no memory of a GPU yet.
  // Errors: those of LoadDriverApi; BAD_SHARED_MEMORY if the driver finds no GPU, or does not work.
  static absl::StatusOr<std::unique_ptr<const Driver>> Load(const char* library = kDriverLibrary);
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;
  ~Driver();

  const DriverApi& api() const { return api_; }

  // Returns the primary context of the GPU `device`, which torch uses, too. The first call for a GPU may take a second.
  // It takes some hundred MB of the GPU's memory, which this object keeps until it is destroyed.
  // Errors: BAD_SHARED_MEMORY if there is no such GPU, or if it gives no context.
  absl::StatusOr<Context> ContextOf(std::int64_t device) const;

  // Returns what the driver says of `result`: BAD_SHARED_MEMORY, unless it is kSuccess. `what` says what failed.
  absl::Status Check(Result result, std::string_view what) const;

 private:
  explicit Driver(const DriverApi& api) : api_(api) {}

  const DriverApi api_;
  mutable std::mutex mutex_;
  mutable std::map<std::int64_t, Context> contexts_;  // By the number of the GPU.
};

// MaybeDriver is a driver, or the error that says why there is none.
using MaybeDriver = absl::StatusOr<std::unique_ptr<const Driver>>;

// CurrentContext makes a context that of the calling thread for as long as it exists, and then the former one again.
class CurrentContext {
 public:
  // Borrows `driver`.
  CurrentContext(const Driver& driver, Context context)
      : driver_(driver), pushed_(driver.api().context_push(context)) {}
  CurrentContext(const CurrentContext&) = delete;
  CurrentContext& operator=(const CurrentContext&) = delete;
  ~CurrentContext() {
    Context former = nullptr;
    if (pushed_ == kSuccess) driver_.api().context_pop(&former);
  }

  // Says whether the context is the current one.
  Result result() const { return pushed_; }

 private:
  const Driver& driver_;
  const Result pushed_;
};

}  // namespace tensorferry::cuda
