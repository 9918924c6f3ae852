#include "inference/repository/random_data.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/view_as_real.h>

#include <algorithm>

namespace tensorferry::inference {
namespace {

constexpr std::uint64_t kSeed = 1;
constexpr std::int64_t kPart = 1 << 18;  // Elements that are made at once, in a dtype that torch's generator has.

// Returns the dtype in which numbers for `dtype` are made.
at::ScalarType MadeIn(at::ScalarType dtype) {
  if (!at::isFloatingType(dtype)) return at::kByte;
  return dtype == at::kDouble ? at::kDouble : at::kFloat;
}

}  // namespace

void FillRandom(at::Tensor& tensor) {
  const at::Tensor numbers = (tensor.is_complex() ? at::view_as_real(tensor) : tensor).view(-1);
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(kSeed);
  const at::ScalarType dtype = MadeIn(numbers.scalar_type());
  const at::Tensor part = at::empty({std::min(numbers.numel(), kPart)}, dtype);
  for (std::int64_t begin = 0; begin < numbers.numel(); begin += kPart) {
    const at::Tensor made = part.narrow(0, 0, std::min(numbers.numel() - begin, kPart));
    dtype == at::kByte ? made.random_(0, 2, generator) : made.uniform_(0, 1, generator);
    numbers.narrow(0, begin, made.numel()).copy_(made);
  }
}

}  // namespace tensorferry::inference
