#include "inference/tensor/tensor.h"

#include <ATen/ops/empty_strided.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/strides.h>
#include <fmt/format.h>
#include <fmt/ostream.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <span>
#include <utility>

#include "absl/numeric/int128.h"
#include "base/status.h"
#include "inference/tensor/torch_dtype.h"

namespace tensorferry::inference {

namespace {

// Memory is what a tensor is made over. `let_go` is called with `owner` when the last tensor that shares it is gone.
struct Memory {
  std::byte* data;
  void* owner;
  void (*let_go)(void*);
};

at::Tensor MakeTensor(const Memory& memory, DType dtype, at::IntArrayRef sizes, at::IntArrayRef strides) {
  const auto options = at::TensorOptions().dtype(ToTorch(dtype)).device(at::kCPU);
  if (memory.data == nullptr) return at::empty_strided(sizes, strides, options);  // at::for_blob does not take null.
  return at::for_blob(memory.data, sizes)
      .strides(strides)
      .context(memory.owner, memory.let_go)
      .options(options)
      .make_tensor();
}

at::Tensor MakeTensor(const Memory& memory, DType dtype, const Shape& shape, bool fortran_order) {
  const ElementStrides strides = ContiguousStrides(shape, fortran_order);
  return MakeTensor(memory, dtype, at::IntArrayRef(shape.data(), shape.size()),
                    at::IntArrayRef(strides.data(), strides.size()));
}

Memory MemoryOf(AlignedBuffer elements) {
  std::byte* const data = elements.data();
  return {data, std::move(elements).Release(), AlignedBuffer::GiveBack};
}

// Memory of callers and memory of workers are told apart by the functions that let go of them.
void LetGoOfCallers(void* owner) { delete static_cast<std::shared_ptr<std::byte>*>(owner); }
void LetGoOfWorkers(void* owner) { LetGoOfCallers(owner); }

Memory MemoryOf(std::shared_ptr<std::byte> elements, void (*let_go)(void*)) {
  std::byte* const data = elements.get();
  return {data, data == nullptr ? nullptr : new std::shared_ptr<std::byte>(std::move(elements)), let_go};
}

// An expanded tensor claims more elements than its memory has, up to 2^63 - 1 elements of 16 bytes.
absl::StatusOr<std::int64_t> SizeOf(const NamedTensor& named, std::uint64_t max_tensor_bytes) {
  const absl::uint128 nbytes = absl::uint128(named.tensor.numel()) * named.tensor.element_size();
  if (nbytes <= std::min<std::uint64_t>(max_tensor_bytes, std::numeric_limits<std::int64_t>::max())) {
    return static_cast<std::int64_t>(nbytes);
  }
  const std::string actual = fmt::to_string(fmt::streamed(nbytes));
  return MakeError(
      Reason::kTensorTooLarge,
      fmt::format("tensor {} has {} bytes, at most {} are sent", Quote(named.name), actual, max_tensor_bytes),
      {.actual = actual, .limit = fmt::to_string(max_tensor_bytes)});
}

// Copies the tensor into `memory`, where it has `strides`.
at::Tensor CopyInto(AlignedBuffer memory, const at::Tensor& tensor, at::IntArrayRef strides) {
  const DType dtype = *FromTorch(tensor.scalar_type());
  const at::Tensor copy = MakeTensor(MemoryOf(std::move(memory)), dtype, tensor.sizes(), strides);
  copy.copy_(tensor);
  return copy;
}

// Copies the tensor into memory of the pool, where it has `strides`, which leave no gaps. The tensor's own memory is there
// meanwhile: what does not fit the budget beside it never will.
absl::StatusOr<at::Tensor> CopyInto(const PoolFor& pool, const at::Tensor& tensor, at::IntArrayRef strides) {
  const c10::Storage& own = tensor.storage();
  const bool is_counted = own.data_ptr().get_deleter() == AlignedBuffer::GiveBack;
  const std::size_t together = tensor.nbytes() + (is_counted ? own.nbytes() : 0);
  if (together > pool.pool.budget().limit()) return pool.Reserve(together).status();
  TENSORFERRY_ASSIGN_OR_RETURN(AlignedBuffer elements, pool.Take(tensor.nbytes()));
  return CopyInto(std::move(elements), tensor, strides);
}

}  // namespace

at::Tensor MakeTensor(ArrayPayload payload) {
  const ArrayHeader& header = payload.header;
  const Memory memory = payload.shared != nullptr ? MemoryOf(std::move(payload.shared), LetGoOfCallers)
                                                  : MemoryOf(std::move(payload.elements));
  return MakeTensor(memory, header.dtype(), header.shape(), header.fortran_order());
}

at::Tensor TensorOver(AlignedBuffer elements, DType dtype, const Shape& shape) {
  return MakeTensor(MemoryOf(std::move(elements)), dtype, shape, /*fortran_order=*/false);
}

at::Tensor TensorOver(std::shared_ptr<std::byte> elements, DType dtype, const TensorLayout& layout) {
  return MakeTensor(MemoryOf(std::move(elements), LetGoOfWorkers), dtype, at::IntArrayRef(layout.sizes),
                    at::IntArrayRef(layout.strides));
}

bool IsTakenForOneTensor(const c10::Storage& storage) {
  const c10::DeleterFnPtr deleter = storage.data_ptr().get_deleter();
  return storage.nbytes() == 0 || deleter == c10::GetCPUAllocator()->raw_deleter() ||
         deleter == AlignedBuffer::GiveBack || deleter == LetGoOfCallers || deleter == LetGoOfWorkers;
}

std::size_t BytesOutsideBudget(const c10::Storage& storage) {
  const c10::DeleterFnPtr deleter = storage.data_ptr().get_deleter();
  return deleter == AlignedBuffer::GiveBack || deleter == LetGoOfCallers ? 0 : storage.nbytes();
}

absl::StatusOr<TensorMetadata> Describe(const NamedTensor& named, std::uint64_t max_tensor_bytes) {
  const auto& [name, tensor, strings] = named;
  if (!tensor.defined()) {
    return MakeError(Reason::kModelFailed, fmt::format("output {} is not set", Quote(name)));
  }
  const auto dtype = FromTorch(tensor.scalar_type());
  if (!dtype || tensor.layout() != at::kStrided) {
    return MakeError(Reason::kModelFailed, fmt::format("tensor {} is {}, {}, which no NumPy array can hold",
                                                       Quote(name), c10::toString(tensor.scalar_type()),
                                                       tensor.layout() == at::kStrided ? "dense" : "not dense"));
  }
  TENSORFERRY_ASSIGN_OR_RETURN(const std::int64_t nbytes, SizeOf(named, max_tensor_bytes));
  TensorMetadata metadata{
      .name = name,
      .dtype = std::string(Info(*dtype).name),
      .numel = tensor.numel(),
      .itemsize = tensor.element_size(),
      .nbytes = nbytes,
      .device = tensor.device().str(),
  };
  if (strings) {
    metadata.dtype = kStrings;
    metadata.shape = *strings;
    metadata.strides = ContiguousStrides(*strings, /*fortran_order=*/false);
    metadata.numel = static_cast<std::int64_t>(CountOf(*strings));
    metadata.itemsize = 0;
    return metadata;
  }
  metadata.shape.assign(tensor.sizes().begin(), tensor.sizes().end());
  metadata.strides.assign(tensor.strides().begin(), tensor.strides().end());
  return metadata;
}

absl::StatusOr<TensorElements> ElementsOf(const at::Tensor& tensor, Elements how, const PoolFor& pool) {
  const bool is_dense = tensor.is_cpu() && tensor.is_contiguous() && !tensor.is_conj() && !tensor.is_neg();
  at::Tensor dense = tensor;
  if (!is_dense || how == Elements::kCopied) {
    TENSORFERRY_ASSIGN_OR_RETURN(dense, CopyInto(pool, tensor, c10::contiguous_strides(tensor.sizes())));
  }
  auto owner = std::make_shared<const at::Tensor>(std::move(dense));
  const auto* data = static_cast<const std::byte*>(owner->const_data_ptr());
  const std::span bytes(data, owner->nbytes());
  return TensorElements{.bytes = bytes, .owner = std::move(owner)};
}

absl::StatusOr<at::Tensor> CopyOf(const at::Tensor& tensor, const PoolFor& pool) {
  return CopyInto(pool, tensor, tensor.strides());
}

at::Tensor CopyOf(const at::Tensor& tensor, AlignedBuffer memory) {
  return CopyInto(std::move(memory), tensor, tensor.strides());
}

}  // namespace tensorferry::inference
