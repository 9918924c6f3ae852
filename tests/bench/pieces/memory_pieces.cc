// These pieces take a buffer for the elements of one array, and give it back.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <limits>

#include "base/buffer_pool.h"

namespace tensorferry {
namespace {

constexpr std::uint64_t kPlenty = std::numeric_limits<std::uint64_t>::max();

void PoolTakeAndGiveBack(benchmark::State& state) {
  MemoryBudget budget(kPlenty);
  BufferPool pool(budget, kPlenty);
  for (auto _ : state) benchmark::DoNotOptimize(pool.Take(static_cast<std::size_t>(state.range(0))));
}
BENCHMARK(PoolTakeAndGiveBack)->Arg(64)->Arg(4 << 10)->Arg(16 << 20);

void MallocAndFree(benchmark::State& state) {
  for (auto _ : state) {
    void* const memory = std::aligned_alloc(64, static_cast<std::size_t>(state.range(0)));
    benchmark::DoNotOptimize(memory);
    std::free(memory);
  }
}
BENCHMARK(MallocAndFree)->Arg(64)->Arg(4 << 10)->Arg(16 << 20);

}  // namespace
}  // namespace tensorferry
