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

// Returns how many bytes of memory the outputs for these arrays need.
absl::StatusOr<std::uint64_t> AskOutputBytes(client::Client& client, std::span<const client::Array> arrays,
                                             const BenchRequestOptions& options) {
  const client::ConvertOptions asked{.model_name = options.model, .digest = false, .timeout = options.patience};
  TENSORFERRY_ASSIGN_OR_RETURN(const client::Response response, client.Convert(arrays, asked));
  std::vector<std::uint64_t> sizes;
  for (const client::Tensor& output : response.outputs) sizes.push_back(output.data ? output.data->size() : 0);
  return client::MemoryFor(sizes);
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

absl::StatusOr<BenchRequest> MakeSealedBenchRequest(const BenchServer& server, std::span<const client::Array> arrays,
                                                    const BenchRequestOptions& options) {
  client::SideConnection side(server.address.substr(server.address.find(':') + 1));
  client::Road road(FramingOf(options.mode));
  if (!options.model.empty()) {
    TENSORFERRY_ASSIGN_OR_RETURN(const std::uint64_t nbytes, AskOutputBytes(server.client, arrays, options));
    road.outputs =
        std::make_shared<client::OutputPool>(client::OutputPool::Guess::kNothing)->Lend(nbytes, side, road.give_up);
  }
  const client::ConvertOptions asked{.model_name = options.model, .digest = options.digest};
  TENSORFERRY_ASSIGN_OR_RETURN(client::PreparedRequest request,
                               client::PrepareSealedRequest(arrays, asked, road, {.side = side}));
  BenchRequest sealed{.messages = {}, .regions = std::move(request.regions), .outputs = std::move(request.outputs)};
  sealed.messages.push_back(std::move(request.message));
  return sealed;
}

}  // namespace tensorferry::cli
