// count_pieces PIECE runs one piece of the hot path a hundred times, for callgrind to count its instructions.
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "payload/array_payload.h"
#include "rpc/metrics_step.h"
#include "rpc/native/reply.h"
#include "rpc/native/request_decoder.h"
#include "rpc/serve/method.h"
#include "tensorferry/v1/tensor_service.pb.h"
#include "testing/arrays.h"
#include "testing/byte_buffers.h"
#include "testing/test_memory.h"
#include "testing/waiting_caller.h"

namespace tensorferry {
namespace {

constexpr int kTimes = 100;

// A Piece is called kTimes times. What it needs is set up when it is made.
using Piece = std::function<void()>;

Piece WireRead(std::size_t nbytes) {
  v1::ConvertRequest request;
  v1::Array& array = *request.add_arrays();
  array.set_name("x");
  array.set_dtype("<f4");
  array.add_shape(static_cast<std::int64_t>(nbytes / 4));
  array.set_data(std::string(nbytes, 'x'));
  const auto message = std::make_shared<std::string>(request.SerializeAsString());
  std::vector<Bytes> pieces;
  for (auto rest = std::as_bytes(std::span(*message)); !rest.empty(); rest = rest.subspan(pieces.back().size())) {
    pieces.push_back(rest.first(std::min<std::size_t>(rest.size(), 65'536)));
  }
  const auto decoder = std::make_shared<rpc::ConvertDecoder>();
  return [message, pieces, decoder] {
    if (!decoder->Decode(pieces).ok()) std::abort();
  };
}

Piece Copy(std::string_view dtype, bool digest) {
  const ArrayHeader header = GoodHeader(dtype, {1 << 14});
  const auto bytes = std::make_shared<std::vector<std::byte>>(RandomBytes(header.nbytes()));
  const auto memory = std::make_shared<TestMemory>();
  return [header, bytes, memory, digest] {
    ArrayAssembler assembler = ArrayAssembler::Start(header, {.digest = digest}, memory->pool).value();
    if (!assembler.Append(*bytes).ok()) std::abort();
    std::move(assembler).Finish();
  };
}

Piece Reply() {
  const auto response = std::make_shared<rpc::Response>(rpc::Response{.request_id = "1"});
  response->result.tensors.push_back(
      {.metadata = {.name = "x",
                    .dtype = "float32",
                    .shape = {16, 16},
                    .strides = {16, 1},
                    .numel = 256,
                    .itemsize = 4,
                    .nbytes = 1024,
                    .device = "cpu"},
       .receipt = inference::Receipt{
           .source_dtype = "<f4", .dtype = DType::kFloat32, .dtype_equal = true, .digest = Digest{}}});
  const auto writer = std::make_shared<rpc::WireWriter>();
  return [response, writer] {
    if (!rpc::EncodeResponse(*response, 1 << 20, *writer).ok()) std::abort();
  };
}

// Counts a request that converts an array of 64 bytes.
Piece CountRequest() {
  struct Counted {
    std::unique_ptr<metrics::RequestCounts> counts = rpc::MakeRequestCounts();
    rpc::MetricsStep step{*counts};
    rpc::WaitingCaller call;
    rpc::ReceivedTensor tensor{.dtype = DType::kFloat32, .dtype_equal = true, .nbytes = 64};
  };
  const auto counted = std::make_shared<Counted>();
  const auto& method =
      rpc::FindMethod(*v1::ConvertRequest::descriptor(), *v1::ConvertResponse::descriptor(), rpc::Streams::kNone);
  return [counted, &method] {
    rpc::CallInfo info{method, counted->call, rpc::CallKind::kTensors};
    info.record.tensors = {&counted->tensor, 1};
    if (!counted->step.Enter(info).ok()) std::abort();
    counted->step.End(info, absl::OkStatus());
    counted->step.Sent({rpc::CallKind::kTensors, /*ok=*/true, std::chrono::nanoseconds(900), nullptr});
  };
}

const std::map<std::string, std::function<Piece()>> kPieces = {
    {"wire_read_64_bytes", [] { return WireRead(64); }},
    {"wire_read_1_mib", [] { return WireRead(1 << 20); }},
    {"copy_64_kib", [] { return Copy("<f4", false); }},
    {"copy_swapped_64_kib", [] { return Copy(">f4", false); }},
    {"copy_with_digest_64_kib", [] { return Copy("<f4", true); }},
    {"reply", [] { return Reply(); }},
    {"count_request", [] { return CountRequest(); }},
};

}  // namespace
}  // namespace tensorferry

// CountedPiece is the function that callgrind is told to count, by its name.
extern "C" __attribute__((noinline)) void CountedPiece(const tensorferry::Piece& piece) {
  for (int i = 0; i < tensorferry::kTimes; ++i) piece();
}

int main(int argc, char** argv) {
  const auto found = argc == 2 ? tensorferry::kPieces.find(argv[1]) : tensorferry::kPieces.end();
  if (found == tensorferry::kPieces.end()) {
    for (const auto& [name, make] : tensorferry::kPieces) std::puts(name.c_str());
    return argc == 1 ? 0 : 2;
  }
  const tensorferry::Piece piece = found->second();
  for (int i = 0; i < 10; ++i) piece();  // What only the first calls set up does not count.
  CountedPiece(piece);
}
