#include "rpc/native/reply.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <memory>
#include <string>

#include "tensorferry/v1/tensor_service.pb.h"
#include "testing/byte_buffers.h"
#include "testing/status_matchers.h"

namespace tensorferry::rpc {
namespace {

using google::protobuf::util::MessageDifferencer;

// ResponseWith makes a response with one tensor of these elements, which it borrows.
Response ResponseWith(const std::string& elements) {
  Response response{.request_id = "1"};
  response.result.tensors.push_back(
      {.metadata = {.name = "x", .dtype = "uint8", .nbytes = static_cast<std::int64_t>(elements.size())},
       .elements = inference::TensorElements{.bytes = std::as_bytes(std::span(elements))}});
  return response;
}

absl::StatusOr<v1::ConvertResponse> Encode(const Response& response, std::uint64_t max_message_bytes) {
  WireWriter writer;
  TENSORFERRY_ASSIGN_OR_RETURN(const OutgoingMessage message, EncodeResponse(response, max_message_bytes, writer));
  EXPECT_LE(message.bytes().Length(), max_message_bytes);
  return Parse<v1::ConvertResponse>(message);
}

// This response has every field, so that generated code reads each.
TEST(EncodeResponse, IsReadByGeneratedCode) {
  const std::string large(5000, 'L');
  inference::TensorResult tensor{.metadata = {.name = "δ",
                                              .dtype = "float32",
                                              .shape = {2, 3, 1 << 20},
                                              .strides = {300, 1, -1},
                                              .numel = 6,
                                              .itemsize = 4,
                                              .nbytes = 24,
                                              .device = "cpu"},
                                 .receipt = inference::Receipt{.source_dtype = ">f4",
                                                               .dtype = DType::kFloat32,
                                                               .dtype_equal = true,
                                                               .byte_order_swapped = true,
                                                               .bools_normalized = true,
                                                               .digest = Digest{std::byte{1}, std::byte{0xFF}}}};
  inference::TensorResult output{.metadata = {.name = "y", .dtype = "bool"},
                                 .elements = inference::TensorElements{.bytes = std::as_bytes(std::span(large))}};
  inference::TensorResult written{.metadata = {.name = "z", .nbytes = 7}, .elements = {}};
  inference::TensorResult nothing{.metadata = {}, .elements = inference::TensorElements{}};
  Response response{.request_id = "id",
                    .receive_time = std::chrono::nanoseconds(1),
                    .written = {.region = "r", .offsets = {{}, {}, {}, {}, 64}}};
  response.result = {.model_name = "m",
                     .model_version = "1",
                     .tensors = {tensor, nothing},
                     .outputs = {output, output, written},
                     .convert_time = std::chrono::nanoseconds(200),
                     .queue_time = std::chrono::nanoseconds(30'000),
                     .compute_time = std::chrono::nanoseconds(4'000'000'000)};

  v1::ConvertResponse expected;
  expected.set_request_id("id");
  expected.set_model_name("m");
  expected.set_model_version("1");
  v1::TensorMetadata& metadata = *expected.add_tensors()->mutable_metadata();
  metadata.set_name("δ");
  metadata.set_dtype("float32");
  for (const std::int64_t dim : {2, 3, 1 << 20}) metadata.add_shape(dim);
  for (const std::int64_t stride : {300, 1, -1}) metadata.add_strides(stride);
  metadata.set_numel(6);
  metadata.set_itemsize(4);
  metadata.set_nbytes(24);
  metadata.set_device("cpu");
  v1::Receipt& receipt = *metadata.mutable_receipt();
  receipt.set_source_dtype(">f4");
  receipt.set_numpy_dtype("float32");
  receipt.set_dtype_equal(true);
  receipt.add_adjustments(v1::ADJUSTMENT_BYTE_ORDER_SWAPPED);
  receipt.add_adjustments(v1::ADJUSTMENT_BOOL_NORMALIZED);
  receipt.set_digest(std::string("\x01\xFF", 2) + std::string(14, '\0'));
  v1::Tensor& empty = *expected.add_tensors();
  empty.mutable_metadata();
  empty.set_data("");
  for (int i = 0; i < 2; ++i) {
    v1::Tensor& large_output = *expected.add_outputs();
    large_output.mutable_metadata()->set_name("y");
    large_output.mutable_metadata()->set_dtype("bool");
    large_output.set_data(large);
  }
  v1::Tensor& elsewhere = *expected.add_outputs();
  elsewhere.mutable_metadata()->set_name("z");
  elsewhere.mutable_metadata()->set_nbytes(7);
  elsewhere.mutable_shared_memory()->set_region("r");
  elsewhere.mutable_shared_memory()->set_offset(64);
  elsewhere.mutable_shared_memory()->set_nbytes(7);
  expected.mutable_timing()->set_receive_ns(1);
  expected.mutable_timing()->set_convert_ns(200);
  expected.mutable_timing()->set_queue_ns(30'000);
  expected.mutable_timing()->set_compute_ns(4'000'000'000);

  const auto message = Encode(response, 1 << 20);
  ASSERT_THAT(message, IsOk());
  std::string difference;
  MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&difference);
  EXPECT_TRUE(differencer.Compare(expected, *message)) << difference;
  EXPECT_EQ(expected.ByteSizeLong(), message->ByteSizeLong());
}

TEST(EncodeResponse, FitsTheLimitOrIsRefused) {
  for (const std::size_t nbytes : {0u, 1u, 900u, 1000u, 1024u, 5000u}) {
    const std::string elements(nbytes, 'x');
    const auto message = Encode(ResponseWith(elements), 1024);
    if (message.ok()) {
      EXPECT_EQ(message->tensors(0).data(), elements);
    } else {
      EXPECT_GT(nbytes, 900u);
      EXPECT_THAT(message, Fails(Reason::kTensorTooLarge, testing::HasSubstr("ConvertStream")));
    }
  }
}

TEST(EncodeResponse, SendsElementsFromWhereTheyAreAndKeepsThemSoLong) {
  auto elements = std::make_shared<const std::string>(100'000, 'x');
  Response response = ResponseWith(*elements);
  response.result.tensors[0].elements->owner = elements;
  WireWriter writer;
  auto message = std::make_unique<OutgoingMessage>(EncodeResponse(response, 1 << 20, writer).value());
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(message->bytes().Dump(&slices).ok());
  EXPECT_TRUE(std::ranges::any_of(slices, [&](const grpc::Slice& slice) {
    return static_cast<const void*>(slice.begin()) == elements->data() && slice.size() == elements->size();
  }));
  response = {};
  writer.Clear();
  const std::weak_ptr<const std::string> watch = std::exchange(elements, nullptr);
  EXPECT_FALSE(watch.expired()) << "gRPC still has to send it";
  slices.clear();
  message.reset();
  EXPECT_TRUE(watch.expired());
}

TEST(EncodeResponse, WritesOneAnswerAfterAnother) {
  WireWriter writer;
  const std::string large(5000, 'x');
  for (const std::string& elements : {large, std::string("small"), large}) {
    const auto bytes = EncodeResponse(ResponseWith(elements), 1 << 20, writer);
    ASSERT_THAT(bytes, IsOk());
    EXPECT_EQ(Parse<v1::ConvertResponse>(*bytes).tensors(0).data(), elements);
  }
}

class EncodedResponseTest : public testing::Test {
 protected:
  // Messages returns all messages of the reply.
  std::vector<v1::ConvertStreamResponse> Messages(EncodedResponse reply) {
    std::vector<v1::ConvertStreamResponse> messages;
    while (const auto bytes = reply.Next()) messages.push_back(Parse<v1::ConvertStreamResponse>(*bytes));
    return messages;
  }
  WireWriter writer_;
};

TEST_F(EncodedResponseTest, KeepsEveryMessageWithinTheLimit) {
  const std::string elements(3 * kChunkBytes + 1, 'x');
  for (const std::size_t limit : {2 * kChunkBytes, kChunkBytes, std::size_t{100'000}}) {
    auto reply = EncodeStreamResponse(ResponseWith(elements), limit, writer_);
    ASSERT_THAT(reply, IsOk());
    const auto messages = Messages(*std::move(reply));
    EXPECT_EQ(messages[0].response().tensors(0).chunked_nbytes(), elements.size());
    std::string received;
    for (const auto& message : messages) {
      EXPECT_LE(message.ByteSizeLong(), limit);
      received += message.chunk();
    }
    EXPECT_EQ(received, elements);
  }
}

TEST_F(EncodedResponseTest, IsOneMessageIfThatFits) {
  auto reply = EncodeStreamResponse(ResponseWith("abc"), 1024, writer_);
  ASSERT_THAT(reply, IsOk());
  const auto messages = Messages(*std::move(reply));
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].response().tensors(0).data(), "abc");
}

TEST_F(EncodedResponseTest, RefusesMetadataThatFitsNoMessage) {
  Response response;
  response.result.tensors.resize(1000, {.metadata = {.name = std::string(200, 'x'), .dtype = "uint8"}});
  EXPECT_THAT(EncodeStreamResponse(std::move(response), 64 * 1024, writer_),
              Fails(Reason::kTensorTooLarge, testing::HasSubstr("fewer arrays")));
}

}  // namespace
}  // namespace tensorferry::rpc
