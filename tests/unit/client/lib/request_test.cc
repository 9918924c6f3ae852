// These tests compare what is sent with what generated code would have sent, and check whose memory it holds on to.
#include "lib/request.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>

#include <memory>
#include <ostream>

#include "tensorferry/v1/tensor_service.pb.h"
#include "testing/arrays.h"
#include "testing/byte_buffers.h"
#include "testing/owned_bytes.h"
#include "testing/status_matchers.h"

namespace tensorferry::client {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::size_t kLargeNbytes = 100'000;

ConvertOptions AllOptions() {
  return {.request_id = "7",
          .model_name = "m",
          .model_version = "3",
          .fidelity = Fidelity::kStrict,
          .digest = true,
          .return_data = true,
          .requested_outputs = {"b", "", "a"}};
}

v1::ConvertRequest AllFields() {
  v1::ConvertRequest request;
  request.set_request_id("7");
  request.set_model_name("m");
  request.set_model_version("3");
  request.set_fidelity(v1::FIDELITY_STRICT);
  request.set_digest(v1::DIGEST_ALGORITHM_XXH3_128);
  request.set_return_data(true);
  for (const char* const name : {"b", "", "a"}) request.add_requested_outputs(name);
  return request;
}

struct Case {
  std::string name;
  std::size_t nbytes;
  bool owned;
  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
};
class RequestOf : public testing::TestWithParam<Case> {
 protected:
  RequestOf() {
    if (!GetParam().owned) array_.owner = nullptr;
    array_.fortran_order = true;
  }

  v1::Array Declared() const {
    v1::Array wire;
    wire.set_name("x");
    wire.set_dtype("uint8");
    wire.add_shape(static_cast<std::int64_t>(array_.bytes.size()));
    wire.set_fortran_order(true);
    return wire;
  }

