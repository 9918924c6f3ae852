#include "rpc/oip/infer_reader.h"

#include <gmock/gmock.h>

#include <array>
#include <functional>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "rpc/call/request_view.h"
#include "testing/cut_message.h"
#include "testing/infer_views.h"
#include "testing/status_matchers.h"
#include "testing/wire_bytes.h"

namespace tensorferry::rpc {
namespace {

using Request = triton::ModelInferRequest;

constexpr std::uint64_t kMax = ~std::uint64_t{0};

struct MessageCase {
  MessageCase(std::string the_name, std::string the_message)
      : name(std::move(the_name)), message(std::move(the_message)) {}
  MessageCase(std::string the_name, const Request& request)
      : MessageCase(std::move(the_name), request.SerializeAsString()) {}

  std::string name;
  std::string message;
  friend void PrintTo(const MessageCase& c, std::ostream* out) { *out << c.name; }
};

std::string NameOf(const testing::TestParamInfo<MessageCase>& test) { return test.param.name; }

// --- The reader reads in place what generated writers write.

Request EveryField() {
  Request request;
  request.set_model_name("simple");
  request.set_model_version("12");
  request.set_id("request 1");
  auto& parameters = *request.mutable_parameters();
  parameters["sequence_start"].set_bool_param(false);
  parameters["sequence_id"].set_string_param("me");
  parameters["timeout"].set_int64_param(-5);
  parameters["priority"].set_uint64_param(kMax);
  parameters["nothing"];
  auto& raw = *request.add_inputs();
  raw.set_name("INPUT0");
  raw.set_datatype("INT32");
  for (const std::int64_t dim : {1, 16}) raw.add_shape(dim);
  auto& shared = *request.add_inputs();
  shared.set_name("INPUT1");
  shared.set_datatype("BF16");
  shared.add_shape(2);
  (*shared.mutable_parameters())["shared_memory_region"].set_string_param("region");
  (*shared.mutable_parameters())["shared_memory_byte_size"].set_int64_param(4);
  request.add_inputs();
  request.add_outputs()->set_name("OUTPUT0");
  (*request.add_outputs()->mutable_parameters())["classification"].set_int64_param(3);
  request.add_raw_input_contents(std::string(64, '\x80'));
  request.add_raw_input_contents("");
  request.add_raw_input_contents("last");
  return request;
}

Request WithShape(const std::vector<std::int64_t>& shape) {
  Request request;
  request.add_inputs()->mutable_shape()->Add(shape.begin(), shape.end());
  return request;
}

Request WithRaw(std::size_t nbytes) {
  Request request;
  request.add_raw_input_contents(std::string(nbytes, '\xFF'));
  return request;
}

Request WithInputName(const std::string& name) {
  Request request;
  request.add_inputs()->set_name(name);
  return request;
}

Request WithTexts(const std::string& text) {
  Request request;
  request.set_model_name(text);
  request.set_model_version(text);
  request.set_id(text);
  return request;
}

// Entry writes an entry of a map, which is a message of its own.
std::string Entry(const std::string& value, std::string_view name = "p") {
  return BytesField(1, name) + BytesField(2, value);
}

std::string ParameterBytes(const std::string& entry) { return BytesField(Request::kParametersFieldNumber, entry); }

std::string InputBytes(const std::string& fields) { return BytesField(Request::kInputsFieldNumber, fields); }

std::string OutputBytes(const std::string& fields) { return BytesField(Request::kOutputsFieldNumber, fields); }

std::vector<MessageCase> UsualMessages() {
  return {
      {"Empty", Request()},
      {"EveryField", EveryField()},
      {"EmptyRaw", WithRaw(0)},
      {"Raw127", WithRaw(127)},
      {"Raw128", WithRaw(128)},
      {"NegativeDims", WithShape({-1, 2, std::numeric_limits<std::int64_t>::min()})},
      {"HugeDims", WithShape({std::int64_t{1} << 40, std::numeric_limits<std::int64_t>::max(), 0})},
      {"MostDims", WithShape(std::vector<std::int64_t>(kMaxNdim, 300))},
      {"LongestText", WithInputName(std::string(512, 'n'))},
      {"AsciiControls", WithTexts(std::string("\0\t\x7F", 3))},
      {"EmptyEntries", ParameterBytes("") + InputBytes(BytesField(4, "")) + OutputBytes(BytesField(2, ""))},
      {"EntryWithoutAName", ParameterBytes(BytesField(2, VarintField(1, 1)))},
      {"EntryWithoutAValue", ParameterBytes(BytesField(1, "p"))},
      {"EntryOfAnEmptyValue", ParameterBytes(Entry(""))},
      {"SameNameInDifferentMaps",
       ParameterBytes(Entry(VarintField(1, 1))) + InputBytes(BytesField(4, Entry(VarintField(2, 1)))) +
           InputBytes(BytesField(4, Entry(VarintField(2, 2)))) + OutputBytes(BytesField(2, Entry(VarintField(2, 3))))},
      {"DefaultsWritten", BytesField(1, "") + BytesField(2, "") + BytesField(3, "") +
                              ParameterBytes(Entry(VarintField(1, 0), "a")) +
                              ParameterBytes(Entry(BytesField(3, ""), "b")) +
                              ParameterBytes(Entry(VarintField(5, 0), "c")) + InputBytes(BytesField(1, ""))},
      {"EmptyPackedShape", InputBytes(BytesField(3, ""))},
      {"LargestNumbers", ParameterBytes(Entry(VarintField(2, kMax), "a")) +
                             ParameterBytes(Entry(VarintField(2, kMax / 2 + 1), "b")) +
                             ParameterBytes(Entry(VarintField(5, kMax), "c"))},
  };
}

class UsualInferMessage : public testing::TestWithParam<MessageCase> {};

TEST_P(UsualInferMessage, IsReadInPlaceHoweverItIsCut) {
  const std::string& message = GetParam().message;
  const ProtobufInferReading expected(message);
  for (const CutMessage& cut : CutEverywhere(message)) {
    const InPlaceInferReading actual(cut.pieces());
    ASSERT_TRUE(actual.done) << "first piece: " << cut.pieces()[0].size() << " bytes";
    ASSERT_EQ(Mistake(actual, expected), "") << "first piece: " << cut.pieces()[0].size() << " bytes";
  }
}

TEST_P(UsualInferMessage, IsNotReadWrongWhenTruncated) {
  const std::string& message = GetParam().message;
  for (std::size_t nbytes = 0; nbytes < message.size(); ++nbytes) {
    const std::string head = message.substr(0, nbytes);
    const ProtobufInferReading expected(head);
    for (const std::size_t place : {std::size_t{0}, nbytes / 2, nbytes - nbytes / 4}) {
      const CutMessage cut(head, std::array{place});
      ASSERT_EQ(Mistake(InPlaceInferReading(cut.pieces()), expected), "") << nbytes << " bytes, cut at " << place;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Generated, UsualInferMessage, testing::ValuesIn(UsualMessages()), NameOf);

TEST(ReadInferRequest, ForgetsWhatWasReadBefore) {
  const std::string large = EveryField().SerializeAsString();
  WireScratch scratch;
  InferRequestView view;
  const CutMessage first(large, {});
  ASSERT_TRUE(ReadInferRequest(first.pieces(), scratch, view));
  const CutMessage empty("", {});
  ASSERT_TRUE(ReadInferRequest(empty.pieces(), scratch, view));
  EXPECT_EQ(Difference(view, Request()), "");
}

TEST(ReadInferRequest, TakesAsManyOfEachAsAreAllowed) {
  const auto add_input = [](Request& request) { request.add_inputs()->set_name("x"); };
  const auto add_output = [](Request& request) { request.add_outputs()->set_name("y"); };
  const auto add_raw = [](Request& request) { request.add_raw_input_contents("z"); };
  Request most;
  for (std::size_t i = 0; i < kMaxArrays; ++i) {
    add_input(most);
    add_output(most);
    add_raw(most);
  }
  const std::string message = most.SerializeAsString();
  const CutMessage cut(message, std::array{message.size() / 2});
  const InPlaceInferReading actual(cut.pieces());
  ASSERT_TRUE(actual.done);
  EXPECT_EQ(Mistake(actual, ProtobufInferReading(message)), "");
  for (const auto& add : {std::function(add_input), std::function(add_output), std::function(add_raw)}) {
    Request more = most;
    add(more);
    const std::string bytes = more.SerializeAsString();
    const CutMessage whole(bytes, {});
    EXPECT_FALSE(InPlaceInferReading(whole.pieces()).done);
    EXPECT_THAT(InferDecoder().Decode(whole.pieces()), Fails(Reason::kTensorTooLarge));
  }
}

TEST(ReadInferRequest, LeavesMoreCutTextThanTheScratchHoldsToProtobuf) {
  Request request;
  for (const char c : {'a', 'b'}) request.add_outputs()->set_name(std::string(512, c));
  const auto reads = [&] {
    const std::string message = request.SerializeAsString();
    const CutMessage cut = CutMessage::InSingleBytes(message);
    EXPECT_EQ(InferDecoderMistake(cut.pieces(), ProtobufInferReading(message)), "");
    return InPlaceInferReading(cut.pieces()).done;
  };
  EXPECT_TRUE(reads()) << "exactly full";
  request.add_outputs()->set_name("cc");
  EXPECT_FALSE(reads());
}

// --- The reader leaves what is written otherwise to protobuf.

std::vector<MessageCase> UnusualFields() {
  const std::string model = BytesField(1, "model");
  const std::string name = BytesField(1, "x");
  const std::string shape = BytesField(3, "\1\2");
  const std::string contents = BytesField(5, BytesField(2, "\1\2"));
  return {
      {"UnknownField", model + BytesField(9, "?")},
      {"UnknownFieldOfTwoBytes", model + VarintField(16, 1)},
      {"UnknownFieldInAnInput", InputBytes(name + VarintField(9, 1))},
      {"UnknownFieldInAnOutput", OutputBytes(name + VarintField(9, 1))},
      {"OutOfOrder", BytesField(2, "1") + model},
      {"InputAfterOutput", OutputBytes(name) + InputBytes(name)},
      {"RawBeforeInput", BytesField(7, "raw") + InputBytes(name)},
      {"ParameterAfterInput", InputBytes(name) + ParameterBytes(Entry(VarintField(1, 1)))},
      {"OutOfOrderInAnInput", InputBytes(shape + name)},
      {"OutOfOrderInAnOutput", OutputBytes(BytesField(2, Entry("")) + name)},
      {"RepeatedText", model + BytesField(1, "other")},
      {"RepeatedNameOfAnInput", InputBytes(name + name)},
      {"RepeatedShape", InputBytes(shape + shape)},
      {"UnpackedShape", InputBytes(VarintField(3, 2) + VarintField(3, 3))},
      {"PackedAndUnpackedShape", InputBytes(shape + VarintField(3, 3))},
      {"Contents", InputBytes(name + contents)},
      {"EmptyContents", InputBytes(name + BytesField(5, ""))},
      {"RepeatedContents", InputBytes(contents + contents)},
      {"ContentsOfStrings", InputBytes(BytesField(5, BytesField(8, "ab") + BytesField(8, "")))},
      {"TextAsVarint", VarintField(1, 5)},
      {"RawAsVarint", VarintField(7, 5)},
      {"GroupOfAKnownField", Tag(5, 3) + name + Tag(5, 4)},
      {"FieldZero", model + VarintField(0, 1)},
      {"LongTag", LongVarint(1 << 3 | 2, 2) + Varint(2) + "id"},
      {"LongInputLength", Tag(5, 2) + LongVarint(name.size(), 5) + name},
      {"LongRawLength", Tag(7, 2) + LongVarint(2, 2) + "id"},
      {"LongDim", InputBytes(BytesField(3, LongVarint(7, 10)))},
      {"Utf8", BytesField(3, "δ")},
      {"InvalidUtf8", BytesField(1, "a\xFF")},
      {"Utf8NameOfAnInput", InputBytes(BytesField(1, "δ"))},
      {"InvalidUtf8Datatype", InputBytes(BytesField(2, "\xFE"))},
      {"SurrogateNameOfAnOutput", OutputBytes(BytesField(1, "\xED\xA0\x80"))},
      {"Name513", WithInputName(std::string(513, 'n'))},
      {"Ndim65", WithShape(std::vector<std::int64_t>(kMaxNdim + 1, 1))},
      {"LengthBeyondTheEnd", Tag(1, 2) + Varint(3) + "id"},
      {"LengthMax", Tag(7, 2) + Varint(kMax) + "raw"},
      {"NameOneBeyondItsInput", Tag(5, 2) + Varint(3) + Tag(1, 2) + Varint(2) + "xx" + BytesField(7, "")},
      {"ShapeOneBeyondItsInput", Tag(5, 2) + Varint(3) + Tag(3, 2) + Varint(2) + "\1\1"},
      {"DimOneBeyondItsShape", InputBytes(Tag(3, 2) + Varint(1) + "\x81\1")},
      {"TagOnly", model + Tag(2, 2)},
      {"TrailingZero", model + std::string(1, '\0')},
  };
}

// A request, an input and an output read the entries of their parameters alike.
std::vector<MessageCase> UnusualParameters() {
  const std::vector<std::pair<std::string, std::string>> entries = {
      {"ValueBeforeName", BytesField(2, VarintField(1, 1)) + BytesField(1, "p")},
      {"NameTwice", BytesField(1, "p") + Entry(VarintField(1, 1))},
      {"ValueTwice", Entry(VarintField(1, 1)) + BytesField(2, VarintField(2, 5))},
      {"TwoMembers", Entry(VarintField(1, 1) + VarintField(2, 5))},
      {"TheSameMemberTwice", Entry(VarintField(2, 5) + VarintField(2, 6))},
      {"MembersOutOfOrder", Entry(VarintField(5, 1) + VarintField(1, 1))},
      {"Double", Entry(Tag(4, 1) + std::string("\0\0\0\0\0\0\xF8\x3F", 8))},
      {"DoubleNaN", Entry(Tag(4, 1) + std::string(8, '\xFF'))},
      {"UnknownMember", Entry(VarintField(6, 1))},
      {"UnknownFieldOfTheEntry", Entry("") + VarintField(3, 1)},
      {"BoolOfTwo", Entry(VarintField(1, 2))},
      {"LongBool", Entry(Tag(1, 0) + LongVarint(1, 2))},
      {"LongInt", Entry(Tag(2, 0) + LongVarint(1, 10))},
      {"IntOf65Bits", Entry(Tag(2, 0) + std::string(9, '\xFF') + '\2')},
      {"IntOf11Bytes", Entry(Tag(2, 0) + LongVarint(1, 11))},
      {"IntAsText", Entry(BytesField(2, "5"))},
      {"NumberOneBeyondItsValue", BytesField(1, "p") + Tag(2, 2) + Varint(2) + Tag(2, 0) + "\x81\1"},
      {"TextOneBeyondItsValue", BytesField(1, "p") + Tag(2, 2) + Varint(3) + Tag(3, 2) + Varint(2) + "xy"},
      {"Utf8Name", Entry(VarintField(1, 1), "δ")},
      {"InvalidUtf8Name", Entry(VarintField(1, 1), "\xFF")},
      {"InvalidUtf8Value", Entry(BytesField(3, "\xC0\x80"))},
      {"LongValue", Entry(BytesField(3, std::string(600, 'v')))},
  };
  std::vector<MessageCase> cases;
  for (const auto& [name, entry] : entries) {
    cases.emplace_back(name, ParameterBytes(entry));
    cases.emplace_back(name + "InAnInput", InputBytes(BytesField(4, entry)));
    cases.emplace_back(name + "InAnOutput", OutputBytes(BytesField(2, entry)));
  }
  const std::string twice = BytesField(4, Entry(VarintField(2, 1))) + BytesField(4, Entry(BytesField(3, "last")));
  cases.emplace_back("SameName", twice);
  cases.emplace_back("SameNameInAnInput", InputBytes(twice));
  cases.emplace_back("NoNameTwice", ParameterBytes("") + ParameterBytes(BytesField(1, "")));
  return cases;
}

class UnusualInferMessage : public testing::TestWithParam<MessageCase> {};

TEST_P(UnusualInferMessage, IsLeftToProtobuf) {
  const std::string& message = GetParam().message;
  const ProtobufInferReading expected(message);
  for (const CutMessage& cut : CutEverywhere(message)) {
    ASSERT_FALSE(InPlaceInferReading(cut.pieces()).done) << "first piece: " << cut.pieces()[0].size() << " bytes";
    ASSERT_EQ(InferDecoderMistake(cut.pieces(), expected), "") << "first piece: " << cut.pieces()[0].size() << " bytes";
  }
}

INSTANTIATE_TEST_SUITE_P(Fields, UnusualInferMessage, testing::ValuesIn(UnusualFields()), NameOf);
INSTANTIATE_TEST_SUITE_P(Parameters, UnusualInferMessage, testing::ValuesIn(UnusualParameters()), NameOf);

}  // namespace
}  // namespace tensorferry::rpc
