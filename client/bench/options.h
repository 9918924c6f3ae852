#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace tensorferry::cli {

// BenchMode says how the requests of `bench` travel.
enum class BenchMode : std::uint8_t {
  kUnary,   // Each request is a call.
  kStream,  // Each connection has one stream for all requests; the elements are inside the messages.
  kChunks,  // Each connection has one stream for one request at a time; its elements follow in chunks.
};

struct BenchModeInfo {
  BenchMode mode;
  std::string_view name;
  std::string_view default_sizes;
};

inline constexpr auto kBenchModes = std::to_array<BenchModeInfo>({
    {BenchMode::kUnary, "unary", "64B,4KiB,64KiB,1MiB,16MiB"},
    {BenchMode::kStream, "stream", "64B,4KiB,64KiB,1MiB,16MiB"},
    {BenchMode::kChunks, "chunks", "16MiB,256MiB"},
});

constexpr const BenchModeInfo& Info(BenchMode mode) { return kBenchModes.at(static_cast<std::size_t>(mode)); }

enum class Arrivals : std::uint8_t { kConstant, kPoisson };

// BenchOptions says what load `bench` makes.
struct BenchOptions {
  BenchMode mode = BenchMode::kUnary;
  std::vector<std::uint64_t> sizes;  // Bytes of elements per request; one size is measured after the other.
  bool sizes_given = false;          // The user has chosen them.
  bool digest = false;
  // Closed loop: requests per connection that wait for their answers at any time. Each of `swept` is measured, with that
  // number of `outstanding`.
  int outstanding = 1;
  std::vector<int> swept{1};
  std::optional<double> rate;  // Open loop: requests per second over all connections.
  Arrivals arrivals = Arrivals::kConstant;
  int connections = 1;
  std::chrono::milliseconds duration{5000};
  std::chrono::milliseconds warmup{1000};  // Before each size the load runs this long without being counted.
  // When the duration is over, `bench` waits this long for missing answers.
  std::chrono::milliseconds patience{10'000};
};

}  // namespace tensorferry::cli
