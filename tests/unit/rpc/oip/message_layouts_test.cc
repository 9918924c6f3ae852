#include "rpc/oip/message_layouts.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "testing/status_matchers.h"
#include "testing/uncounted_fields.h"
#include "testing/wire_bytes.h"

namespace tensorferry::rpc {
namespace {

using testing::HasSubstr;
using triton::ModelInferRequest;

absl::Status Check(const std::string& message) {
  const Bytes piece = std::as_bytes(std::span(message));
  return CheckMetadataSize({&piece, 1}, kModelInferRequestLayout);
}

absl::Status Count(const std::string& message) {
  const Bytes piece = std::as_bytes(std::span(message));
  return CheckFieldCounts({&piece, 1}, kModelInferRequestLayout).status();
}

absl::Status Check(const ModelInferRequest& request) { return Check(request.SerializeAsString()); }

// A message of kMany bytes is so large that it is looked at.
constexpr int kMany = 3 << 20;

TEST(InferLayouts, DoNotCountElements) {
  ModelInferRequest raw;
  for (int i = 0; i < 2; ++i) raw.add_raw_input_contents(std::string(kMany, 'x'));
  EXPECT_THAT(Check(raw), IsOk());
  ModelInferRequest typed;
  typed.add_inputs()->mutable_contents()->mutable_bool_contents()->Resize(kMany, true);
  typed.add_inputs()->mutable_contents()->mutable_int_contents()->Resize(kMany, 1);
  typed.add_inputs()->mutable_contents()->mutable_uint64_contents()->Resize(kMany, 1);
  typed.add_inputs()->mutable_contents()->mutable_fp32_contents()->Resize(8 * kMany, 1);
  typed.add_inputs()->mutable_contents()->mutable_fp64_contents()->Resize(8 * kMany, 1);
  typed.add_inputs()->mutable_contents()->add_bytes_contents(std::string(kMany, 'x'));
  EXPECT_THAT(Check(typed), IsOk());
}

// RequestsOf returns requests with `count` elements in each field in turn.
std::vector<ModelInferRequest> RequestsOf(int count) {
  std::vector<ModelInferRequest> requests(9);
  const auto contents = [&](std::size_t index) { return requests[index].add_inputs()->mutable_contents(); };
  contents(0)->mutable_bool_contents()->Resize(count, true);
  contents(1)->mutable_int_contents()->Resize(count, 1);
  contents(2)->mutable_int64_contents()->Resize(count, 1 << 20);
  contents(3)->mutable_uint_contents()->Resize(count, 1);
  contents(4)->mutable_uint64_contents()->Resize(count, 1);
  contents(5)->mutable_fp32_contents()->Resize(count, 1);
  contents(6)->mutable_fp64_contents()->Resize(count, 1);
  auto& strings = *contents(7);
  for (int i = 0; i < count; ++i) strings.add_bytes_contents("s");
  requests[8].add_raw_input_contents(std::string(static_cast<std::size_t>(count), 'x'));
  return requests;
}

TEST(InferLayouts, SayHowMuchIsNeededToParseElements) {
  for (const int count : {1 << 17, (1 << 17) + 1}) {  // With one more the parser takes twice as much.
    for (const ModelInferRequest& request : RequestsOf(count)) {
      const std::string message = request.SerializeAsString();
      const Bytes piece = std::as_bytes(std::span(message));
      const auto room = CheckFieldCounts({&piece, 1}, kModelInferRequestLayout);
      ASSERT_THAT(room, IsOk());
      ModelInferRequest parsed;
      ASSERT_TRUE(parsed.ParseFromString(message));
      EXPECT_GE(room->elements, parsed.SpaceUsedLong()) << request.ShortDebugString().substr(0, 80);
      EXPECT_LE(room->elements + room->metadata, 5 * request.SpaceUsedLong());
    }
  }
}

TEST(InferLayouts, RefuseWhatWouldSwellWhenParsed) {
  ModelInferRequest inputs, outputs, dims, parameters, raw, strings, name;
  for (int i = 0; i < (1 << 20); ++i) {
    inputs.add_inputs();
    outputs.add_outputs();
    raw.add_raw_input_contents("");
  }
  dims.add_inputs()->mutable_shape()->Resize(2 << 20, 1);
  for (int i = 0; i < 200'000; ++i) (*parameters.mutable_parameters())[std::to_string(i)].set_bool_param(true);
  auto& contents = *strings.add_inputs()->mutable_contents();
  for (int i = 0; i < (3 << 20); ++i) contents.add_bytes_contents("");
  name.set_id(std::string(2 << 20, 'i'));
  for (const auto* const request : {&inputs, &outputs, &dims, &parameters, &raw, &strings, &name}) {
    const std::string message = request->SerializeAsString();
    const absl::Status size = Check(message);
    EXPECT_THAT(size.ok() ? Count(message) : size, Fails(Reason::kTensorTooLarge))
        << request->ShortDebugString().substr(0, 60);
  }
}

// An integer may be one byte on the wire and eight in memory.
TEST(InferLayouts, BoundIntegersOfContents) {
  const auto with_ints = [](auto field) {
    ModelInferRequest request;
    // The numbers are in two inputs, because the bound is on the message.
    for (const std::size_t count : {kMaxVarintBytes - 10, std::size_t{10}})
      (request.add_inputs()->mutable_contents()->*field)()->Resize(static_cast<int>(count), 1);
    return request;
  };
  using Contents = triton::InferTensorContents;
  const auto check = [&](auto field) {
    ModelInferRequest request = with_ints(field);
    EXPECT_THAT(Check(request), IsOk());
    (request.mutable_inputs(1)->mutable_contents()->*field)()->Add(1);
    EXPECT_THAT(Check(request), Fails(Reason::kTensorTooLarge, HasSubstr("of contents are integers")));
  };
  using Ints = google::protobuf::RepeatedField<std::int32_t>;
  using UInt64s = google::protobuf::RepeatedField<std::uint64_t>;
  check(static_cast<Ints* (Contents::*)()>(&Contents::mutable_int_contents));
  check(static_cast<UInt64s* (Contents::*)()>(&Contents::mutable_uint64_contents));
}

// A parser must take numbers that are not packed, too: each is a field of its own.
TEST(InferLayouts, TakeNumbersThatAreNotPacked) {
  std::string contents;
  while (contents.size() <= kMaxMetadataBytes) {
    contents += VarintField(triton::InferTensorContents::kInt64ContentsFieldNumber, 1);
  }
  const std::string message = BytesField(5, BytesField(5, contents));
  ASSERT_TRUE(ModelInferRequest().ParseFromString(message));
  EXPECT_THAT(Check(message), IsOk());
  std::string many = contents;
  while (many.size() <= kMaxVarintBytes) many += contents;
  EXPECT_THAT(Check(BytesField(5, BytesField(5, many))), Fails(Reason::kTensorTooLarge, HasSubstr("are integers")));
}

// A string takes 32 bytes once it is parsed, however short it is.
TEST(InferLayouts, BoundTheNumberOfStrings) {
  std::string contents;
  for (std::size_t i = 0; i < 600'000; ++i) {
    contents += BytesField(triton::InferTensorContents::kBytesContentsFieldNumber, "ab");
  }
  EXPECT_THAT(Check(BytesField(5, BytesField(5, contents))), IsOk());
  EXPECT_THAT(Count(BytesField(5, BytesField(5, contents))), IsOk());
  EXPECT_THAT(Count(BytesField(5, BytesField(5, contents + contents + contents + contents))),
              Fails(Reason::kTensorTooLarge, HasSubstr("2400000 inputs.contents.bytes_contents, at most 2097152")));
}

// The number of raw_input_contents in a request stands for another field in an input.
TEST(InferLayouts, KnowFieldsByTheirMessage) {
  const std::string large(2 << 20, 'x');
  for (const std::string& message : {BytesField(5, BytesField(7, large)), BytesField(6, BytesField(7, large)),
                                     BytesField(5, BytesField(5, BytesField(9, large))), BytesField(8, large)}) {
    EXPECT_THAT(Check(message), Fails(Reason::kTensorTooLarge));
  }
}

TEST(InferLayouts, BoundTheNumberOfAllThatIsRepeated) {
  std::vector<std::string> uncounted;
  AppendUncountedFields(*ModelInferRequest::descriptor(), kModelInferRequestLayout, uncounted);
  EXPECT_THAT(uncounted, testing::IsEmpty());
}

TEST(InferLayouts, SurviveWhatDoesNotParse) {
  for (const char byte : {'\xff', '\x00', '\x0a', '\x2a', '\x2b', '\x08'}) {
    EXPECT_THAT(Check(std::string(2 << 20, byte)), Fails(Reason::kTensorTooLarge));
  }
}

}  // namespace
}  // namespace tensorferry::rpc
