#include "rpc/to_proto.h"

#include <gmock/gmock.h>

#include <string>

#include "testing/status_matchers.h"

namespace tensorferry::rpc {
namespace {

// An answer with one tensor of these elements. Borrows them.
Answer AnswerWith(const std::string& elements) {
  Answer answer{.request_id = "1"};
  answer.response.tensors.push_back(
      {.metadata = {.name = "x", .dtype = "uint8", .nbytes = static_cast<std::int64_t>(elements.size())},
       .elements = inference::TensorElements{.bytes = std::as_bytes(std::span(elements))}});
  return answer;
}

TEST(ToOneMessage, FitsTheLimitOrIsRefused) {
  for (const std::size_t nbytes : {0u, 1u, 900u, 1000u, 1024u, 5000u}) {
    const std::string elements(nbytes, 'x');
    const auto message = ToOneMessage(AnswerWith(elements), 1024);
    if (message.ok()) {
      EXPECT_LE(message->ByteSizeLong(), 1024u);
      EXPECT_EQ(message->tensors(0).data(), elements);
    } else {
      EXPECT_GT(nbytes, 800u);
      EXPECT_THAT(message, Fails(Reason::kTensorTooLarge, testing::HasSubstr("ConvertStream")));
    }
  }
}

TEST(SendAnswer, KeepsEveryMessageWithinTheLimit) {
  const std::string elements(3 * kChunkBytes + 1, 'x');
  std::string received;
  const auto sent = SendAnswer(AnswerWith(elements), 2 * kChunkBytes, [&](const v1::ConvertStreamResponse& message) {
    EXPECT_LE(message.ByteSizeLong(), 2 * kChunkBytes);
    received += message.chunk();
    return true;
  });
  ASSERT_THAT(sent, IsOk());
  EXPECT_TRUE(*sent);
  EXPECT_EQ(received, elements);
}

TEST(SendAnswer, StopsWhenTheStreamIsBroken) {
  int messages = 0;
  const std::string elements(3 * kChunkBytes, 'x');
  const auto sent = SendAnswer(AnswerWith(elements), kChunkBytes, [&](const auto&) { return ++messages < 2; });
  ASSERT_THAT(sent, IsOk());
  EXPECT_FALSE(*sent);
  EXPECT_EQ(messages, 2);
}

TEST(SendAnswer, RefusesMetadataThatFitsNoMessage) {
  Answer answer;
  answer.response.tensors.resize(1000, {.metadata = {.name = std::string(200, 'x'), .dtype = "uint8"}});
  EXPECT_THAT(SendAnswer(answer, 64 * 1024, [](const auto&) { return true; }),
              Fails(Reason::kTensorTooLarge, testing::HasSubstr("fewer arrays")));
}

}  // namespace
}  // namespace tensorferry::rpc
