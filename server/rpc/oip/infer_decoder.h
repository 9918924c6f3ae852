#pragma once

#include <span>
#include <vector>

#include "absl/status/status.h"
#include "base/buffer_pool.h"
#include "rpc/oip/infer_view.h"
#include "rpc/triton_config/triton_namespace.h"
#include "rpc/wire/parsed_message.h"
#include "rpc/wire/shrink.h"
#include "rpc/wire/wire_cursor.h"

namespace inference {
class ModelInferRequest;
}

namespace tensorferry::rpc {

// InferDecoder decodes one ModelInferRequest after another: in place if the message is written as usual, else by
// protobuf's parser. The result does not show which of them has read the message.
class InferDecoder {
 public:
  InferDecoder() = default;
  InferDecoder(const InferDecoder&) = delete;  // Views may refer to the decoder's own scratch memory.
  InferDecoder& operator=(const InferDecoder&) = delete;

  static bool IsLongToRead(std::span<const Bytes> message);

  // Decodes a message. request() borrows it until the next call. The memory budget of `pool` admits what protobuf's
  // parser makes of it, until Clear; null: nothing is admitted.
  // Errors: BAD_CHUNK if it does not parse; those of CheckMetadataSize, CheckFieldCounts and ReserveRoom.
  absl::Status Decode(std::span<const Bytes> message, const PoolFor* pool = nullptr);

  // Gives back the memory that an unusual message took. request() is empty then.
  void Clear() {
    parsed_.Clear();
    ClearAndShrink(request_.parameters);
    ClearAndShrink(request_.inputs);
    ClearAndShrink(request_.outputs);
    ClearAndShrink(request_.raw_input_contents);
  }

  // Returns whether protobuf's parser has read the message, so that elements lie in what that has made.
  bool parsed() const { return parsed_.message != nullptr; }

  // Returns the memory that request() borrows beside the message. The caller fills ParsedMessage::contents.
  ParsedMessage& memory() { return parsed_; }

  const InferRequestView& request() const { return request_; }

 private:
  absl::Status Parse(std::span<const Bytes> message, const PoolFor* pool);

  InferRequestView request_;
  WireScratch scratch_;
  ParsedMessage parsed_;
};

// Makes `view` say what `request` says, which protobuf's parser has read, and fills `pieces` with one piece for each
// element of raw_input_contents. `view` borrows both.
void FromProto(const triton::ModelInferRequest& request, std::vector<Bytes>& pieces, InferRequestView& view);

}  // namespace tensorferry::rpc
