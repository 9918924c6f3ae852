#include "web/convert_job.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

#include "base/status.h"
#include "payload/elements.h"
#include "payload/npy.h"
#include "rpc/serve/error.h"
#include "web/caller_fields.h"
#include "web/convert_file.h"

namespace tensorferry::web {
namespace {

constexpr std::size_t kMaxRequestId = 256;
constexpr std::uint64_t kBytesPerArray = 4096;  // At most so much is kept of what came of an array, as JSON.
constexpr std::uint64_t kCopiesOfName = 8;

std::span<const std::byte> BytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

std::optional<std::chrono::steady_clock::time_point> DeadlineOf(const http::Request& request) {
  const auto timeout = TimeoutOf(request);
  return timeout ? std::optional(std::chrono::steady_clock::now() + *timeout) : std::nullopt;
}

std::string FirstOf(const http::Request& request, std::string_view name) {
  const std::vector<std::string_view> values = request.Values(name);
  return values.empty() ? "" : std::string(values.front());
}

// Returns `x-request-id`, if it can be a request's id.
std::string RequestIdOf(const http::Request& request) {
  std::string id = FirstOf(request, "x-request-id");
  const bool usable =
      id.size() <= kMaxRequestId && std::ranges::all_of(id, [](char byte) { return byte >= ' ' && byte <= '~'; });
  return usable ? id : "";
}

// Gives an error of a file's reader the reason that it has here.
absl::Status WithReason(const absl::Status& error) {
  const Failure failure = DescribeError(error);
  if (failure.reason != Reason::kInternal || absl::IsInternal(error)) return error;
  const std::string message(error.message());
  if (absl::IsResourceExhausted(error)) return MakeError(Reason::kTensorTooLarge, message);
  return MakeError(Reason::kBadHeader, message);
}

// Returns whether an error would meet the arrays that come after it, too.
bool EndsAll(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::CANCELLED:
    case grpc::DEADLINE_EXCEEDED:
    case grpc::PERMISSION_DENIED:
    case grpc::UNAUTHENTICATED:
    case grpc::UNAVAILABLE: return true;
    default: return false;
  }
}

bool IsAmbiguousNpy(const FileArray& array) {
  const auto& bytes = array.content.bytes;
  const auto header = ParseNpyHeader({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return header.ok() && IsAmbiguousVoid(header->descr);
}

}  // namespace

ConvertJob::ConvertJob(const RouteContext& context, http::Request request, ConvertWish wish, http::Reply reply)
    : context_(context),
      request_(std::move(request)),
      wish_(std::move(wish)),
      reply_(std::move(reply)),
      deadline_(DeadlineOf(request_)),
      options_{.request_id = RequestIdOf(request_), .strict = wish_.strict, .return_data = wish_.answer.has_value()},
      outcome_(FirstOf(request_, "host"), options_.request_id) {}

void ConvertJob::Start() { Post(&ConvertJob::Open); }

void ConvertJob::Post(Step step) {
  context_.work.Post([self = shared_from_this(), step] {
    try {
      ((*self).*step)();
    } catch (const std::exception& error) {
      spdlog::debug("http: a body could not be converted: {}", error.what());
      self->reply_({.status = 500, .body = "internal error\n"});
    }
  });
}

void ConvertJob::Open() {
  if (const absl::Status opened = OpenFile(); !opened.ok()) {
    outcome_.Fail(rpc::ToGrpcStatus(WithReason(opened)));
    return Finish();
  }
  const std::size_t arrays = reader_->names().size();
  for (const std::string& member : reader_->skipped()) outcome_.Skip(member);
  if (arrays == 0 && !reader_->skipped().empty()) {
    outcome_.Fail(rpc::ToGrpcStatus(MakeError(
        Reason::kBadHeader, fmt::format("none of the {} members is a .npy file", reader_->skipped().size()))));
    return Finish();
  }
  if (wish_.answer == FileFormat::kNpy && arrays != 1) {
    return reply_(NotHeldBy(FileFormat::kNpy, fmt::format("it holds one array, and the body has {}", arrays)));
  }
  Next();
}

absl::Status ConvertJob::OpenFile() {
  if (!wish_.body) {
    return MakeError(Reason::kBadMagic, "the body is neither a .npy, a .npz nor a safetensors file",
                     {.field = "body",
                      .expected = "the first bytes of such a file",
                      .actual = request_.body.empty() ? "an empty body" : "others"});
  }
  FileReaderOptions options{.name = "body",
                            .limits = {.max_members = kMaxConvertArrays,
                                       .max_directory_bytes = kMaxConvertHeader,
                                       .max_bytes = context_.max_message_bytes,
                                       .take_memory = [this](std::size_t nbytes) { return TakeForMember(nbytes); }},
                            .max_header_bytes = kMaxConvertHeader};
  const OwnedBytes body{request_.body_owner, BytesOf(request_.body)};
  TENSORFERRY_ASSIGN_OR_RETURN(reader_, FileReader::Open(*wish_.body, body, std::move(options)));
  return Admit();
}

// Memory for a member that is unpacked comes from the pool, as that of the bodies does. What does not fit beside the body
// never will.
absl::StatusOr<TakenMemory> ConvertJob::TakeForMember(std::size_t nbytes) {
  const std::uint64_t together = request_.body.size() + nbytes;
  TENSORFERRY_ASSIGN_OR_RETURN(
      AlignedBuffer buffer, context_.pool.Take(together > context_.pool.budget().limit() ? together : nbytes, &peer_));
  unpacked_bytes_ = nbytes;
  const auto kept = std::make_shared<AlignedBuffer>(std::move(buffer));
  return TakenMemory{kept, {kept->data(), nbytes}};
}

// Has the budget admit what is kept of the arrays' names and of what comes of them.
absl::Status ConvertJob::Admit() {
  if (reader_->names().size() > kMaxConvertArrays) {
    return MakeError(
        Reason::kTensorTooLarge,
        fmt::format("the body has {} arrays; at most {} are taken", reader_->names().size(), kMaxConvertArrays),
        {.field = "body",
         .actual = fmt::to_string(reader_->names().size()),
         .limit = fmt::to_string(kMaxConvertArrays)});
  }
  std::uint64_t nbytes = 0;
  for (const auto& names : {reader_->names(), reader_->skipped()}) {
    for (const std::string& name : names) nbytes += kBytesPerArray + kCopiesOfName * name.size();
  }
  TENSORFERRY_ASSIGN_OR_RETURN(room_, context_.pool.Reserve(nbytes, &peer_));
  return absl::OkStatus();
}

// Sends the next array that can be read.
void ConvertJob::Next() {
  while (next_ < reader_->names().size()) {
    if (IsLate()) {
      outcome_.Fail(rpc::ToGrpcStatus(MakeError(Reason::kDeadline, "the time was over before all arrays were tried")));
      break;
    }
    auto array = ReadNext();
    grpc::ByteBuffer message;
    absl::Status sendable = array.status();
    if (array.ok()) {
      message = ConvertMessage(*array, options_);
      sendable = CheckMessage(message);
    }
    const std::string& name = reader_->names()[next_++];
    if (sendable.ok()) {
      current_ = *std::move(array);
      return Call(std::move(message));
    }
    outcome_.Refuse(name, rpc::ToGrpcStatus(InArray(name, sendable)));
  }
  Finish();
}

absl::StatusOr<FileArray> ConvertJob::ReadNext() {
  unpacked_bytes_ = 0;
  auto array = reader_->Read(next_);
  if (!array.ok()) return WithReason(array.status());
  TENSORFERRY_RETURN_IF_ERROR(Name(*array));
  return array;
}

// Gives an array the dtype that the request names: the only one always, so that a name that contradicts the file is
// refused, and others where their void descr leaves it open.
absl::Status ConvertJob::Name(FileArray& array) const {
  const bool only_array = reader_->names().size() == 1;
  if (wish_.dtype.empty() || !(only_array || (array.is_npy && IsAmbiguousNpy(array)))) return absl::OkStatus();
  if (array.is_npy) {
    array.dtype = wish_.dtype;
    return absl::OkStatus();
  }
  TENSORFERRY_ASSIGN_OR_RETURN(const SourceDType source, ParseDType(array.dtype, Fidelity::kConvert));
  const std::string said(Info(source.dtype).name);
  if (wish_.dtype == said) return absl::OkStatus();
  return MakeError(
      Reason::kConflictingFields,
      fmt::format("dtype {} of the content-type conflicts with the file, which says {}", Quote(wish_.dtype), said),
      {.field = "dtype", .expected = said, .actual = Quote(wish_.dtype)});
}

// gRPC would end a call with a longer message without a reason.
absl::Status ConvertJob::CheckMessage(const grpc::ByteBuffer& message) const {
  const std::uint64_t limit = context_.max_message_bytes;
  if (message.Length() <= limit) return absl::OkStatus();
  return MakeError(Reason::kTensorTooLarge,
                   fmt::format("it needs a message of {} bytes, at most {} are taken; send it by ConvertStream",
                               message.Length(), limit),
                   {.field = "body", .actual = fmt::to_string(message.Length()), .limit = fmt::to_string(limit)});
}

void ConvertJob::Call(grpc::ByteBuffer message) {
  context_.gateway.Call(
      "/tensorferry.v1.TensorService/Convert", request_, std::move(message),
      [self = shared_from_this()](rpc::LocalAnswer answer) {
        self->answer_ = std::move(answer);
        self->Post(&ConvertJob::TakeAnswer);
      },
      unpacked_bytes_ + returned_bytes_);
}

void ConvertJob::TakeAnswer() {
  ConvertedArray converted;
  if (answer_.status.ok() && !ReadConvertedArray(answer_.message, converted)) {
    answer_.status = rpc::ToGrpcStatus(MakeError(Reason::kInternal, "the answer cannot be read"));
  }
  answer_.message.Clear();
  if (answer_.status.ok()) {
    outcome_.Add(converted, Compare(converted.metadata));
    if (wish_.answer) {
      returned_bytes_ += static_cast<std::uint64_t>(converted.metadata.nbytes());
      returned_.push_back(std::move(converted));
    }
  } else if (EndsAll(answer_.status)) {
    outcome_.Fail(answer_.status);
    return Finish();
  } else {
    outcome_.Refuse(current_->name, answer_.status);
  }
  current_.reset();
  Next();
}

// Compares the receipt with the array as it came.
ConvertVerdict ConvertJob::Compare(const v1::TensorMetadata& tensor) const {
  const FileArray& array = *current_;
  const auto elements = array.is_npy
                            ? CheckNpyElements(array.content.bytes, array.dtype, Fidelity::kConvert)
                            : CheckElements({array.dtype, array.shape}, array.content.bytes, Fidelity::kConvert);
  if (!elements.ok()) return {};
  const v1::Receipt& receipt = tensor.receipt();
  const std::string_view dtype = Info(elements->header.dtype()).name;  // NumPy and torch use one name.
  const Digest digest = DigestOf(*elements);
  const bool digest_equal = receipt.digest().size() == digest.size() &&
                            std::memcmp(receipt.digest().data(), digest.data(), digest.size()) == 0;
  return {.dtype_equal = receipt.dtype_equal() && receipt.numpy_dtype() == dtype && tensor.dtype() == dtype,
          .digest_equal = digest_equal};
}

void ConvertJob::Finish() {
  current_.reset();
  if (wish_.answer && outcome_.complete()) {
    return reply_(FileAnswer(*wish_.answer, std::move(returned_), {context_.pool, &peer_}));
  }
  reply_(std::move(outcome_).Answer());
}

}  // namespace tensorferry::web
