#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace tensorferry::cli {

// How the requests of `bench` travel.
enum class BenchMode : std::uint8_t {
  kUnary,   // A call each.
  kStream,  // Pipelined on one stream per connection, the elements inside.
  kChunks,  // One at a time on a stream, the elements in chunks behind it.
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

// What load `bench` makes.
struct BenchOptions {
  BenchMode mode = BenchMode::kUnary;
  std::vector<std::uint64_t> sizes;  // Bytes of elements of each request; measured one after the other.
  bool digest = false;
  int outstanding = 1;         // Closed loop: requests per connection that wait for their answers at any time.
  std::optional<double> rate;  // Open loop: requests per second over all connections.
  Arrivals arrivals = Arrivals::kConstant;
  int connections = 1;
  std::chrono::milliseconds duration{5000};
  std::chrono::milliseconds warmup{1000};  // The same load, for each size, which is not counted.
  // How long answers may be missing when the duration is over.
  std::chrono::milliseconds patience{10'000};
};

}  // namespace tensorferry::cli
