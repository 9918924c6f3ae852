#include "inference/tensor.h"

#include <ATen/ops/empty_strided.h>
#include <ATen/ops/from_blob.h>
#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/status.h"
#include "inference/torch_dtype.h"

namespace tensorferry::inference {

namespace {

at::Tensor MakeTensor(AlignedBuffer elements, DType dtype, const Shape& shape, bool fortran_order) {
  const ElementStrides strides = ContiguousStrides(shape, fortran_order);
  const at::IntArrayRef sizes(shape.data(), shape.size());
  const at::IntArrayRef element_strides(strides.data(), strides.size());
  const auto options = at::TensorOptions().dtype(ToTorch(dtype)).device(at::kCPU);
  void* const data = elements.data();
  if (data == nullptr) return at::empty_strided(sizes, element_strides, options);  // A blob may not be null.
  return at::for_blob(data, sizes)
      .strides(element_strides)
      .context(std::move(elements).Release(), AlignedBuffer::GiveBack)
      .options(options)
      .make_tensor();
}

}  // namespace

at::Tensor MakeTensor(ArrayPayload payload) {
  const ArrayHeader& header = payload.header;
  return MakeTensor(std::move(payload.elements), header.dtype(), header.shape(), header.fortran_order());
}

at::Tensor TensorOver(AlignedBuffer elements, DType dtype, const Shape& shape) {
  return MakeTensor(std::move(elements), dtype, shape, /*fortran_order=*/false);
}

absl::StatusOr<TensorMetadata> Describe(const std::string& name, const at::Tensor& tensor) {
  if (!tensor.defined()) {
    return MakeError(Reason::kModelFailed, fmt::format("output {} is not set", Quote(name)));
  }
  const auto dtype = FromTorch(tensor.scalar_type());
  if (!dtype || tensor.layout() != at::kStrided) {
    return MakeError(Reason::kModelFailed, fmt::format("tensor {} is {}, {}, which no NumPy array can hold",
                                                       Quote(name), c10::toString(tensor.scalar_type()),
                                                       tensor.layout() == at::kStrided ? "dense" : "not dense"));
  }
  TensorMetadata metadata{
      .name = name,
      .dtype = std::string(Info(*dtype).name),
      .numel = tensor.numel(),
      .itemsize = tensor.element_size(),
      .nbytes = tensor.numel() * tensor.element_size(),
      .device = tensor.device().str(),
  };
  metadata.shape.assign(tensor.sizes().begin(), tensor.sizes().end());
  metadata.strides.assign(tensor.strides().begin(), tensor.strides().end());
  return metadata;
}

TensorElements ElementsOf(const at::Tensor& tensor) {
  const bool is_dense = tensor.is_cpu() && tensor.is_contiguous() && !tensor.is_conj() && !tensor.is_neg();
  auto dense = std::make_shared<const at::Tensor>(
      is_dense ? tensor : tensor.to(at::kCPU).resolve_conj().resolve_neg().contiguous());
  const auto* data = static_cast<const std::byte*>(dense->const_data_ptr());
  return {.bytes = {data, dense->nbytes()}, .owner = std::move(dense)};
}

}  // namespace tensorferry::inference
