#include "rpc/call/request_check.h"

#include <gmock/gmock.h>

#include "testing/decoded.h"
#include "testing/requests.h"
#include "testing/status_matchers.h"

namespace tensorferry::rpc {
namespace {

using testing::HasSubstr;

constexpr PayloadLimits kLimits{.max_tensor_bytes = 100};

absl::Status Check(const v1::Array& array, bool chunks_allowed = true) {
  v1::ConvertRequest request;
  *request.add_arrays() = array;
  const Decoded decoded(request);
  return CheckArray(decoded.request().arrays[0], Fidelity::kConvert, chunks_allowed, kLimits,
                    {SharedRegions(RegionKinds{})})
      .status();
}

absl::Status Check(const v1::ConvertRequest& request) { return CheckRequest(Decoded(request).request()); }

TEST(CheckArray, ComparesDeclaredAndActualBytes) {
  v1::ConvertRequest request;
  EXPECT_THAT(Check(AddData(request, "x", "abc")), IsOk());
  v1::Array& array = AddData(request, "x", "abc");
  array.set_shape(0, 4);
  EXPECT_THAT(Check(array), Fails(Reason::kSizeMismatch, HasSubstr("needs 4 bytes, got 3")));
  array.set_chunked_nbytes(3);
  EXPECT_THAT(Check(array), Fails(Reason::kSizeMismatch));
  array.set_shape(0, 101);
  EXPECT_THAT(Check(array), Fails(Reason::kTensorTooLarge)) << "before the bytes are compared";
}

TEST(CheckArray, NeedsOnePayloadThatFits) {
  v1::ConvertRequest request;
  EXPECT_THAT(Check(AddArray(request, "x", 1)), Fails(Reason::kMissingPayload));
  EXPECT_THAT(Check(AddChunked(request, "x", 1), /*chunks_allowed=*/false), Fails(Reason::kBadChunk));
  v1::Array& shared = AddArray(request, "x", 1);
  shared.mutable_shared_memory()->set_region("r");
  EXPECT_THAT(Check(shared), Fails(Reason::kSharedMemoryDisabled));
}

TEST(CheckArray, LetsANpyFileSpeakForItself) {
  v1::Array array;
  array.set_npy("\x93NUMPY");
  EXPECT_THAT(Check(array), Fails(Reason::kBadMagic));
  array.add_shape(3);
  EXPECT_THAT(Check(array), Fails(Reason::kConflictingFields));
  array.clear_shape();
  array.set_fortran_order(true);
  EXPECT_THAT(Check(array), Fails(Reason::kConflictingFields));
}

TEST(CheckRequest, TakesAnOutputOnce) {
  v1::ConvertRequest request;
  for (const char* const name : {"y", "x", "z"}) request.add_requested_outputs(name);
  EXPECT_THAT(Check(request), IsOk());
  request.add_requested_outputs("x");
  EXPECT_THAT(Check(request), Fails(Reason::kInputMismatch, HasSubstr("output 'x' is requested twice")));
}

TEST(CheckRequest, TakesUtf8OfBoundedLength) {
  v1::ConvertRequest request;
  request.set_request_id("données-données-é");
  AddData(request, std::string(256, 'x'), "");
  EXPECT_THAT(Check(request), IsOk());
}

TEST(CheckRequest, RefusesControlCharactersAndLength) {
  for (const std::string& name : {std::string("a\nb"), std::string("a\0b", 3), std::string("\x7f"),
                                  std::string("\xc2\x85"), std::string(257, 'x')}) {
    v1::ConvertRequest request;
    AddData(request, name, "");
    EXPECT_THAT(Check(request), Fails(Reason::kBadName)) << name;
    v1::ConvertRequest by_id;
    by_id.set_request_id(name);
    EXPECT_THAT(Check(by_id), Fails(Reason::kBadName, HasSubstr("request_id")));
    v1::ConvertRequest by_output;
    by_output.add_requested_outputs(name);
    EXPECT_THAT(Check(by_output), Fails(Reason::kBadName));
  }
}

}  // namespace
}  // namespace tensorferry::rpc
