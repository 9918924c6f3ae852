#include "web/infer_message.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <array>
#include <cstdint>
#include <utility>

namespace tensorferry::web {
namespace {

using google::protobuf::internal::WireFormatLite;

constexpr std::size_t kCopiedBytes = 4096;  // Fewer bytes are copied, as a slice of their own costs more.
constexpr std::size_t kMaxVarintBytes = 10;

constexpr std::uint32_t TagOf(int field) {
  return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
}

void AppendVarint(std::uint64_t value, std::string& text) {
  std::array<std::uint8_t, kMaxVarintBytes> bytes{};
  const std::uint8_t* const end = google::protobuf::io::CodedOutputStream::WriteVarint64ToArray(value, bytes.data());
  text.append(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(end - bytes.data()));
}

// Returns a slice that refers to `bytes` and keeps their owner.
grpc::Slice Referring(std::string_view bytes, const std::shared_ptr<const void>& owner) {
  return {const_cast<char*>(bytes.data()), bytes.size(),  // NOLINT: nobody writes into a slice.
          [](void* kept) { delete static_cast<std::shared_ptr<const void>*>(kept); },
          new std::shared_ptr<const void>(owner)};
}

// AnswerCursor reads a message that lies in slices.
class AnswerCursor {
 public:
  explicit AnswerCursor(const std::vector<grpc::Slice>& slices) {
    for (const grpc::Slice& slice : slices) {
      if (slice.size() > 0) left_.emplace_back(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
  }

  bool done() const { return at_ == left_.size(); }

  bool Varint(std::uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 7 * kMaxVarintBytes && !done(); shift += 7) {
      const auto byte = static_cast<std::uint8_t>(Bytes(1).front().front());
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  // Takes as many of `nbytes` bytes as there are.
  std::vector<std::string_view> Bytes(std::uint64_t nbytes) {
    std::vector<std::string_view> pieces;
    while (nbytes > 0 && !done()) {
      std::string_view& front = left_[at_];
      pieces.push_back(front.substr(0, nbytes));
      nbytes -= pieces.back().size();
      front.remove_prefix(pieces.back().size());
      if (front.empty()) ++at_;
    }
    return pieces;
  }

 private:
  std::vector<std::string_view> left_;
  std::size_t at_ = 0;
};

}  // namespace

grpc::ByteBuffer InferMessage(InferBody body, const std::shared_ptr<const void>& body_owner) {
  std::vector<grpc::Slice> slices;
  std::string head = body.message.SerializeAsString();
  for (RawInput& input : body.raw) {
    AppendVarint(TagOf(inference::ModelInferRequest::kRawInputContentsFieldNumber), head);
    AppendVarint(input.bytes().size(), head);
    if (input.bytes().size() < kCopiedBytes) {
      head += input.bytes();
      continue;
    }
    slices.emplace_back(head);
    head.clear();
    if (input.made.empty()) {
      slices.push_back(Referring(input.sent, body_owner));
    } else {
      const auto made = std::make_shared<const std::string>(std::move(input.made));
      slices.push_back(Referring(*made, made));
    }
  }
  if (!head.empty()) slices.emplace_back(head);
  return slices.empty() ? grpc::ByteBuffer(std::array{grpc::Slice()}.data(), 1)
                        : grpc::ByteBuffer(slices.data(), slices.size());
}

bool ReadInferAnswer(const grpc::ByteBuffer& bytes, InferAnswer& answer) {
  const auto slices = std::make_shared<std::vector<grpc::Slice>>();
  if (!bytes.Dump(slices.get()).ok()) return false;
  AnswerCursor cursor(*slices);
  std::string head;
  while (!cursor.done()) {
    std::uint64_t tag = 0;
    std::uint64_t nbytes = 0;
    if (!cursor.Varint(tag) || !cursor.Varint(nbytes)) return false;
    if ((tag & 7) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) return false;  // The response has no other fields.
    std::vector<std::string_view> pieces = cursor.Bytes(nbytes);
    if (tag == TagOf(inference::ModelInferResponse::kRawOutputContentsFieldNumber)) {
      answer.raw.push_back(std::move(pieces));
      continue;
    }
    AppendVarint(tag, head);
    AppendVarint(nbytes, head);
    for (const std::string_view piece : pieces) head += piece;
  }
  answer.owner = slices;
  return answer.message.ParseFromString(head);
}

}  // namespace tensorferry::web
