#include "rpc/native/warm_up.h"

#include <string>
#include <utility>

#include "base/status.h"
#include "rpc/native/reply.h"
#include "rpc/native/request_decoder.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::rpc {

absl::Status WarmUp(const CallEnvironment& environment) {
  v1::ConvertRequest request;
  request.set_digest(v1::DIGEST_ALGORITHM_XXH3_128);
  v1::Array& array = *request.add_arrays();
  array.set_dtype("<f4");
  array.add_shape(16);
  array.set_data(std::string(64, '\0'));
  const std::string message = request.SerializeAsString();

  const Bytes piece = std::as_bytes(std::span(message));
  ConvertDecoder decoder;
  WireWriter writer;
  TENSORFERRY_RETURN_IF_ERROR(decoder.Decode({&piece, 1}));
  TENSORFERRY_ASSIGN_OR_RETURN(Intake intake, Intake::Start(decoder.request(), {}, environment, /*peer=*/nullptr));
  TENSORFERRY_ASSIGN_OR_RETURN(const Response response, std::move(intake).Finish());
  return EncodeResponse(response, environment.max_message_bytes, writer).status();
}

}  // namespace tensorferry::rpc