  const Array memory_ = OwnedBytes(GetParam().nbytes);
  Array array_ = memory_;
};

TEST_P(RequestOf, ElementsInside) {
  const std::vector arrays{array_, Array::Npy("y", memory_.bytes, "bfloat16"), Array{.name = "empty", .dtype = "<f4"}};
  const auto prepared = PrepareRequest(arrays, AllOptions(), Framing::kCall, Placement::kInside);
  ASSERT_THAT(prepared, IsOk());
  EXPECT_THAT(prepared->chunked, IsEmpty());
  v1::ConvertRequest expected = AllFields();
  *expected.add_arrays() = Declared();
  expected.mutable_arrays(0)->set_data(std::string(AsText(memory_.bytes)));
  v1::Array& npy = *expected.add_arrays();
  npy.set_name("y");
  npy.set_dtype("bfloat16");
  npy.set_npy(std::string(AsText(memory_.bytes)));
  v1::Array& empty = *expected.add_arrays();
  empty.set_name("empty");
  empty.set_dtype("<f4");
  empty.set_data("");
  EXPECT_TRUE(MessageDifferencer::Equals(Parse<v1::ConvertRequest>(prepared->message), expected));
}

TEST_P(RequestOf, ElementsInChunks) {
  const std::vector arrays{array_, Array{.name = "empty", .dtype = "<f4", .shape = {0}}};
  const auto prepared = PrepareRequest(arrays, AllOptions(), Framing::kStream, Placement::kInChunks);
  ASSERT_THAT(prepared, IsOk());
  v1::ConvertStreamRequest expected;
  *expected.mutable_request() = AllFields();
  *expected.mutable_request()->add_arrays() = Declared();
  expected.mutable_request()->mutable_arrays(0)->set_chunked_nbytes(memory_.bytes.size());
  v1::Array& empty = *expected.mutable_request()->add_arrays();
  empty.set_name("empty");
  empty.set_dtype("<f4");
  empty.add_shape(0);
  empty.set_data("");
  EXPECT_TRUE(MessageDifferencer::Equals(Parse<v1::ConvertStreamRequest>(prepared->message), expected));

  ASSERT_THAT(prepared->chunked, SizeIs(1));
  const auto chunk = Parse<v1::ConvertStreamRequest>(ChunkMessage(prepared->chunked[0]));
  EXPECT_EQ(chunk.chunk(), AsText(memory_.bytes));
}

TEST_P(RequestOf, ElementsHoldsOnToThemOnlyWhereTheyHaveAnOwner) {
  const auto prepared = PrepareRequest({&array_, 1}, {}, Framing::kCall, Placement::kInside);
  ASSERT_THAT(prepared, IsOk());
  const bool referred = GetParam().owned && GetParam().nbytes >= 1024;
  EXPECT_EQ(RefersTo(prepared->message, memory_.bytes.data()), referred);
  EXPECT_EQ(memory_.owner.use_count(), 1 + (GetParam().owned ? 1 : 0) + (referred ? 1 : 0));
}

INSTANTIATE_TEST_SUITE_P(Memory, RequestOf,
                         testing::ValuesIn(std::vector<Case>{
                             {"LargeOwned", kLargeNbytes, true},
                             {"LargeBorrowed", kLargeNbytes, false},
                             {"SmallOwned", 100, true},
                             {"SmallBorrowed", 100, false},
                         }),
                         [](const auto& test) { return test.param.name; });

TEST(Request, LetsGoOfTheOwnerWithTheMessage) {
  auto array = std::make_unique<Array>(OwnedBytes(kLargeNbytes));
  const std::weak_ptr<const void> owner = array->owner;
  auto prepared = PrepareRequest({array.get(), 1}, {}, Framing::kCall, Placement::kInside);
  array.reset();
  EXPECT_FALSE(owner.expired());
  prepared = absl::UnknownError("");
  EXPECT_TRUE(owner.expired());
}

TEST(Request, GoesInChunksFromOneByteMoreThanAMessageTakes) {
  const Array fits{.bytes = {static_cast<const std::byte*>(nullptr), kMaxInlineBytes}};
  const Array more{.bytes = {static_cast<const std::byte*>(nullptr), kMaxInlineBytes + 1}};
  EXPECT_EQ(PlacementOf({&fits, 1}), Placement::kInside);
  EXPECT_EQ(PlacementOf({&more, 1}), Placement::kInChunks);
}

TEST(Request, CutsElementsIntoChunksInOrder) {
  const Array a = OwnedBytes(25), b = OwnedBytes(10);
  const std::vector<ChunkedElements> chunked{{a.bytes, a.owner}, {b.bytes, nullptr}};
  std::vector<std::size_t> sizes;
  std::string bytes;
  ForEachChunk(chunked, 10, [&](const ChunkedElements& chunk) {
    sizes.push_back(chunk.bytes.size());
    bytes += AsText(chunk.bytes);
    return true;
  });
  EXPECT_THAT(sizes, ElementsAre(10, 10, 5, 10));
  EXPECT_EQ(bytes, std::string(AsText(a.bytes)) + std::string(AsText(b.bytes)));
}

TEST(Request, SwapsElementsInChunksWhoseDTypeHasANameOnly) {
  std::string file("\x93NUMPY\x01\x00", 8);
  const std::string text = "{'descr': '>V2', 'fortran_order': False, 'shape': (3,)}";
  file += {static_cast<char>(text.size()), '\0'};
  file += text + "aAbBcC";
  const Array array = Array::Npy("x", std::as_bytes(std::span(file)), "bfloat16");
  const auto prepared = PrepareRequest({&array, 1}, {}, Framing::kStream, Placement::kInChunks);
  ASSERT_THAT(prepared, IsOk());
  EXPECT_THAT(prepared->swapped, ElementsAre(0));
  EXPECT_EQ(Parse<v1::ConvertStreamRequest>(prepared->message).request().arrays(0).dtype(), "bfloat16");
  std::string sent;
  ForEachChunk(prepared->chunked, 5, [&](const ChunkedElements& chunk) {
    sent += Parse<v1::ConvertStreamRequest>(ChunkMessage(chunk)).chunk();
    return true;
  });
  EXPECT_EQ(sent, "AaBbCc") << "a chunk of 5 bytes would end inside an element";

  const ConvertOptions strict{.fidelity = Fidelity::kStrict};
  EXPECT_THAT(PrepareRequest({&array, 1}, strict, Framing::kStream, Placement::kInChunks), Fails(Reason::kByteOrder));
}

TEST(ArrayOf, ValuesThatItTakesOverOwnsThem) {
  std::vector<float> values{1, 2, 3};
  const float* const where = values.data();
  const Array array = Array::Of("x", {3}, std::move(values));
  EXPECT_EQ(static_cast<const void*>(array.bytes.data()), where);
  EXPECT_EQ(array.dtype, "float32");
  EXPECT_NE(array.owner, nullptr);
}

}  // namespace
}  // namespace tensorferry::client
