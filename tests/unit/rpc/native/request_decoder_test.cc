#include "rpc/native/request_decoder.h"

#include <gmock/gmock.h>

#include <ostream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "rpc/wire/message_guard.h"
#include "testing/cut_message.h"
#include "testing/request_views.h"
#include "testing/requests.h"
#include "testing/status_matchers.h"
#include "testing/test_memory.h"
#include "testing/wire_bytes.h"

namespace tensorferry::rpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr MessageKind kUnary = MessageKind::kConvertRequest;
constexpr MessageKind kStream = MessageKind::kConvertStreamRequest;

// kUnknownField means nothing, but only protobuf's parser reads a message with it.
const std::string kUnknownField = VarintField(100, 1);

absl::Status Decode(DecoderOfEither& decoder, const CutMessage& message, MessageKind kind) {
  return decoder.Decode(message.pieces(), kind);
}

bool IsReadInPlace(const std::string& message, MessageKind kind) {
  return InPlaceReading(CutMessage(message, {}).pieces(), kind).done;
}

std::string RequestInStream(const v1::ConvertRequest& request) { return BytesField(1, request.SerializeAsString()); }

v1::ConvertRequest LargeRequest() {
  v1::ConvertRequest request;
  request.set_request_id("large");
  request.set_model_name("model");
  request.set_model_version("3");
  request.set_fidelity(v1::FIDELITY_STRICT);
  request.set_digest(v1::DIGEST_ALGORITHM_XXH3_128);
  request.set_return_data(true);
  request.add_requested_outputs("y");
  AddData(request, "a", "data").set_fortran_order(true);
  AddChunked(request, "b", 1 << 20);
  request.add_arrays()->set_npy("\x93NUMPY");
  return request;
}

v1::ConvertRequest SmallRequest() {
  v1::ConvertRequest request;
  request.add_arrays();
  return request;
}

struct MessageCase {
  std::string name;
  MessageKind kind;
  std::string message;
  friend void PrintTo(const MessageCase& c, std::ostream* out) { *out << c.name; }
};

const std::vector<MessageCase>& Messages() {
  static const std::vector<MessageCase> messages = {
      {"Large", kUnary, LargeRequest().SerializeAsString()},
      {"Small", kUnary, SmallRequest().SerializeAsString()},
      {"Empty", kUnary, ""},
      {"LargeInAStream", kStream, RequestInStream(LargeRequest())},
      {"SmallInAStream", kStream, RequestInStream(SmallRequest())},
      {"EmptyInAStream", kStream, RequestInStream({})},
      {"Chunk", kStream, BytesField(2, "chunk")},
      {"EmptyChunk", kStream, BytesField(2, "")},
  };
  return messages;
}

class Decoded : public testing::TestWithParam<MessageCase> {};

TEST_P(Decoded, TheSameInPlaceAndByProtobuf) {
  const auto& [name, kind, message] = GetParam();
  const std::string unusual = message + kUnknownField;
  ASSERT_TRUE(IsReadInPlace(message, kind));
  ASSERT_FALSE(IsReadInPlace(unusual, kind));
  const ProtobufReading expected(message, kind);
  for (const std::string& bytes : {message, unusual}) {
    for (const std::size_t first : {std::size_t{0}, std::size_t{1}, bytes.size() / 2, bytes.size()}) {
      const CutMessage cut(bytes, {&first, 1});
      DecoderOfEither decoder;
      ASSERT_THAT(Decode(decoder, cut, kind), IsOk());
      EXPECT_EQ(Difference(Reading(decoder.last()), expected.reading()), "");
    }
  }
}

