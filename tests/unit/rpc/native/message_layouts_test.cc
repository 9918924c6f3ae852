#include "rpc/native/message_layouts.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "testing/requests.h"
#include "testing/status_matchers.h"
#include "testing/uncounted_fields.h"

namespace tensorferry::rpc {
namespace {

absl::Status Check(const std::string& message, const MessageLayout& layout) {
  const Bytes piece = std::as_bytes(std::span(message));
  return CheckMetadataSize({&piece, 1}, layout);
}

absl::Status Check(const v1::ConvertRequest& request) {
  return Check(request.SerializeAsString(), kConvertRequestLayout);
}

absl::Status CheckInStream(const v1::ConvertRequest& request) {
  v1::ConvertStreamRequest message;
  *message.mutable_request() = request;
  return Check(message.SerializeAsString(), kConvertStreamRequestLayout);
}

TEST(ConvertLayouts, DoNotCountElements) {
  v1::ConvertRequest request;
  AddData(request, "a", std::string(3 << 20, 'x'));
  request.add_arrays()->set_npy(std::string(3 << 20, 'x'));
  EXPECT_THAT(Check(request), IsOk());
  EXPECT_THAT(CheckInStream(request), IsOk());
  v1::ConvertStreamRequest chunk;
  chunk.set_chunk(std::string(3 << 20, 'x'));
  EXPECT_THAT(Check(chunk.SerializeAsString(), kConvertStreamRequestLayout), IsOk());
}

TEST(ConvertLayouts, RefuseWhatWouldSwellWhenParsed) {
  v1::ConvertRequest many_arrays;
  for (int i = 0; i < 200'000; ++i) AddData(many_arrays, "", "");
  v1::ConvertRequest many_dims;
  for (int i = 0; i < (2 << 20); ++i) many_dims.add_arrays()->add_shape(1);
  v1::ConvertRequest many_outputs;
  for (int i = 0; i < (1 << 20); ++i) many_outputs.add_requested_outputs("");
  for (const auto& request : {many_arrays, many_dims, many_outputs}) {
    EXPECT_THAT(Check(request), Fails(Reason::kTensorTooLarge));
    EXPECT_THAT(CheckInStream(request), Fails(Reason::kTensorTooLarge));
  }
}

TEST(ConvertLayouts, BoundTheNumberOfAllThatIsRepeated) {
  std::vector<std::string> uncounted;
  AppendUncountedFields(*v1::ConvertRequest::descriptor(), kConvertRequestLayout, uncounted);
  AppendUncountedFields(*v1::ConvertStreamRequest::descriptor(), kConvertStreamRequestLayout, uncounted);
  EXPECT_THAT(uncounted, testing::IsEmpty());
}

TEST(ConvertLayouts, SurviveWhatDoesNotParse) {
  for (const char byte : {'\xff', '\x00', '\x0a', '\x42', '\x0b', '\x08'}) {
    EXPECT_THAT(Check(std::string(2 << 20, byte), kConvertStreamRequestLayout), Fails(Reason::kTensorTooLarge));
  }
  EXPECT_THAT(Check("\xff\xff", kConvertRequestLayout), IsOk()) << "the parser's to refuse";
}

}  // namespace
}  // namespace tensorferry::rpc
