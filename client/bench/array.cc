#include "bench/array.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <random>
#include <span>

#include "base/text.h"
#include "payload/dtype_text.h"

namespace tensorferry::cli {
namespace {

// ItemsizeOf gives the bytes per element, and 1 for a dtype that this library does not know: the server refuses it.
std::uint64_t ItemsizeOf(const std::string& dtype) {
  const auto source = ParseDType(dtype, Fidelity::kConvert);
  return source.ok() ? Info(source->dtype).itemsize : 1;
}

// Pattern says which bits of eight random bytes are kept and which are set. It makes elements with which a model
// computes at its usual speed: no subnormal number, infinity or NaN, and no bool that would have to be normalised.
struct Pattern {
  std::uint64_t keep = ~std::uint64_t{0};
  std::uint64_t set = 0;
};

// A floating-point number keeps a random sign and significand; its exponent is set to that of numbers from 0.5 to 1.
Pattern PatternOf(const std::string& dtype) {
  const auto source = ParseDType(dtype, Fidelity::kConvert);
  if (!source.ok()) return {};
  switch (source->dtype) {
    case DType::kBool: return {.keep = 0x0101010101010101};
    case DType::kFloat16:
    case DType::kComplex32: return {.keep = 0x83FF83FF83FF83FF, .set = 0x3800380038003800};
    case DType::kBFloat16: return {.keep = 0x807F807F807F807F, .set = 0x3F003F003F003F00};
    case DType::kFloat32:
    case DType::kComplex64: return {.keep = 0x807FFFFF807FFFFF, .set = 0x3F0000003F000000};
    case DType::kFloat64:
    case DType::kComplex128: return {.keep = 0x800FFFFFFFFFFFFF, .set = 0x3FE0000000000000};
    default: return {};
  }
}

void FillRandom(std::span<std::byte> bytes, const Pattern& pattern) {
  std::mt19937_64 random(1);
  while (!bytes.empty()) {
    const std::uint64_t word = (random() & pattern.keep) | pattern.set;
    const std::size_t count = std::min(bytes.size(), sizeof(word));
    std::memcpy(bytes.data(), &word, count);
    bytes = bytes.subspan(count);
  }
}

// Fit gives the first open dimension (-1) of `shape` the size that makes `numel` elements in all, and each other open
// one 1. It returns nothing if there is no such size.
std::optional<std::vector<std::int64_t>> Fit(std::vector<std::int64_t> shape, std::int64_t numel) {
  const auto open = std::ranges::find(shape, -1);
  std::ranges::replace(shape, -1, 1);
  std::int64_t others = 1;
  for (const std::int64_t dim : shape) {
    if (__builtin_mul_overflow(others, dim, &others)) return std::nullopt;
  }
  if (others <= 0 || numel % others != 0) return std::nullopt;
  if (open != shape.end()) *open = numel / others;
  return open != shape.end() || numel == others ? std::optional(std::move(shape)) : std::nullopt;
}

}  // namespace

absl::Status BenchArrays::Fill(const std::vector<std::uint64_t>& sizes) {
  const std::uint64_t itemsize = ItemsizeOf(dtype_);
  for (const std::uint64_t size : sizes) {
    if (size % itemsize == 0) continue;
    return absl::InvalidArgumentError(
        fmt::format("--size {}: elements of {} have {} bytes each", SizeText(size), dtype_, itemsize));
  }
  const std::uint64_t largest = std::ranges::max(sizes);
  std::vector<std::byte> elements;
  try {
    elements.resize(largest);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(fmt::format("no memory here for {} of elements", SizeText(largest)));
  }
  FillRandom(elements, PatternOf(dtype_));
  elements_ = std::make_shared<const std::vector<std::byte>>(std::move(elements));
  return absl::OkStatus();
}

client::Array BenchArrays::Of(std::uint64_t nbytes) const {
  const auto numel = static_cast<std::int64_t>(nbytes / ItemsizeOf(dtype_));
  const bool has_shape = !input_.dtype.empty() || !input_.shape.empty();  // A model that says nothing has no scalar.
  const auto shape = has_shape ? Fit(input_.shape, numel) : std::nullopt;
  return {.name = input_.name.empty() ? "x" : input_.name,  // A model takes no array without a name.
          .dtype = dtype_,
          .shape = shape.value_or(std::vector{numel}),
          .bytes = std::span(*elements_).first(nbytes),
          .owner = elements_};
}

}  // namespace tensorferry::cli
