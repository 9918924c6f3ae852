#include "rpc/serve/small_message.h"

#include <gmock/gmock.h>

#include <string>

#include "grpc/health/v1/health.pb.h"
#include "testing/byte_buffers.h"
#include "testing/status_matchers.h"
#include "testing/wire_bytes.h"

namespace tensorferry::rpc {
namespace {

using grpc::health::v1::HealthCheckRequest;

grpc::ByteBuffer Buffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}

TEST(ParseMessage, TakesMessagesUpToItsBound) {
  const std::size_t around =
      BytesField(1, std::string(kMaxSmallMessageBytes / 2, 'n')).size() - kMaxSmallMessageBytes / 2;
  for (const std::size_t longer : {0u, 1u}) {
    const std::string name(kMaxSmallMessageBytes - around + longer, 'n');
    grpc::ByteBuffer bytes = Buffer(BytesField(1, name));
    ASSERT_EQ(bytes.Length(), kMaxSmallMessageBytes + longer);
    HealthCheckRequest request;
    const absl::Status status = ParseMessage(bytes, request);
    EXPECT_EQ(bytes.Length(), 0u) << "it keeps the memory";
    EXPECT_EQ(request.service(), longer == 0 ? name : "") << "it was parsed all the same";
    if (longer == 0) {
      EXPECT_THAT(status, IsOk());
    } else {
      EXPECT_THAT(status,
                  Fails(Reason::kTensorTooLarge, "the message has 65537 bytes; this method takes at most 65536"));
    }
  }
}

TEST(ParseMessage, AsksAnotherCheck) {
  grpc::ByteBuffer bytes = Buffer(BytesField(1, std::string(2 * kMaxSmallMessageBytes, 'n')));
  HealthCheckRequest request;
  EXPECT_THAT(ParseMessage(bytes, request, [](const grpc::ByteBuffer&) { return absl::OkStatus(); }), IsOk());
  EXPECT_EQ(request.service().size(), 2 * kMaxSmallMessageBytes);
}

TEST(ParseMessage, NamesTheMessageThatDoesNotParse) {
  grpc::ByteBuffer bytes = Buffer("\x0a\x05three");
  HealthCheckRequest request;
  EXPECT_THAT(ParseMessage(bytes, request), IsOk());
  bytes = Buffer("\x0a\x06three");
  EXPECT_THAT(ParseMessage(bytes, request),
              Fails(Reason::kBadChunk, "the message does not parse as grpc.health.v1.HealthCheckRequest"));
  EXPECT_EQ(bytes.Length(), 0u);
}

TEST(SerializeMessage, WritesInPlaceOfWhatTheBufferHeld) {
  grpc::ByteBuffer bytes;
  for (const std::string& name : {std::string(100, 'a'), std::string(200, 'b'), std::string("c")}) {
    HealthCheckRequest written;
    written.set_service(name);
    ASSERT_THAT(SerializeMessage(written, bytes), IsOk());
    grpc::ByteBuffer copy = bytes;
    HealthCheckRequest read;
    ASSERT_THAT(ParseMessage(copy, read), IsOk());
    EXPECT_EQ(read.service(), name);
  }
}

}  // namespace
}  // namespace tensorferry::rpc
