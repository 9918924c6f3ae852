#include "rpc/native/from_proto.h"

#include <string>

namespace tensorferry::rpc {
namespace {

const std::string& PayloadBytes(const v1::Array& array) {
  return array.payload_case() == v1::Array::kNpy ? array.npy() : array.data();
}

PayloadKind PayloadOf(const v1::Array& array) {
  switch (array.payload_case()) {
    case v1::Array::kData: return PayloadKind::kData;
    case v1::Array::kNpy: return PayloadKind::kNpy;
    case v1::Array::kChunkedNbytes: return PayloadKind::kChunked;
    case v1::Array::kSharedMemory: return PayloadKind::kSharedMemory;
    case v1::Array::PAYLOAD_NOT_SET: return PayloadKind::kNone;
  }
  __builtin_unreachable();
}

}  // namespace

void FromProto(const v1::ConvertRequest& request, std::vector<Bytes>& pieces, RequestView& view) {
  view.request_id = request.request_id();
  view.model_name = request.model_name();
  view.model_version = request.model_version();
  view.strict = request.fidelity() == v1::FIDELITY_STRICT;
  view.digest = request.digest() == v1::DIGEST_ALGORITHM_XXH3_128;
  view.return_data = request.return_data();
  view.requested_outputs.assign(request.requested_outputs().begin(), request.requested_outputs().end());

  view.output_memory.reset();
  if (request.has_output_memory()) {
    const v1::SharedMemoryRange& place = request.output_memory();
    view.output_memory = SharedPlace{place.region(), place.offset(), place.nbytes()};
  }

  pieces.clear();
  for (const v1::Array& array : request.arrays()) pieces.push_back(std::as_bytes(std::span(PayloadBytes(array))));
  view.arrays.clear();
  for (const v1::Array& array : request.arrays()) {
    const Bytes& bytes = pieces[view.arrays.size()];
    view.arrays.push_back({.name = array.name(),
                           .dtype = array.dtype(),
                           .shape = Shape(array.shape().begin(), array.shape().end()),
                           .fortran_order = array.fortran_order(),
                           .payload = PayloadOf(array),
                           .bytes = ScatteredBytes(&bytes, 0, bytes.size()),
                           .chunked_nbytes = array.chunked_nbytes(),
                           .region = array.shared_memory().region(),
                           .shared_offset = array.shared_memory().offset(),
                           .shared_nbytes = array.shared_memory().nbytes()});
  }
}

}  // namespace tensorferry::rpc
