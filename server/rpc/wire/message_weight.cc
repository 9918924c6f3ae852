#include "rpc/wire/message_weight.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <cstdint>

#include "rpc/wire/piece_stream.h"
#include "rpc/wire/wire_format.h"

namespace tensorferry::rpc {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using Holds = FieldLayout::Holds;

// The weights are about the time that things take, in steps of 100 ns, as it was measured: an array becomes a tensor and a
// receipt in 1 to 1.5 us, and so does a name of an output an answer; any other field is read, and so are some integers.
constexpr std::size_t kMost = 4096;
constexpr std::size_t kEntry = 12;
constexpr std::size_t kField = 1;
constexpr std::size_t kBytesInAStep = 16;  // Of integers, and of groups.

constexpr FieldLayout kOther{};

// Weigher walks through a message until its weight is above kMost, or the message ends or does not parse.
class Weigher {
 public:
  explicit Weigher(CodedInputStream& input) : input_(input) {}

  bool heavy() const { return weight_ > kMost; }

  void Walk(const MessageLayout& layout) {
    while (!heavy()) {
      const std::uint32_t tag = input_.ReadTag();
      if (tag == 0) return;
      const auto listed = std::ranges::find(layout.fields, FieldOf(tag), &FieldLayout::number);
      const FieldLayout& field = listed == layout.fields.end() ? kOther : *listed;
      const bool is_entry = field.most < kAny && field.holds != Holds::kElements;
      weight_ += is_entry ? kEntry : kField;
      if (!(IsLengthDelimited(tag) ? Enter(field) : Skip(tag))) return;
    }
  }

 private:
  // Returns whether the field's value was read to its end.
  bool Enter(const FieldLayout& field) {
    int length = 0;
    if (!input_.ReadVarintSizeAsInt(&length)) return false;
    if (field.holds == Holds::kVarints) weight_ += static_cast<std::size_t>(length) / kBytesInAStep;
    if (field.holds != Holds::kMessage) return input_.Skip(length);
    const auto limit = input_.PushLimit(length);
    Walk(*field.message);
    const bool at_end = input_.BytesUntilLimit() == 0;
    input_.PopLimit(limit);
    return at_end;
  }

  // Skips a number, or a group: protobuf reads the fields of a group, too.
  bool Skip(std::uint32_t tag) {
    const int begin = input_.CurrentPosition();
    if (!WireFormatLite::SkipField(&input_, tag)) return false;
    weight_ += static_cast<std::size_t>(input_.CurrentPosition() - begin) / kBytesInAStep;
    return true;
  }

  CodedInputStream& input_;
  std::size_t weight_ = 0;
};

}  // namespace

bool IsLongToRead(std::span<const Bytes> message, const MessageLayout& layout) {
  PieceStream stream(message);
  CodedInputStream input(&stream);
  Weigher weigher(input);
  weigher.Walk(layout);
  return weigher.heavy();
}

}  // namespace tensorferry::rpc
