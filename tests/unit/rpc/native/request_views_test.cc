// The differential tests and the fuzz targets of the native protocol rely on the comparison that is tested here.
#include "testing/request_views.h"

#include <gmock/gmock.h>

#include <functional>

namespace tensorferry::rpc {
namespace {

TEST(Difference, SeesEveryFieldOfAnArray) {
  const std::byte byte{1};
  const Bytes piece(&byte, 1);
  const auto differs = [](const std::function<void(ArrayView&)>& change) {
    RequestView request;
    request.arrays.emplace_back();
    RequestView changed = request;
    change(changed.arrays[0]);
    return !Difference(request, changed).empty();
  };
  EXPECT_FALSE(differs([](ArrayView&) {}));
  EXPECT_TRUE(differs([](ArrayView& array) { array.name = "x"; }));
  EXPECT_TRUE(differs([](ArrayView& array) { array.dtype = "x"; }));
  EXPECT_TRUE(differs([](ArrayView& array) { array.shape = {1}; }));
  EXPECT_TRUE(differs([](ArrayView& array) { array.fortran_order = true; }));
  EXPECT_TRUE(differs([](ArrayView& array) { array.payload = PayloadKind::kNpy; }));
  EXPECT_TRUE(differs([&](ArrayView& array) { array.bytes = ScatteredBytes(&piece, 0, 1); }));
  EXPECT_TRUE(differs([](ArrayView& array) { array.chunked_nbytes = 1; }));
  EXPECT_TRUE(differs([](ArrayView& array) { array.strings = true; }));
  EXPECT_TRUE(differs([](ArrayView& array) { array.region = "x"; }));
  EXPECT_TRUE(differs([](ArrayView& array) { array.shared_offset = 1; }));
  EXPECT_TRUE(differs([](ArrayView& array) { array.shared_nbytes = 1; }));
}

TEST(Difference, SeesEveryFieldOfARequest) {
  const auto differs = [](const std::function<void(RequestView&)>& change) {
    RequestView changed;
    change(changed);
    return !Difference(RequestView(), changed).empty();
  };
  EXPECT_FALSE(differs([](RequestView&) {}));
  EXPECT_TRUE(differs([](RequestView& request) { request.request_id = "x"; }));
  EXPECT_TRUE(differs([](RequestView& request) { request.model_name = "x"; }));
  EXPECT_TRUE(differs([](RequestView& request) { request.model_version = "x"; }));
  EXPECT_TRUE(differs([](RequestView& request) { request.strict = true; }));
  EXPECT_TRUE(differs([](RequestView& request) { request.digest = true; }));
  EXPECT_TRUE(differs([](RequestView& request) { request.return_data = true; }));
  EXPECT_TRUE(differs([](RequestView& request) { request.priority = 1; }));
  EXPECT_TRUE(differs([](RequestView& request) { request.timeout = std::chrono::microseconds(1); }));
  EXPECT_TRUE(differs([](RequestView& request) { request.requested_outputs = {"x"}; }));
  EXPECT_TRUE(differs([](RequestView& request) { request.arrays.emplace_back(); }));
  EXPECT_TRUE(differs([](RequestView& request) { request.output_memory.emplace(); }));
}

}  // namespace
}  // namespace tensorferry::rpc
