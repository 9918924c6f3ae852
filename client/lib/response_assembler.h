#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/output_pool.h"
#include "tensorferry/client/response.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::client {

// ResponseAssembler puts one response together: its message, and the elements that follow in chunks, in one buffer per
// tensor, or lie in memory that was lent to the request.
class ResponseAssembler {
 public:
  // `outputs` is that memory; null: none was. It is answered now, unless the response is an error.
  // Errors: INTERNAL for sizes that contradict each other, and for elements in other memory; RESOURCE_EXHAUSTED if there
  //         is no memory for the elements.
  static absl::StatusOr<ResponseAssembler> Start(v1::ConvertResponse&& message, OutputLease* outputs = nullptr);

  // Errors: INTERNAL for a chunk that no tensor waits for.
  absl::Status Append(std::string_view chunk);

  bool complete() const { return current_ == chunked_.size(); }

  // Returns the response, or the error that it carried. Call it once complete() is true.
  absl::StatusOr<Response> Finish() &&;

 private:
  struct Buffer {
    Tensor* tensor;
    std::size_t nbytes;
    std::string bytes;  // Those that have come.
  };
  absl::Status AddTensors(google::protobuf::RepeatedPtrField<v1::Tensor>& source, OutputLease* outputs,
                          std::vector<Tensor>& target);
  absl::Status AwaitChunks(std::uint64_t nbytes, Tensor& tensor);

  absl::Status error_;
  // `chunked_` points into the response, so it stays on the heap while the assembler moves.
  std::unique_ptr<Response> response_ = std::make_unique<Response>();
  std::vector<Buffer> chunked_;
  std::size_t current_ = 0;
};

// ToResponse converts a response that came as one message.
absl::StatusOr<Response> ToResponse(v1::ConvertResponse&& message);

// AddSwaps completes the receipts of arrays whose elements the client has swapped, which PreparedRequest::swapped lists:
// the server has not seen that.
void AddSwaps(const std::vector<std::size_t>& swapped, Response& response);

}  // namespace tensorferry::client
