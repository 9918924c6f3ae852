#include "bench/request.h"

#include <utility>

#include "base/status.h"
#include "lib/request.h"
#include "lib/side_connection.h"

namespace tensorferry::cli {

namespace {

client::Framing FramingOf(BenchMode mode) {
  return mode == BenchMode::kUnary ? client::Framing::kCall : client::Framing::kStream;
}

}  // namespace

absl::StatusOr<std::vector<grpc::ByteBuffer>> MakeBenchRequest(std::span<const client::Array> arrays,
                                                               const BenchRequestOptions& options) {
  const auto placement = options.mode == BenchMode::kChunks ? client::Placement::kInChunks : client::Placement::kInside;
  const client::ConvertOptions asked{.model_name = options.model, .digest = options.digest};
  TENSORFERRY_ASSIGN_OR_RETURN(client::PreparedRequest request,
                               client::PrepareRequest(arrays, asked, FramingOf(options.mode), placement));
  std::vector<grpc::ByteBuffer> messages{std::move(request.message)};
  client::ForEachChunk(request.chunked, options.chunk_bytes, [&](const client::ChunkedElements& chunk) {
    messages.push_back(client::ChunkMessage(chunk));
    return true;
  });
  return messages;
}

absl::StatusOr<BenchRequest> MakeSealedBenchRequest(const std::string& address, std::span<const client::Array> arrays,
                                                    const BenchRequestOptions& options) {
  client::SideConnection side(address.substr(address.find(':') + 1));
  const client::ConvertOptions asked{.model_name = options.model, .digest = options.digest};
  TENSORFERRY_ASSIGN_OR_RETURN(client::PreparedRequest request,
                               client::PrepareSealedRequest(arrays, asked, FramingOf(options.mode), {.side = side}));
  BenchRequest sealed{.messages = {}, .regions = std::move(request.regions)};
  sealed.messages.push_back(std::move(request.message));
  return sealed;
}

}  // namespace tensorferry::cli
