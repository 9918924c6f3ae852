#include "request.h"

#include "base/status.h"
#include "elements.h"

namespace tensorferry::client {
namespace {

v1::ConvertRequest StartMessage(const ConvertOptions& options) {
  v1::ConvertRequest message;
  message.set_request_id(options.request_id);
  message.set_model_name(options.model_name);
  message.set_model_version(options.model_version);
  message.set_fidelity(options.fidelity == Fidelity::kStrict ? v1::FIDELITY_STRICT : v1::FIDELITY_CONVERT);
  if (options.digest) message.set_digest(v1::DIGEST_ALGORITHM_XXH3_128);
  message.set_return_data(options.return_data);
  message.mutable_requested_outputs()->Add(options.requested_outputs.begin(), options.requested_outputs.end());
  return message;
}

void AddInline(const Array& array, v1::ConvertRequest& message) {
  v1::Array& wire = *message.add_arrays();
  wire.set_name(array.name);
  wire.set_dtype(array.dtype);
  if (array.form == Array::Form::kNpy) return wire.set_npy(array.bytes.data(), array.bytes.size());
  wire.mutable_shape()->Add(array.shape.begin(), array.shape.end());
  wire.set_fortran_order(array.fortran_order);
  wire.set_data(array.bytes.data(), array.bytes.size());
}

absl::Status AddChunked(const Array& array, Fidelity fidelity, PreparedRequest& request) {
  if (array.form == Array::Form::kNpy) {
    TENSORFERRY_ASSIGN_OR_RETURN(const Elements elements, CheckElements(array, fidelity));
    const Shape& shape = elements.header.shape();
    const Array plain{.name = array.name,
                      .dtype = elements.header.source_dtype(),
                      .shape = {shape.begin(), shape.end()},
                      .fortran_order = elements.header.fortran_order(),
                      .bytes = elements.bytes};
    return AddChunked(plain, fidelity, request);
  }
  if (array.bytes.empty()) {
    AddInline(array, request.message);
    return absl::OkStatus();
  }
  AddInline({.name = array.name, .dtype = array.dtype, .shape = array.shape, .fortran_order = array.fortran_order},
            request.message);
  request.message.mutable_arrays()->rbegin()->set_chunked_nbytes(array.bytes.size());
  request.chunked.push_back(array.bytes);
  return absl::OkStatus();
}

}  // namespace

std::uint64_t TotalBytes(std::span<const Array> arrays) {
  std::uint64_t total = 0;
  for (const Array& array : arrays) total += array.bytes.size();
  return total;
}

absl::StatusOr<PreparedRequest> PrepareRequest(std::span<const Array> arrays, const ConvertOptions& options) {
  PreparedRequest request{.message = StartMessage(options), .chunked = {}};
  const bool inline_all = TotalBytes(arrays) <= kMaxInlineBytes;
  for (const Array& array : arrays) {
    if (inline_all) {
      AddInline(array, request.message);
    } else {
      TENSORFERRY_RETURN_IF_ERROR(AddChunked(array, options.fidelity, request));
    }
  }
  return request;
}

}  // namespace tensorferry::client
