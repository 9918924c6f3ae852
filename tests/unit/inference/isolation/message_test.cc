#include "inference/isolation/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/status.h"
#include "inference/isolation/load_codec.h"
#include "inference/isolation/status_codec.h"

namespace tensorferry::inference {
namespace {

std::string Example() {
  MessageWriter writer;
  writer.Put(std::int64_t{-5});
  writer.Put(true);
  writer.Put(std::string_view("name\0with a zero", 16));
  writer.Put(std::vector<std::int64_t>{1, -1, std::numeric_limits<std::int64_t>::max()});
  return writer.bytes();
}

struct Parts {
  std::int64_t number;
  bool flag;
  std::string text;
  std::vector<std::int64_t> numbers;
  absl::Status status;
};

Parts Read(std::string_view bytes) {
  MessageReader reader(bytes);
  Parts parts{};
  parts.number = reader.Get<std::int64_t>();
  parts.flag = reader.GetBool();
  parts.text = reader.GetText();
  parts.numbers = reader.GetNumbers();
  parts.status = reader.Finish();
  return parts;
}

TEST(Message, IsReadAsItWasWritten) {
  const Parts parts = Read(Example());
  EXPECT_TRUE(parts.status.ok());
  EXPECT_EQ(parts.number, -5);
  EXPECT_TRUE(parts.flag);
  EXPECT_EQ(parts.text, std::string_view("name\0with a zero", 16));
  EXPECT_THAT(parts.numbers, testing::ElementsAre(1, -1, std::numeric_limits<std::int64_t>::max()));
}

TEST(Message, IsDamagedAtEveryOtherLength) {
  const std::string whole = Example();
  for (std::size_t nbytes = 0; nbytes < whole.size(); ++nbytes) {
    EXPECT_FALSE(Read(whole.substr(0, nbytes)).status.ok()) << nbytes;
  }
  EXPECT_FALSE(Read(whole + "x").status.ok());
}

TEST(Message, ACountThatTheMessageCannotHoldTakesNoMemory) {
  MessageWriter writer;
  writer.Put(std::numeric_limits<std::uint64_t>::max());
  writer.Put(std::int64_t{1});
  MessageReader reader(writer.bytes());
  EXPECT_THAT(reader.GetNumbers(), testing::IsEmpty());
  EXPECT_FALSE(reader.Finish().ok());
}

TEST(Message, AnErrorKeepsItsReasonItsDetailsAndItsTerms) {
  const absl::Status error = InArray("x", MakeError(Reason::kInputMismatch, "it is " + Term("float32"),
                                                    {.field = "dtype",
                                                     .expected = "int8",
                                                     .retry_after = std::chrono::milliseconds(7),
                                                     .log_text = "the whole story"}));
  MessageWriter writer;
  PutStatus(error, writer);
  PutStatus(absl::OkStatus(), writer);
  MessageReader reader(writer.bytes());
  EXPECT_EQ(GetStatus(reader), error);
  EXPECT_EQ(GetStatus(reader), absl::OkStatus());
  EXPECT_TRUE(reader.Finish().ok());
  MessageReader again(writer.bytes());
  const auto shout = [](std::string_view word) { return "<" + std::string(word) + ">"; };
  EXPECT_EQ(Reworded(GetStatus(again), shout), Reworded(error, shout));
}

TEST(Message, ASetupHasWhatEnginesReadOfTheConfiguration) {
  const ConfiguredTensor input{.name = "x", .dtype = DType::kBool, .dims = {-1, 3}, .optional = true};
  const ConfiguredTensor output{.name = "y", .strings = true, .dims = {-1}};
  MessageWriter writer;
  PutSetup({.name = "m",
            .version = "7",
            .config = {.max_batch_size = 4, .inputs = {input}, .outputs = {output}, .parameters = {{"FREEZE", "true"}}},
            .intra_op_threads = 3},
           writer);
  MessageReader reader(writer.bytes());
  const WorkerSetup setup = GetSetup(reader);
  ASSERT_TRUE(reader.Finish().ok());
  EXPECT_EQ(setup.name, "m");
  EXPECT_EQ(setup.version, "7");
  EXPECT_EQ(setup.intra_op_threads, 3);
  EXPECT_EQ(setup.config.max_batch_size, 4);
  EXPECT_EQ(setup.config.parameters.at("FREEZE"), "true");
  ASSERT_EQ(setup.config.inputs.size(), 1U);
  EXPECT_EQ(setup.config.inputs[0].name, "x");
  EXPECT_EQ(setup.config.inputs[0].dtype, DType::kBool);
  EXPECT_EQ(setup.config.inputs[0].dims, input.dims);
  EXPECT_TRUE(setup.config.inputs[0].optional);
  ASSERT_EQ(setup.config.outputs.size(), 1U);
  EXPECT_EQ(setup.config.outputs[0].dtype, std::nullopt);
  EXPECT_TRUE(setup.config.outputs[0].strings);
}

}  // namespace
}  // namespace tensorferry::inference
