#include "rpc/wire/message_weight.h"

#include <gmock/gmock.h>

#include <array>
#include <string>

#include "rpc/native/message_layouts.h"
#include "rpc/oip/message_layouts.h"
#include "testing/wire_bytes.h"

namespace tensorferry::rpc {
namespace {

bool IsLong(const std::string& message, const MessageLayout& layout) {
  // In two pieces, of which the first ends anywhere.
  const Bytes whole = std::as_bytes(std::span(message));
  const std::array pieces{whole.first(whole.size() / 3), whole.subspan(whole.size() / 3)};
  return IsLongToRead(pieces, layout);
}

std::string Times(int count, const std::string& field) {
  std::string fields;
  for (int i = 0; i < count; ++i) fields += field;
  return fields;
}

const std::string kArray = BytesField(8, BytesField(2, "<f4") + BytesField(5, "1234"));
const std::string kInput = BytesField(5, BytesField(1, "x") + BytesField(2, "FP32") + BytesField(3, "\1"));

TEST(MessageWeight, OneLargeArrayIsAsLongAsItsBytes) {
  const std::string bytes(3 << 20, 'x');
  EXPECT_FALSE(IsLong(BytesField(8, BytesField(2, "<f4") + BytesField(5, bytes)), kConvertRequestLayout));
  EXPECT_FALSE(IsLong(BytesField(2, bytes), kConvertStreamRequestLayout));
  EXPECT_FALSE(IsLong(kInput + BytesField(7, bytes), kModelInferRequestLayout));
  EXPECT_FALSE(IsLong(BytesField(5, BytesField(5, BytesField(6, bytes))), kModelInferRequestLayout)) << "fp32_contents";
}

TEST(MessageWeight, ManyArraysAreLong) {
  EXPECT_FALSE(IsLong(Times(64, kArray), kConvertRequestLayout));
  EXPECT_TRUE(IsLong(Times(512, kArray), kConvertRequestLayout));
  EXPECT_TRUE(IsLong(Times(4096, kArray), kConvertRequestLayout));
  EXPECT_TRUE(IsLong(BytesField(1, Times(512, kArray)), kConvertStreamRequestLayout));
  EXPECT_FALSE(IsLong(BytesField(1, Times(64, kArray)), kConvertStreamRequestLayout));
  EXPECT_TRUE(IsLong(Times(512, kInput), kModelInferRequestLayout));
  EXPECT_FALSE(IsLong(Times(64, kInput) + Times(64, BytesField(7, "1234")), kModelInferRequestLayout));
}

TEST(MessageWeight, ManyOutputsAreLong) {
  EXPECT_TRUE(IsLong(kArray + Times(512, BytesField(7, "name")), kConvertRequestLayout));
  EXPECT_TRUE(IsLong(kInput + Times(512, BytesField(6, BytesField(1, "name"))), kModelInferRequestLayout));
}

TEST(MessageWeight, ManyStringsAndIntegersAreLong) {
  const auto contents = [](const std::string& fields) { return BytesField(5, BytesField(5, fields)); };
  EXPECT_FALSE(IsLong(contents(Times(1000, BytesField(8, "text"))), kModelInferRequestLayout));
  EXPECT_TRUE(IsLong(contents(Times(100'000, BytesField(8, "text"))), kModelInferRequestLayout));
  EXPECT_FALSE(IsLong(contents(BytesField(3, std::string(10'000, '\1'))), kModelInferRequestLayout));
  EXPECT_TRUE(IsLong(contents(BytesField(3, std::string(1'000'000, '\1'))), kModelInferRequestLayout));
  EXPECT_TRUE(IsLong(contents(Times(100'000, VarintField(3, 1))), kModelInferRequestLayout)) << "each by itself";
}

TEST(MessageWeight, WhatTheServerDoesNotKnowIsReadToo) {
  EXPECT_TRUE(IsLong(Times(100'000, VarintField(99, 1)), kConvertRequestLayout));
  EXPECT_TRUE(IsLong(BytesField(8, Times(100'000, BytesField(99, ""))), kConvertRequestLayout));
  EXPECT_TRUE(IsLong(Tag(99, 3) + Times(100'000, VarintField(9, 1)) + Tag(99, 4), kConvertRequestLayout)) << "a group";
  EXPECT_TRUE(IsLong(VarintField(99, 1) + Times(512, kArray), kConvertRequestLayout));
}

TEST(MessageWeight, WhatDoesNotParseIsRefusedAtOnce) {
  EXPECT_FALSE(IsLong(std::string(100'000, '\xff'), kConvertRequestLayout));
}

}  // namespace
}  // namespace tensorferry::rpc
