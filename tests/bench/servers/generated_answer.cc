#include "generated_answer.h"

#include <span>
#include <stdexcept>

#include "clone_conversion.h"

namespace tensorferry::bench {
namespace {

void Describe(const v1::Array& array, v1::TensorMetadata& metadata) {
  const std::span shape(array.shape().data(), static_cast<std::size_t>(array.shape_size()));
  const TensorFacts facts = CloneIntoTensor(array.dtype(), shape, array.data());
  metadata.set_name(array.name());
  metadata.set_dtype(facts.dtype);
  metadata.mutable_shape()->Assign(facts.shape.begin(), facts.shape.end());
  metadata.mutable_strides()->Assign(facts.strides.begin(), facts.strides.end());
  metadata.set_numel(facts.numel);
  metadata.set_itemsize(static_cast<std::int32_t>(facts.itemsize));
  metadata.set_nbytes(facts.nbytes);
  metadata.set_device(facts.device);
  v1::Receipt& receipt = *metadata.mutable_receipt();
  receipt.set_source_dtype(array.dtype());
  receipt.set_numpy_dtype(array.dtype());
  receipt.set_dtype_equal(facts.dtype == array.dtype());
}

}  // namespace

grpc::Status Answer(const v1::ConvertRequest& request, v1::ConvertResponse& response) {
  response.set_request_id(request.request_id());
  try {
    for (const v1::Array& array : request.arrays()) Describe(array, *response.add_tensors()->mutable_metadata());
  } catch (const std::exception& error) {
    return {grpc::StatusCode::INVALID_ARGUMENT, error.what()};
  }
  return grpc::Status::OK;
}

}  // namespace tensorferry::bench
