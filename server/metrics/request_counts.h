#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/reason.h"
#include "metrics/cells.h"
#include "metrics/families.h"
#include "payload/dtype.h"

namespace tensorferry::metrics {

// MethodName is a method as the labels of its series name it.
struct MethodName {
  std::string service;  // "tensorferry.v1.TensorService"
  std::string method;   // "Convert"
  std::string type;     // "unary", "server_stream" or "bidi_stream".
};

enum class Stage : std::uint8_t { kReceive, kConvert, kQueue, kCompute, kSend };
inline constexpr auto kStages = std::to_array<std::string_view>({"receive", "convert", "queue", "compute", "send"});

// RequestCounts counts requests. All series exist from the start, so that none can be added from outside, and to count
// takes neither a lock nor memory.
// Threads: any.
class RequestCounts final : public Source {
 private:
  // 1 µs to 67 s for the stages of requests, 1 KiB to 4 GiB for arrays.
  static constexpr Buckets kStageBuckets{.unit = 1'000, .log2_step = 2, .count = 14};
  static constexpr Buckets kSizeBuckets{.unit = 1 << 10, .log2_step = 2, .count = 12};
  static constexpr std::size_t kCodes = 17;  // gRPC's, from OK to UNAUTHENTICATED.

  struct MethodCells {
    Cell started, received, sent;
    HistogramCells<kRequestTimes> seconds;
    std::array<Cell, kCodes> handled;
  };
  struct TensorCells {
    Cell equal, mismatched;
  };
  struct Cells {
    std::unique_ptr<MethodCells[]> methods;
    Cell bytes_in, bytes_out, tensor_bytes_in, tensor_bytes_out;
    std::array<HistogramCells<kStageBuckets>, kStages.size()> stages;
    HistogramCells<kSizeBuckets> sizes;
    std::array<TensorCells, kDTypes.size()> tensors;
    std::array<Cell, kReasons.size()> reasons;
  };

 public:
  // Methods are known by their places in `methods` from then on.
  explicit RequestCounts(std::vector<MethodName> methods);

  void Start(std::size_t method) { cells_.OfThisThread().methods[method].started.Add(); }

  // Counter counts what is known of one request at its end.
  // Lifetime: used at once, on one thread.
  class Counter {
   public:
    void End(std::size_t method, absl::StatusCode code, std::chrono::nanoseconds duration);
    void Messages(std::size_t method, std::uint64_t received, std::uint64_t sent);
    void Bytes(std::uint64_t received, std::uint64_t sent);
    void Refusal(Reason reason);
    void SpentIn(Stage stage, std::chrono::nanoseconds duration);
    void Tensor(DType dtype, bool dtype_equal, std::uint64_t nbytes);
    void SentElements(std::uint64_t nbytes);

   private:
    friend class RequestCounts;
    explicit Counter(Cells& cells) : cells_(cells) {}
    Cells& cells_;
  };
  Counter OnThisThread() { return Counter(cells_.OfThisThread()); }

  void Collect(Families& families) const override;

 private:
  void CollectMethod(std::size_t method, Families& families) const;
  void CollectReasons(Families& families) const;
  void CollectTensors(Families& families) const;
  void CollectBytes(Families& families) const;
  void CollectStages(Families& families) const;
  template <typename CellOf>
  double Sum(CellOf&& cell_of) const;

  const std::vector<MethodName> methods_;
  Sharded<Cells> cells_;
};

inline std::uint64_t Nanoseconds(std::chrono::nanoseconds duration) {
  return duration.count() < 0 ? 0 : static_cast<std::uint64_t>(duration.count());
}

inline void RequestCounts::Counter::End(std::size_t method, absl::StatusCode code, std::chrono::nanoseconds duration) {
  MethodCells& cells = cells_.methods[method];
  cells.handled[std::min(static_cast<std::size_t>(code), kCodes - 1)].Add();
  cells.seconds.Observe(Nanoseconds(duration));
}

inline void RequestCounts::Counter::Messages(std::size_t method, std::uint64_t received, std::uint64_t sent) {
  cells_.methods[method].received.Add(received);
  cells_.methods[method].sent.Add(sent);
}

inline void RequestCounts::Counter::Bytes(std::uint64_t received, std::uint64_t sent) {
  cells_.bytes_in.Add(received);
  cells_.bytes_out.Add(sent);
}

inline void RequestCounts::Counter::Refusal(Reason reason) { cells_.reasons[static_cast<std::size_t>(reason)].Add(); }

inline void RequestCounts::Counter::SpentIn(Stage stage, std::chrono::nanoseconds duration) {
  cells_.stages[static_cast<std::size_t>(stage)].Observe(Nanoseconds(duration));
}

inline void RequestCounts::Counter::Tensor(DType dtype, bool dtype_equal, std::uint64_t nbytes) {
  TensorCells& tensors = cells_.tensors[static_cast<std::size_t>(dtype)];
  (dtype_equal ? tensors.equal : tensors.mismatched).Add();
  cells_.tensor_bytes_in.Add(nbytes);
  cells_.sizes.Observe(nbytes);
}

inline void RequestCounts::Counter::SentElements(std::uint64_t nbytes) { cells_.tensor_bytes_out.Add(nbytes); }

}  // namespace tensorferry::metrics
