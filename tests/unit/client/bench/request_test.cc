// These tests compare what bench sends with what generated code would have sent, and check that it refers to the
// elements.
#include "bench/request.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>

#include <ostream>

#include "bench/array.h"
#include "tensorferry/v1/tensor_service.pb.h"
#include "testing/arrays.h"
#include "testing/byte_buffers.h"
#include "testing/owned_bytes.h"
#include "testing/status_matchers.h"

namespace tensorferry::cli {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::ElementsAre;

v1::ConvertRequest Expected(const client::Array& array, const BenchRequestOptions& options) {
  v1::ConvertRequest request;
  request.set_model_name(options.model);
  if (options.digest) request.set_digest(v1::DIGEST_ALGORITHM_XXH3_128);
  v1::Array& wire = *request.add_arrays();
  wire.set_name(array.name);
  wire.set_dtype(array.dtype);
  wire.mutable_shape()->Add(array.shape.begin(), array.shape.end());
  wire.set_data(std::string(AsText(array.bytes)));
  return request;
}

class BenchRequest : public testing::TestWithParam<std::size_t> {
 protected:
  const client::Array array_ = client::OwnedBytes(GetParam());
  const std::span<const std::byte> bytes_ = array_.bytes;
};

TEST_P(BenchRequest, OfACallParses) {
  const BenchRequestOptions options{.model = "m", .digest = true};
  const auto messages = *MakeBenchRequest({&array_, 1}, options);
  ASSERT_EQ(messages.size(), 1);
  const auto request = Parse<v1::ConvertRequest>(messages[0]);
  EXPECT_TRUE(MessageDifferencer::Equals(request, Expected(array_, options)));
  EXPECT_EQ(RefersTo(messages[0], bytes_.data()), GetParam() >= 1024);
}

TEST_P(BenchRequest, OnAStreamParses) {
  const BenchRequestOptions options{.mode = BenchMode::kStream};
  const auto messages = *MakeBenchRequest({&array_, 1}, options);
  ASSERT_EQ(messages.size(), 1);
  auto part = Parse<v1::ConvertStreamRequest>(messages[0]);
  EXPECT_TRUE(MessageDifferencer::Equals(part.request(), Expected(array_, options)));
  EXPECT_EQ(RefersTo(messages[0], bytes_.data()), GetParam() >= 1024);
}

TEST_P(BenchRequest, InChunksParses) {
  constexpr std::size_t kChunk = 30'000;
  const BenchRequestOptions options{.mode = BenchMode::kChunks, .chunk_bytes = kChunk};
  const auto messages = *MakeBenchRequest({&array_, 1}, options);
  ASSERT_EQ(messages.size(), 1 + (bytes_.size() + kChunk - 1) / kChunk);
  auto part = Parse<v1::ConvertStreamRequest>(messages[0]);
  v1::ConvertRequest expected = Expected(array_, options);
  expected.mutable_arrays(0)->set_chunked_nbytes(bytes_.size());
  EXPECT_TRUE(MessageDifferencer::Equals(part.request(), expected));
  std::string elements;
  for (std::size_t i = 1; i < messages.size(); ++i) {
    part = Parse<v1::ConvertStreamRequest>(messages[i]);
    if (part.chunk().size() >= 1024) {
      EXPECT_TRUE(RefersTo(messages[i], bytes_.data() + elements.size()));
    }
    elements += part.chunk();
  }
  EXPECT_EQ(elements, AsText(bytes_));
}

INSTANTIATE_TEST_SUITE_P(OfBytes, BenchRequest, testing::Values(1, 127, 128, 1023, 1024, 16'383, 16'384, 2'100'001));

TEST(BenchArrays, HaveTheSizesAskedFor) {
  BenchArrays arrays("<f4", {});
  ASSERT_THAT(arrays.Fill({8, 4096}), IsOk());
  EXPECT_THAT(arrays.Of(8).shape, ElementsAre(2));
  EXPECT_EQ(arrays.Of(8).bytes.size(), 8);
  EXPECT_EQ(arrays.Of(4096).bytes.data(), arrays.Of(8).bytes.data());
}

TEST(BenchArrays, AreNoneOfPartsOfElements) {
  const absl::Status status = BenchArrays("complex64", {}).Fill({64, 12});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(std::string(status.message()), "--size 12 B: elements of complex64 have 8 bytes each");
}

TEST(BenchArrays, LeaveUnknownDtypesToTheServer) {
  BenchArrays arrays("float33", {});
  ASSERT_THAT(arrays.Fill({7}), IsOk());
  EXPECT_THAT(arrays.Of(7).shape, ElementsAre(7));
}

TEST(BenchArrays, OfBoolsNeedNoNormalisation) {
  BenchArrays arrays("bool", {});
  ASSERT_THAT(arrays.Fill({100}), IsOk());
  const client::Array array = arrays.Of(100);
  EXPECT_THAT(array.bytes, testing::Each(testing::AnyOf(std::byte{0}, std::byte{1})));
  EXPECT_THAT(array.bytes, testing::Contains(std::byte{1}));
}

struct FitCase {
  std::string name;
  std::vector<std::int64_t> input, shape;
  friend void PrintTo(const FitCase& c, std::ostream* out) { *out << c.name; }
};
class BenchArrayOfAModel : public testing::TestWithParam<FitCase> {};

TEST_P(BenchArrayOfAModel, HasTheInputsNameAndShape) {
  BenchArrays arrays("uint8", {.name = "left", .shape = GetParam().input});
  ASSERT_THAT(arrays.Fill({24}), IsOk());
  EXPECT_EQ(arrays.Of(24).name, "left");
  EXPECT_EQ(arrays.Of(24).shape, GetParam().shape);
}

INSTANTIATE_TEST_SUITE_P(Inputs, BenchArrayOfAModel,
                         testing::ValuesIn(std::vector<FitCase>{
                             {"Unknown", {}, {24}},
                             {"Any", {-1}, {24}},
                             {"OneOpen", {-1, 3, 4}, {2, 3, 4}},
                             {"SeveralOpen", {2, -1, -1}, {2, 12, 1}},
                             {"NoneOpen", {24}, {24}},
                             {"DoesNotFit", {-1, 7}, {24}},
                             {"Nothing", {-1, 0}, {24}},
                             {"Overflows", {-1, 1LL << 40, 1LL << 40}, {24}},
                         }),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tensorferry::cli
