// These pieces copy elements into their place, and read dtypes.
#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "payload/dtype_text.h"
#include "payload/element_copy.h"

namespace tensorferry {
namespace {

void Sizes(benchmark::internal::Benchmark* benchmark) { benchmark->Arg(4 << 10)->Arg(1 << 20)->Arg(16 << 20); }

void CountBytes(benchmark::State& state) { state.SetBytesProcessed(state.iterations() * state.range(0)); }

void Memcpy(benchmark::State& state) {
  const auto nbytes = static_cast<std::size_t>(state.range(0));
  const std::vector<std::byte> source(nbytes, std::byte{1});
  std::vector<std::byte> destination(nbytes);
  for (auto _ : state) {
    std::memcpy(destination.data(), source.data(), nbytes);
    benchmark::ClobberMemory();
  }
  CountBytes(state);
}
BENCHMARK(Memcpy)->Apply(Sizes);

void Copy(benchmark::State& state, std::string_view dtype, bool digest) {
  const auto nbytes = static_cast<std::size_t>(state.range(0));
  const std::vector<std::byte> source(nbytes, std::byte{1});
  std::vector<std::byte> destination(nbytes);
  const std::size_t itemsize = Info(ParseDType(dtype, Fidelity::kConvert)->dtype).itemsize;
  const auto numel = static_cast<std::int64_t>(nbytes / itemsize);
  const auto header =
      ArrayHeader::Make({.dtype = dtype, .shape = {&numel, 1}}, Fidelity::kConvert, {.max_tensor_bytes = nbytes});
  for (auto _ : state) {
    DigestStream stream;
    ElementCopier copier(*header, Fidelity::kConvert, destination.data(), digest ? &stream : nullptr);
    if (!copier.Append(source).ok()) state.SkipWithError("refused");
    if (digest) benchmark::DoNotOptimize(stream.Finish());
    benchmark::ClobberMemory();
  }
  CountBytes(state);
}
BENCHMARK_CAPTURE(Copy, plain, "<f4", false)->Apply(Sizes);
BENCHMARK_CAPTURE(Copy, swapped, ">f4", false)->Apply(Sizes);
BENCHMARK_CAPTURE(Copy, digest, "<f4", true)->Apply(Sizes);
BENCHMARK_CAPTURE(Copy, swapped_digest, ">f4", true)->Apply(Sizes);
BENCHMARK_CAPTURE(Copy, bools, "|b1", false)->Apply(Sizes);

void ReadDType(benchmark::State& state, std::string_view text) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(text);
    benchmark::DoNotOptimize(ParseDType(text, Fidelity::kConvert));
  }
}
BENCHMARK_CAPTURE(ReadDType, descr, "<f4");
BENCHMARK_CAPTURE(ReadDType, name, "float32");
BENCHMARK_CAPTURE(ReadDType, last_name, "complex32");

}  // namespace
}  // namespace tensorferry
