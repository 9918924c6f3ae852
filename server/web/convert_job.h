#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "files/file_reader.h"
#include "http/message.h"
#include "web/convert_message.h"
#include "web/convert_outcome.h"
#include "web/convert_request.h"
#include "web/routes.h"
#include "web/web_peer.h"

namespace tensorferry::web {

// The most arrays of one body, and the most bytes of what a body says of them: a .npz's directory, or the header of a
// safetensors file.
inline constexpr std::size_t kMaxConvertArrays = 4096;
inline constexpr std::uint64_t kMaxConvertHeader = 4 << 20;

// ConvertJob converts the arrays of one body one by one, each by a call of its own, and then answers.
//
// Threads:  the file is read on the WorkThread of the context. Answers of calls come on gRPC's threads, which post the
//           next step there.
// Lifetime: a job keeps itself until it has answered, or until its next step is dropped.
class ConvertJob : public std::enable_shared_from_this<ConvertJob> {
 public:
  ConvertJob(const RouteContext& context, http::Request request, ConvertWish wish, http::Reply reply);

  void Start();

 private:
  using Clock = std::chrono::steady_clock;
  using Step = void (ConvertJob::*)();

  void Post(Step step);
  void Open();
  absl::Status OpenFile();
  absl::StatusOr<TakenMemory> TakeForMember(std::size_t nbytes);
  absl::Status Admit();
  void Next();
  absl::StatusOr<FileArray> ReadNext();
  absl::Status Name(FileArray& array) const;
  absl::Status CheckMessage(const grpc::ByteBuffer& message) const;
  void Call(grpc::ByteBuffer message);
  void TakeAnswer();
  ConvertVerdict Compare(const v1::TensorMetadata& tensor) const;
  void Finish();
  bool IsLate() const { return deadline_ && Clock::now() >= *deadline_; }

  const RouteContext context_;
  const http::Request request_;
  const WebPeer peer_{request_};
  const ConvertWish wish_;
  const http::Reply reply_;
  const std::optional<Clock::time_point> deadline_;
  ConvertOptions options_;
  ConvertOutcome outcome_;
  MemoryBudget::Reservation room_;  // For what is known of the arrays.
  std::optional<FileReader> reader_;
  std::size_t next_ = 0;              // The array that is read next.
  std::optional<FileArray> current_;  // The one that is being converted.
  std::uint64_t unpacked_bytes_ = 0;  // Of its member, in memory of its own.
  std::uint64_t returned_bytes_ = 0;  // Of returned_.
  rpc::LocalAnswer answer_;           // That of its call.
  std::vector<ConvertedArray> returned_;
};

}  // namespace tensorferry::web
