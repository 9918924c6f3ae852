#include "rpc/native/wire_reader.h"

#include <gmock/gmock.h>

#include <array>
#include <ostream>
#include <string>
#include <vector>

#include "testing/cut_message.h"
#include "testing/request_views.h"
#include "testing/requests.h"
#include "testing/wire_bytes.h"

namespace tensorferry::rpc {
namespace {

constexpr std::uint64_t kMax = ~std::uint64_t{0};

struct MessageCase {
  MessageCase(std::string the_name, MessageKind the_kind, std::string the_message)
      : name(std::move(the_name)), kind(the_kind), message(std::move(the_message)) {}
  MessageCase(std::string the_name, const v1::ConvertRequest& request)
      : MessageCase(std::move(the_name), MessageKind::kConvertRequest, request.SerializeAsString()) {}
  MessageCase(std::string the_name, const v1::ConvertStreamRequest& request)
      : MessageCase(std::move(the_name), MessageKind::kConvertStreamRequest, request.SerializeAsString()) {}

  std::string name;
  MessageKind kind;
  std::string message;
  friend void PrintTo(const MessageCase& c, std::ostream* out) { *out << c.name; }
};

std::string NameOf(const testing::TestParamInfo<MessageCase>& test) { return test.param.name; }

// --- The reader reads in place what generated writers write.

v1::ConvertRequest EveryField() {
  v1::ConvertRequest request;
  request.set_request_id("request 1");
  request.set_model_name("model");
  request.set_model_version("12");
  request.set_fidelity(v1::FIDELITY_STRICT);
  request.set_digest(v1::DIGEST_ALGORITHM_XXH3_128);
  request.set_return_data(true);
  request.add_requested_outputs("y");
  request.add_requested_outputs("");
  v1::Array& array = AddData(request, "x", std::string(24, '\x80'));
  array.set_dtype(">f4");
  array.add_shape(3);
  array.set_fortran_order(true);
  request.add_arrays()->set_npy("\x93NUMPY");
  AddChunked(request, "z", std::uint64_t{1} << 40);
  request.add_arrays();
  return request;
}

v1::ConvertRequest WithShape(const std::vector<std::int64_t>& shape) {
  v1::ConvertRequest request;
  request.add_arrays()->mutable_shape()->Add(shape.begin(), shape.end());
  return request;
}

v1::ConvertRequest WithData(std::size_t nbytes) {
  v1::ConvertRequest request;
  AddData(request, "x", std::string(nbytes, 'x'));
  return request;
}

v1::ConvertRequest WithName(const std::string& name) {
  v1::ConvertRequest request;
  AddData(request, name, "x");
  return request;
}

v1::ConvertRequest WithEnums(int fidelity, int digest) {
  v1::ConvertRequest request;
  request.set_fidelity(static_cast<v1::Fidelity>(fidelity));
  request.set_digest(static_cast<v1::DigestAlgorithm>(digest));
  return request;
}

v1::ConvertRequest WithArrays(int count) {
  v1::ConvertRequest request;
  for (int i = 0; i < count; ++i) AddChunked(request, "", 0);
  return request;
}

v1::ConvertStreamRequest InStream(const v1::ConvertRequest& request) {
  v1::ConvertStreamRequest message;
  *message.mutable_request() = request;
  return message;
}

v1::ConvertStreamRequest Chunk(const std::string& bytes) {
  v1::ConvertStreamRequest message;
  message.set_chunk(bytes);
  return message;
}

std::string ArrayBytes(const std::string& fields) { return BytesField(v1::ConvertRequest::kArraysFieldNumber, fields); }

std::vector<MessageCase> UsualMessages() {
  const auto unary = MessageKind::kConvertRequest;
  return {
      {"Empty", v1::ConvertRequest()},
      {"EveryField", EveryField()},
      {"EveryFieldInAStream", InStream(EveryField())},
      {"EmptyInAStream", InStream({})},
      {"Chunk", Chunk(std::string(200, '\xFF'))},
      {"EmptyChunk", Chunk("")},
      {"EmptyData", WithData(0)},
      {"Data127", WithData(127)},
      {"Data128", WithData(128)},
      {"NegativeDim", WithShape({-1, 2, std::numeric_limits<std::int64_t>::min()})},
      {"HugeDims", WithShape({std::int64_t{1} << 40, std::numeric_limits<std::int64_t>::max(), 0})},
      {"MostDims", WithShape(std::vector<std::int64_t>(kMaxNdim, 300))},
      {"LongestText", WithName(std::string(512, 'n'))},
      {"AsciiControls", WithName(std::string("\0\t\x7F", 3))},
      {"UnknownEnumerators", WithEnums(127, 3)},
      {"EmptyPackedShape", unary, ArrayBytes(BytesField(v1::Array::kShapeFieldNumber, ""))},
      {"DefaultsWritten", unary,
       BytesField(1, "") + VarintField(4, 0) + VarintField(6, 0) + ArrayBytes(VarintField(4, 0) + VarintField(7, 0))},
      {"LargestVarint", unary, ArrayBytes(VarintField(v1::Array::kChunkedNbytesFieldNumber, kMax))},
  };
}

class UsualMessage : public testing::TestWithParam<MessageCase> {};

TEST_P(UsualMessage, IsReadInPlaceHoweverItIsCut) {
  const auto& [name, kind, message] = GetParam();
  const ProtobufReading expected(message, kind);
  for (const CutMessage& cut : CutEverywhere(message)) {
    const InPlaceReading actual(cut.pieces(), kind);
    ASSERT_TRUE(actual.done) << "first piece: " << cut.pieces()[0].size() << " bytes";
    ASSERT_EQ(Mistake(actual, expected), "") << "first piece: " << cut.pieces()[0].size() << " bytes";
  }
}

TEST_P(UsualMessage, IsNotReadWrongWhenTruncated) {
  const auto& [name, kind, message] = GetParam();
  for (std::size_t nbytes = 0; nbytes < message.size(); ++nbytes) {
    const std::string head = message.substr(0, nbytes);
    const ProtobufReading expected(head, kind);
    for (const std::size_t place : {std::size_t{0}, nbytes / 2, nbytes - nbytes / 4}) {
      const CutMessage cut(head, std::array{place});
      ASSERT_EQ(Mistake(InPlaceReading(cut.pieces(), kind), expected), "") << nbytes << " bytes, cut at " << place;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Generated, UsualMessage, testing::ValuesIn(UsualMessages()), NameOf);

TEST(ReadConvertRequest, TakesAsManyArraysAndOutputsAsAreAllowed) {
  v1::ConvertRequest request = WithArrays(kMaxArrays);
  for (std::size_t i = 0; i < kMaxArrays; ++i) request.add_requested_outputs("y");
  const std::string message = request.SerializeAsString();
  const CutMessage cut(message, std::array{message.size() / 2});
  const InPlaceReading actual(cut.pieces(), MessageKind::kConvertRequest);
  EXPECT_TRUE(actual.done);
  EXPECT_EQ(Mistake(actual, ProtobufReading(message, MessageKind::kConvertRequest)), "");
}

TEST(ReadConvertRequest, LeavesMoreCutTextThanTheScratchHoldsToProtobuf) {
  v1::ConvertRequest request;
  for (const char c : {'a', 'b'}) request.add_requested_outputs(std::string(512, c));
  const auto reads = [&] {
    const CutMessage cut = CutMessage::InSingleBytes(request.SerializeAsString());
    const InPlaceReading actual(cut.pieces(), MessageKind::kConvertRequest);
    EXPECT_EQ(Mistake(actual, ProtobufReading(request.SerializeAsString(), MessageKind::kConvertRequest)), "");
    return actual.done;
  };
  EXPECT_TRUE(reads()) << "exactly full";
  request.add_requested_outputs("c");
  EXPECT_TRUE(reads()) << "text of one byte is never cut";
  request.add_requested_outputs("dd");
  EXPECT_FALSE(reads());
}

// --- The reader leaves what is written otherwise to protobuf.

std::vector<MessageCase> UnusualRequests() {
  const auto kind = MessageKind::kConvertRequest;
  const std::string name = BytesField(v1::Array::kNameFieldNumber, "x");
  const std::string data = BytesField(v1::Array::kDataFieldNumber, "data");
  const std::string npy = BytesField(v1::Array::kNpyFieldNumber, "npy");
  const std::string chunked = VarintField(v1::Array::kChunkedNbytesFieldNumber, 5);
  const std::string id = BytesField(1, "id");
  const std::string shape = BytesField(v1::Array::kShapeFieldNumber, "\1\2");
  return {
      // Fields.
      {"UnknownField", kind, id + BytesField(9, "?")},
      {"UnknownFieldOfTwoBytes", kind, id + VarintField(16, 1)},
      {"UnknownFieldInArray", kind, ArrayBytes(data + VarintField(9, 1))},
      {"OutOfOrder", kind, BytesField(2, "model") + id},
      {"OutOfOrderInArray", kind, ArrayBytes(data + name)},
      {"ArrayBeforeOutput", kind, ArrayBytes(data) + BytesField(7, "y")},
      {"RepeatedText", kind, id + BytesField(1, "other")},
      {"RepeatedBool", kind, VarintField(6, 1) + VarintField(6, 0)},
      {"RepeatedName", kind, ArrayBytes(name + name)},
      {"RepeatedShape", kind, ArrayBytes(shape + shape)},
      {"RepeatedData", kind, ArrayBytes(data + data)},
      {"DataAndNpy", kind, ArrayBytes(data + npy)},
      {"NpyAndData", kind, ArrayBytes(npy + data)},
      {"DataAndChunked", kind, ArrayBytes(data + chunked)},
      {"SharedMemory", kind, ArrayBytes(BytesField(8, BytesField(1, "region") + VarintField(3, 4)))},
      {"DataAndSharedMemory", kind, ArrayBytes(data + BytesField(8, ""))},
      {"UnpackedShape", kind, ArrayBytes(VarintField(3, 2) + VarintField(3, 3))},
      {"PackedAndUnpackedShape", kind, ArrayBytes(shape + VarintField(3, 3))},
      {"FieldZero", kind, id + VarintField(0, 1)},
      {"FieldZeroInArray", kind, ArrayBytes(std::string("\0\0", 2))},
      // Wire types.
      {"Group", kind, id + Tag(9, 3) + VarintField(1, 1) + Tag(9, 4)},
      {"GroupOfAKnownField", kind, Tag(1, 3) + Tag(1, 4)},
      {"EndOfNoGroup", kind, id + Tag(1, 4)},
      {"OpenGroup", kind, id + Tag(9, 3)},
      {"TextAsVarint", kind, VarintField(1, 5)},
      {"BoolAsBytes", kind, BytesField(6, "\1")},
      {"Fixed64", kind, ArrayBytes(Tag(7, 1) + "12345678")},
      {"Fixed32", kind, Tag(4, 5) + "1234"},
      {"WireType6", kind, Tag(2, 6) + "1"},
      {"WireType7", kind, Tag(2, 7) + "1"},
      // Varints.
      {"LongTag", kind, LongVarint(1 << 3 | 2, 2) + Varint(2) + "id"},
      {"LongLength", kind, Tag(1, 2) + LongVarint(2, 2) + "id"},
      {"LongArrayLength", kind, Tag(8, 2) + LongVarint(data.size(), 5) + data},
      {"LongShapeLength", kind, ArrayBytes(Tag(3, 2) + LongVarint(1, 3) + "\7")},
      {"LongDim", kind, ArrayBytes(BytesField(3, LongVarint(7, 10)))},
      {"LongBool", kind, Tag(6, 0) + LongVarint(1, 2)},
      {"LongEnum", kind, Tag(4, 0) + LongVarint(2, 10)},
      {"LongChunked", kind, ArrayBytes(Tag(7, 0) + LongVarint(1, 10))},
      {"VarintOf65Bits", kind, ArrayBytes(Tag(7, 0) + std::string(9, '\xFF') + '\2')},
      {"VarintOf70Bits", kind, ArrayBytes(Tag(7, 0) + std::string(9, '\xFF') + '\x7F')},
      {"VarintOf11Bytes", kind, ArrayBytes(Tag(7, 0) + LongVarint(1, 11))},
      {"LengthOf10Bytes", kind, Tag(1, 2) + LongVarint(2, 10) + "id"},
      {"LengthMax", kind, Tag(1, 2) + Varint(kMax) + "id"},
      {"LengthOf2GiB", kind, Tag(1, 2) + Varint(std::uint64_t{1} << 31) + "id"},
      {"LengthWrapping32Bits", kind, Tag(1, 2) + Varint((std::uint64_t{1} << 32) + 2) + "id"},
      {"Bool2", kind, VarintField(6, 2)},
      {"BoolMax", kind, VarintField(6, kMax)},
      {"FortranOrder2", kind, ArrayBytes(VarintField(4, 2))},
      {"Enum300", kind, VarintField(4, 300)},
      {"EnumThenWhatCouldBeFields", kind,
       VarintField(4, 2 | 0x28 << 7) + BytesField(7, "\1" + BytesField(7, std::string(45, 'y')))},
      {"EnumNegative", kind, VarintField(5, kMax)},
      {"EnumWrapping32Bits", kind, VarintField(4, (std::uint64_t{1} << 32) + 2)},
      // Texts.
      {"Utf8", kind, BytesField(1, "δ")},
      {"Utf8ArrayName", kind, ArrayBytes(BytesField(1, "δ") + data)},
      {"InvalidUtf8", kind, BytesField(1, "a\xFF")},
      {"CutUtf8", kind, BytesField(2, "\xCE")},
      {"Surrogate", kind, BytesField(3, "\xED\xA0\x80")},
      {"InvalidUtf8Output", kind, BytesField(7, "\xC0\x80")},
      {"InvalidUtf8Dtype", kind, ArrayBytes(BytesField(2, "\xFE"))},
      {"Name513", WithName(std::string(513, 'n'))},
      {"Name600", WithName(std::string(600, 'n'))},
      // Lengths.
      {"LengthBeyondTheEnd", kind, Tag(1, 2) + Varint(3) + "id"},
      {"DataOneBeyondItsArray", kind, Tag(8, 2) + Varint(4) + Tag(5, 2) + Varint(3) + "da" + id},
      {"NameOneBeyondItsArray", kind, Tag(8, 2) + Varint(3) + Tag(1, 2) + Varint(2) + "xx" + VarintField(9, 1)},
      {"ShapeOneBeyondItsArray", kind, Tag(8, 2) + Varint(3) + Tag(3, 2) + Varint(2) + "\1\1"},
      {"DimOneBeyondItsShape", kind, ArrayBytes(Tag(3, 2) + Varint(1) + "\x81\1")},
      {"ChunkedOneBeyondItsArray", kind, Tag(8, 2) + Varint(2) + Tag(7, 0) + "\x81\1"},
      {"TagOnly", kind, id + Tag(2, 2)},
      {"TrailingZero", kind, id + std::string(1, '\0')},
      {"Ndim65", WithShape(std::vector<std::int64_t>(kMaxNdim + 1, 1))},
  };
}

std::vector<MessageCase> UnusualStreamMessages() {
  const auto kind = MessageKind::kConvertStreamRequest;
  const std::string id = BytesField(1, "id");
  return {
      {"NothingInAStream", kind, ""},
      {"UnknownPart", kind, BytesField(3, "?")},
      {"TwoRequests", kind, BytesField(1, id) + BytesField(1, BytesField(2, "model"))},
      {"RequestAndChunk", kind, BytesField(1, id) + BytesField(2, "chunk")},
      {"ChunkAndRequest", kind, BytesField(2, "chunk") + BytesField(1, id)},
      {"TwoChunks", kind, BytesField(2, "chunk") + BytesField(2, "other")},
      {"ChunkAndUnknownField", kind, BytesField(2, "chunk") + VarintField(9, 1)},
      {"ChunkAndTrailingZero", kind, BytesField(2, "chunk") + std::string(1, '\0')},
      {"ChunkBeyondTheEnd", kind, Tag(2, 2) + Varint(6) + "chunk"},
      {"ChunkWithLongLength", kind, Tag(2, 2) + LongVarint(5, 2) + "chunk"},
      {"ChunkAsVarint", kind, VarintField(2, 5)},
      {"RequestBeyondTheEnd", kind, Tag(1, 2) + Varint(id.size() + 1) + id},
      {"RequestWithTrailingByte", kind, Tag(1, 2) + Varint(id.size() - 1) + id},
      {"RequestAsGroup", kind, Tag(1, 3) + id + Tag(1, 4)},
      {"UnknownFieldInARequest", kind, BytesField(1, id + VarintField(9, 1))},
  };
}

class UnusualMessage : public testing::TestWithParam<MessageCase> {};

TEST_P(UnusualMessage, IsLeftToProtobuf) {
  const auto& [name, kind, message] = GetParam();
  const ProtobufReading expected(message, kind);
  for (const CutMessage& cut : CutEverywhere(message)) {
    ASSERT_FALSE(InPlaceReading(cut.pieces(), kind).done) << "first piece: " << cut.pieces()[0].size() << " bytes";
    ASSERT_EQ(DecoderMistake(cut.pieces(), kind, expected), "")
        << "first piece: " << cut.pieces()[0].size() << " bytes";
  }
}

INSTANTIATE_TEST_SUITE_P(Requests, UnusualMessage, testing::ValuesIn(UnusualRequests()), NameOf);
INSTANTIATE_TEST_SUITE_P(InStreams, UnusualMessage, testing::ValuesIn(UnusualStreamMessages()), NameOf);

TEST(ReadConvertRequest, LeavesMoreArraysAndOutputsThanAreAllowedToProtobuf) {
  v1::ConvertRequest many_outputs;
  for (std::size_t i = 0; i <= kMaxArrays; ++i) many_outputs.add_requested_outputs("");
  for (const v1::ConvertRequest& request : {WithArrays(kMaxArrays + 1), WithArrays(5000), many_outputs}) {
    const CutMessage whole(request.SerializeAsString(), {});
    EXPECT_FALSE(InPlaceReading(whole.pieces(), MessageKind::kConvertRequest).done);
  }
}

}  // namespace
}  // namespace tensorferry::rpc
