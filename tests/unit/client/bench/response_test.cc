// These tests compare what bench reads of a message with what generated code reads.
#include "bench/response.h"

#include <gmock/gmock.h>

#include <array>

#include "tensorferry/client/verify.h"
#include "tensorferry/v1/tensor_service.pb.h"
#include "testing/status_matchers.h"

namespace tensorferry::cli {
namespace {

using testing::HasSubstr;

constexpr std::array kBytes{std::byte{1}, std::byte{2}};

// ToBuffer cuts `text` into slices of `slice` bytes.
grpc::ByteBuffer ToBuffer(const std::string& text, std::size_t slice = 5) {
  std::vector<grpc::Slice> slices;
  for (std::size_t i = 0; i < text.size(); i += slice) slices.emplace_back(text.substr(i, slice));
  return {slices.data(), slices.size()};
}

client::Array Sent() { return {.name = "x", .dtype = "int16", .shape = {1}, .bytes = kBytes}; }

v1::ConvertResponse Response() {
  v1::ConvertResponse response;
  response.set_request_id("7");
  v1::Tensor& tensor = *response.add_tensors();
  tensor.mutable_metadata()->set_dtype("int16");
  tensor.mutable_metadata()->add_shape(1);
  tensor.mutable_metadata()->set_nbytes(2);
  v1::Receipt& receipt = *tensor.mutable_metadata()->mutable_receipt();
  receipt.set_numpy_dtype("int16");
  receipt.set_dtype_equal(true);
  const Digest digest = client::LocalDigest(Sent()).value();
  receipt.set_digest(digest.data(), digest.size());
  response.mutable_timing()->set_receive_ns(300);
  response.mutable_timing()->set_convert_ns(1'000'000'000'000);
  response.mutable_timing()->set_compute_ns(5);
  return response;
}

std::string OnStream(const v1::ConvertResponse& response) {
  v1::ConvertStreamResponse part;
  *part.mutable_response() = response;
  return part.SerializeAsString();
}

TEST(BenchMessage, IsReadFromSlicesOfAnySize) {
  v1::ConvertResponse response = Response();
  v1::Tensor& output = *response.add_outputs();
  output.mutable_metadata()->set_name(std::string(1000, 'y'));
  output.set_chunked_nbytes(1ULL << 40);
  response.add_outputs()->set_chunked_nbytes(3);
  response.add_outputs()->set_data(std::string(10'000, 'z'));
  for (const std::size_t slice : {1UL, 2UL, 7UL, 100'000UL}) {
    for (const Framing framing : {Framing::kCall, Framing::kStream}) {
      auto buffer = ToBuffer(framing == Framing::kCall ? response.SerializeAsString() : OnStream(response), slice);
      const auto message = ReadMessage(buffer, framing);
      ASSERT_THAT(message, IsOk());
      EXPECT_FALSE(message->is_chunk);
      EXPECT_FALSE(message->has_error);
      EXPECT_EQ(message->timing.receive.count(), 300);
      EXPECT_EQ(message->timing.convert.count(), 1'000'000'000'000);
      EXPECT_EQ(message->timing.queue.count(), 0);
      EXPECT_EQ(message->timing.compute.count(), 5);
      EXPECT_EQ(message->chunked_nbytes, (1ULL << 40) + 3);
    }
  }
}

TEST(BenchMessage, MayBeAChunk) {
  v1::ConvertStreamResponse part;
  part.set_chunk(std::string(70'000, 'a'));
  auto buffer = ToBuffer(part.SerializeAsString(), 4096);
  const auto message = ReadMessage(buffer, Framing::kStream);
  ASSERT_THAT(message, IsOk());
  EXPECT_TRUE(message->is_chunk);
  EXPECT_EQ(message->chunk_bytes, 70'000);
}

TEST(BenchMessage, MayBeAnError) {
  v1::ConvertResponse response;
  response.mutable_error()->set_code(3);
  response.mutable_error()->set_reason("BAD_DTYPE");
  response.mutable_error()->set_message("no");
  auto buffer = ToBuffer(OnStream(response));
  const auto message = ReadMessage(buffer, Framing::kStream);
  ASSERT_THAT(message, IsOk());
  EXPECT_TRUE(message->has_error);
  EXPECT_THAT(ReadError(buffer), Fails(Reason::kBadDtype, "no"));
}

TEST(BenchMessage, IsRefusedIfItIsCutOff) {
  const std::string whole = OnStream(Response());
  for (std::size_t length = 1; length < whole.size(); ++length) {
    auto buffer = ToBuffer(whole.substr(0, length));
    EXPECT_FALSE(ReadMessage(buffer, Framing::kStream).ok()) << length;
  }
}

TEST(CheckedResponse, IsOfTheArray) {
  for (const Framing framing : {Framing::kCall, Framing::kStream}) {
    auto buffer = ToBuffer(framing == Framing::kCall ? Response().SerializeAsString() : OnStream(Response()));
    EXPECT_THAT(CheckResponse(buffer, framing, std::array{Sent()}, true), IsOk());
  }
}

TEST(CheckedResponse, NeedsNoDigestUnlessAskedFor) {
  v1::ConvertResponse response = Response();
  response.mutable_tensors(0)->mutable_metadata()->mutable_receipt()->clear_digest();
  auto buffer = ToBuffer(response.SerializeAsString());
  EXPECT_THAT(CheckResponse(buffer, Framing::kCall, std::array{Sent()}, false), IsOk());
  EXPECT_THAT(std::string(CheckResponse(buffer, Framing::kCall, std::array{Sent()}, true).message()),
              HasSubstr("digest"));
}

TEST(CheckedResponse, MayHaveOutputsInChunks) {
  v1::ConvertResponse response = Response();
  response.add_outputs()->set_chunked_nbytes(5);
  auto buffer = ToBuffer(OnStream(response));
  EXPECT_THAT(CheckResponse(buffer, Framing::kStream, std::array{Sent()}, true), IsOk());
}

TEST(CheckedResponse, IsRefusedIfTheTensorIsNotTheArray) {
  const auto check = [](const std::function<void(v1::ConvertResponse&)>& spoil) {
    v1::ConvertResponse response = Response();
    spoil(response);
    auto buffer = ToBuffer(response.SerializeAsString());
    return std::string(CheckResponse(buffer, Framing::kCall, std::array{Sent()}, true).message());
  };
  const auto metadata = [](v1::ConvertResponse& response) { return response.mutable_tensors(0)->mutable_metadata(); };
  EXPECT_THAT(check([&](auto& r) { metadata(r)->set_dtype("int32"); }), HasSubstr("dtype"));
  EXPECT_THAT(check([&](auto& r) { metadata(r)->mutable_receipt()->set_dtype_equal(false); }), HasSubstr("dtype"));
  EXPECT_THAT(check([&](auto& r) { metadata(r)->add_shape(1); }), HasSubstr("shape"));
  EXPECT_THAT(check([&](auto& r) { metadata(r)->mutable_receipt()->set_digest(std::string(16, 'x')); }),
              HasSubstr("digest"));
  EXPECT_THAT(check([&](auto& r) { r.clear_tensors(); }), HasSubstr("0 tensors"));
}

}  // namespace
}  // namespace tensorferry::cli
