#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "rpc/convert_call.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::rpc {

// The framing of one ConvertStream: which message may come next, what is answered in place, what ends the stream. Knows
// nothing of gRPC's streams: messages are handed in, responses go to `send`.
class ConvertStreamSession {
 public:
  // Returns false when the caller is gone.
  using Send = std::function<bool(const v1::ConvertStreamResponse&)>;

  ConvertStreamSession(const CallEnvironment& environment, Send send)
      : environment_(environment), send_(std::move(send)) {}

  // The next message.
  // Errors: BAD_CHUNK if the framing can no longer be trusted, CANCELLED if the caller is gone. The stream ends with
  // them.
  absl::Status OnMessage(const v1::ConvertStreamRequest& message);

  // The caller has sent its last message.
  // Errors: BAD_CHUNK if chunks were still awaited.
  absl::Status OnEnd() const;

 private:
  absl::Status OnRequest(const v1::ConvertRequest& request);
  absl::Status OnChunk(std::string_view chunk);
  absl::Status CountEmptyChunk(std::string_view chunk);
  absl::Status AnswerIfComplete();
  absl::Status Refuse(const absl::Status& error);

  const CallEnvironment& environment_;
  const Send send_;
  std::string request_id_;
  std::optional<ConvertCall> call_;  // The request whose chunks are awaited.
  std::uint64_t droppable_ = 0;      // Bytes of a refused request's chunks that may still come.
  int empty_chunks_ = 0;             // Of this request.
};

}  // namespace tensorferry::rpc
