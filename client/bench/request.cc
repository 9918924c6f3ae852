#include "bench/request.h"

#include <utility>

#include "lib/request.h"

namespace tensorferry::cli {

std::vector<grpc::ByteBuffer> MakeBenchRequest(const client::Array& array, const BenchRequestOptions& options) {
  const auto framing = options.mode == BenchMode::kUnary ? client::Framing::kCall : client::Framing::kStream;
  const auto placement = options.mode == BenchMode::kChunks ? client::Placement::kInChunks : client::Placement::kInside;
  client::PreparedRequest request =
      client::PrepareRequest({&array, 1}, {.model_name = options.model, .digest = options.digest}, framing, placement)
          .value();  // Cannot fail: bare elements are not checked.
  std::vector<grpc::ByteBuffer> messages{std::move(request.message)};
  client::ForEachChunk(request.chunked, options.chunk_bytes, [&](const client::ChunkedElements& chunk) {
    messages.push_back(client::ChunkMessage(chunk));
    return true;
  });
  return messages;
}

}  // namespace tensorferry::cli
