#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tensorferry/client/response.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::client {

// Puts one response together: the message, and the elements that follow it in chunks, each tensor's in one buffer.
class ResponseAssembler {
 public:
  // Errors: INTERNAL for sizes that contradict each other, RESOURCE_EXHAUSTED where memory for them is not to be had.
  static absl::StatusOr<ResponseAssembler> Start(v1::ConvertResponse&& message);

  // Errors: INTERNAL for a chunk that no tensor waits for.
  absl::Status Append(std::string_view chunk);

  bool complete() const { return current_ == chunked_.size(); }

  // The response, once complete, or the error that it carried.
  absl::StatusOr<Response> Finish() &&;

 private:
  struct Buffer {
    Tensor* tensor;
    std::size_t nbytes;
  };
  absl::Status AddTensors(google::protobuf::RepeatedPtrField<v1::Tensor>& source, std::vector<Tensor>& target);

  absl::Status error_;
  // On the heap: `chunked_` points into it while the assembler moves.
  std::unique_ptr<Response> response_ = std::make_unique<Response>();
  std::vector<Buffer> chunked_;
  std::size_t current_ = 0;
};

// A response that came as one message.
absl::StatusOr<Response> ToResponse(v1::ConvertResponse&& message);

}  // namespace tensorferry::client