TEST_P(Decoded, AsIfTheDecoderWereNew) {
  const auto& [name, kind, message] = GetParam();
  const ProtobufReading expected(message, kind);
  for (const MessageCase& former : Messages()) {
    if (former.kind != kind) continue;
    for (const std::string& former_bytes : {former.message, former.message + kUnknownField, former.message + '\0'}) {
      for (const std::string& bytes : {message, message + kUnknownField}) {
        DecoderOfEither decoder;
        {
          const CutMessage gone(former_bytes, {});
          Decode(decoder, gone, former.kind).IgnoreError();
        }
        const CutMessage whole(bytes, {});
        ASSERT_THAT(Decode(decoder, whole, kind), IsOk());
        EXPECT_EQ(Difference(Reading(decoder.last()), expected.reading()), "") << "after " << former.name;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Messages, Decoded, testing::ValuesIn(Messages()),
                         [](const auto& test) { return test.param.name; });

TEST(RequestDecoder, SaysWhichPartOfAStreamCame) {
  const auto part = [](const std::string& message) {
    DecoderOfEither decoder;
    EXPECT_THAT(Decode(decoder, CutMessage(message, {}), kStream), IsOk());
    return decoder.last().part();
  };
  EXPECT_EQ(part(BytesField(1, "")), StreamPart::kRequest);
  EXPECT_EQ(part(BytesField(2, "")), StreamPart::kChunk);
  EXPECT_EQ(part(""), StreamPart::kNone);
  EXPECT_EQ(part(kUnknownField), StreamPart::kNone);
  EXPECT_EQ(part(BytesField(1, "") + BytesField(2, "")), StreamPart::kChunk) << "the last one counts";
  EXPECT_EQ(part(BytesField(2, "") + BytesField(1, "")), StreamPart::kRequest) << "the last one counts";
}

TEST(RequestDecoder, KeepsPayloadsWhereTheyLie) {
  v1::ConvertRequest request;
  AddData(request, "a", "elements");
  const std::string message = request.SerializeAsString();
  const CutMessage cut(message, std::vector{message.size() - 3});
  DecoderOfEither decoder;
  ASSERT_THAT(Decode(decoder, cut, kUnary), IsOk());
  std::vector<const std::byte*> runs;
  ASSERT_THAT(decoder.last().request().arrays[0].bytes.ForEachRun([&](Bytes run) {
    runs.push_back(run.data());
    return absl::OkStatus();
  }),
              IsOk());
  EXPECT_THAT(runs, ElementsAre(cut.pieces()[0].data() + cut.pieces()[0].size() - 5, cut.pieces()[1].data()));
}

TEST(RequestDecoder, RefusesWhatDoesNotParse) {
  const CutMessage cut("\x0A\x05id", std::vector<std::size_t>{1, 1});
  DecoderOfEither decoder;
  EXPECT_THAT(Decode(decoder, cut, kUnary),
              Fails(Reason::kBadChunk, "the message does not parse as tensorferry.v1.ConvertRequest"));
  const absl::Status error = Decode(decoder, cut, kStream);
  EXPECT_THAT(error, Fails(Reason::kBadChunk, "the message does not parse as tensorferry.v1.ConvertStreamRequest"));
  EXPECT_EQ(DescribeError(error).metadata.at("actual"), "4 bytes");
}

// Each field is allowed by itself; all together are more than 1 MiB.
TEST(RequestDecoder, RefusesTooMuchMetadataInPlaceAndByProtobuf) {
  v1::ConvertRequest request;
  for (std::size_t i = 0; i < kMaxArrays; ++i) AddData(request, std::string(250, 'n'), std::string(100, 'x'));
  ASSERT_TRUE(IsReadInPlace(request.SerializeAsString(), kUnary));
  for (const auto& [message, kind] :
       {std::pair(request.SerializeAsString(), kUnary), std::pair(RequestInStream(request), kStream)}) {
    for (const std::string& bytes : {message, message + kUnknownField}) {
      DecoderOfEither decoder;
      EXPECT_THAT(Decode(decoder, CutMessage(bytes, {}), kind),
                  Fails(Reason::kTensorTooLarge, HasSubstr("bytes of the message are not elements")));
    }
  }
}

TEST(RequestDecoder, RefusesMoreArraysAndOutputsThanAreTaken) {
  v1::ConvertRequest many_arrays;
  for (std::size_t i = 0; i <= kMaxArrays; ++i) many_arrays.add_arrays();
  v1::ConvertRequest many_outputs;
  for (std::size_t i = 0; i <= kMaxArrays; ++i) many_outputs.add_requested_outputs("");
  // A part of a message that comes twice is merged.
  const std::string half = RequestInStream(SmallRequest());
  std::string merged;
  for (std::size_t i = 0; i <= kMaxArrays; ++i) merged += half;
  for (const auto& [message, kind, what] :
       {std::tuple(many_arrays.SerializeAsString(), kUnary, "4097 arrays"),
        std::tuple(RequestInStream(many_outputs), kStream, "4097 requested_outputs"),
        std::tuple(merged, kStream, "4097 arrays")}) {
    DecoderOfEither decoder;
    EXPECT_THAT(Decode(decoder, CutMessage(message, {}), kind), Fails(Reason::kTensorTooLarge, HasSubstr(what)));
  }
}

// A field that nobody knows takes two bytes in the message, and dozens once protobuf has parsed it.
TEST(RequestDecoder, HasTheBudgetAdmitWhatUnknownFieldsTake) {
  constexpr std::size_t kFields = 10'000;
  std::string message = SmallRequest().SerializeAsString();
  for (std::size_t i = 0; i < kFields; ++i) message += tensorferry::Tag(15, 3) + tensorferry::Tag(15, 4);
  const CutMessage whole(message, {});
  ConvertDecoder decoder;
  TestMemory much;
  const PoolFor of_much(much.pool);
  ASSERT_THAT(decoder.Decode(whole.pieces(), &of_much), IsOk());
  EXPECT_GE(much.budget.used(), 40 * kFields);
  decoder.Clear();
  EXPECT_EQ(much.budget.used(), 0u);
  TestMemory little(40 * kFields);
  const PoolFor of_little(little.pool);
  EXPECT_THAT(decoder.Decode(whole.pieces(), &of_little),
              Fails(Reason::kTensorTooLarge, HasSubstr("while it is parsed")));
}

TEST(RequestDecoder, SaysWhetherItHadTheMessageParsed) {
  for (const auto& [kind, message] :
       {std::pair(kUnary, LargeRequest().SerializeAsString()), std::pair(kStream, RequestInStream(LargeRequest()))}) {
    DecoderOfEither decoder;
    for (const bool parsed : {true, false}) {
      const CutMessage whole(parsed ? message + kUnknownField : message, {});
      ASSERT_THAT(Decode(decoder, whole, kind), IsOk());
      EXPECT_EQ(decoder.last().parsed(), parsed);
    }
  }
}

TEST(RequestDecoder, TakesMuchDataInPlaceAndByProtobuf) {
  const std::string elements(2 * kMaxMetadataBytes, 'x');
  v1::ConvertRequest request;
  AddData(request, "a", elements);
  for (const std::string& message : {RequestInStream(request), BytesField(2, elements)}) {
    for (const std::string& bytes : {message, message + kUnknownField}) {
      DecoderOfEither decoder;
      EXPECT_THAT(Decode(decoder, CutMessage(bytes, {}), kStream), IsOk());
    }
  }
}

}  // namespace
}  // namespace tensorferry::rpc
