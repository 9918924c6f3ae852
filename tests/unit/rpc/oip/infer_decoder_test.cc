// These tests give one decoder several messages, and mutate random messages. tests/fuzz looks further.
#include "rpc/oip/infer_decoder.h"

#include <gmock/gmock.h>

#include <array>
#include <string>
#include <vector>

#include "rpc/wire/message_guard.h"
#include "testing/cut_message.h"
#include "testing/infer_views.h"
#include "testing/mutations.h"
#include "testing/status_matchers.h"
#include "testing/test_memory.h"
#include "testing/wire_bytes.h"

namespace tensorferry::rpc {
namespace {

using Request = triton::ModelInferRequest;
using testing::ElementsAre;
using testing::HasSubstr;

// kUnknownField means nothing, but only protobuf's parser reads a message with it.
const std::string kUnknownField = VarintField(100, 1);

void Fill(triton::InferParameter& parameter, Random& random) {
  switch (random.Below(6)) {
    case 0: parameter.set_bool_param(random.OneIn(2)); break;
    case 1: parameter.set_int64_param(random.Int64()); break;
    case 2: parameter.set_string_param(random.Ascii(12)); break;
    case 3: parameter.set_uint64_param(static_cast<std::uint64_t>(random.Int64())); break;
    case 4:
      if (random.OneIn(4)) parameter.set_double_param(static_cast<double>(random.Int64()) / 3);
      break;
    default: break;  // None.
  }
}

template <typename Map>
void FillMap(Map& parameters, Random& random) {
  for (std::size_t i = random.Below(4); i > 0; --i) Fill(parameters[random.Ascii(6)], random);
}

void Fill(triton::InferTensorContents& contents, Random& random) {
  for (std::size_t i = random.Below(4); i > 0; --i) {
    contents.add_int_contents(static_cast<std::int32_t>(random.Int64()));
    contents.add_fp32_contents(static_cast<float>(random.Int64()));
    contents.add_bytes_contents(random.Bytes(9));
  }
}

void Fill(Request::InferInputTensor& input, Random& random) {
  input.set_name(random.Ascii(12));
  input.set_datatype(random.OneIn(16) ? "δ" : random.Ascii(5));
  for (std::size_t ndim = random.Below(9); ndim > 0; --ndim) input.add_shape(random.Int64());
  FillMap(*input.mutable_parameters(), random);
  if (random.OneIn(16)) Fill(*input.mutable_contents(), random);
}

Request RandomRequest(Random& random) {
  Request request;
  request.set_model_name(random.Ascii(20));
  if (random.OneIn(2)) request.set_model_version(random.Ascii(3));
  if (random.OneIn(2)) request.set_id(random.OneIn(16) ? "δ" : random.Ascii(20));
  FillMap(*request.mutable_parameters(), random);
  for (std::size_t i = random.Below(4); i > 0; --i) Fill(*request.add_inputs(), random);
  for (std::size_t i = random.Below(3); i > 0; --i) {
    auto& output = *request.add_outputs();
    output.set_name(random.Ascii(8));
    FillMap(*output.mutable_parameters(), random);
  }
  for (std::size_t i = random.Below(4); i > 0; --i) request.add_raw_input_contents(random.Bytes(150));
  return request;
}

TEST(InferDecoder, ReadsMutatedMessagesAsProtobufDoes) {
  constexpr int kMessages = 10'000;
  Random random;
  int in_place = 0;
  int parsed = 0;
  for (int i = 0; i < kMessages; ++i) {
    std::string message = RandomRequest(random).SerializeAsString();
    for (std::size_t mutations = random.Below(4); mutations > 0; --mutations) Mutate(message, random);
    const ProtobufInferReading expected(message);
    const CutMessage cut = RandomlyCut(message, random);
    SCOPED_TRACE(testing::Message() << "message " << i << ", first piece: " << cut.pieces()[0].size()
                                    << " bytes: " << testing::PrintToString(message));

    const InPlaceInferReading actual(cut.pieces());
    ASSERT_EQ(Mistake(actual, expected), "");
    ASSERT_EQ(InferDecoderMistake(cut.pieces(), expected), "");
    in_place += actual.done ? 1 : 0;
    parsed += expected.parses ? 1 : 0;
  }
  // The mutations leave enough messages of each sort.
  EXPECT_GT(in_place, kMessages / 5);
  EXPECT_GT(parsed - in_place, kMessages / 20);
  EXPECT_GT(kMessages - parsed, kMessages / 4);
}

Request LargeRequest() {
  Request request;
  request.set_model_name("model");
  request.set_model_version("3");
  request.set_id("large");
  (*request.mutable_parameters())["priority"].set_uint64_param(2);
  for (const char* const name : {"a", "b"}) {
    auto& input = *request.add_inputs();
    input.set_name(name);
    input.set_datatype("UINT8");
    input.add_shape(8);
    (*input.mutable_parameters())["x"].set_string_param("y");
    request.add_raw_input_contents("elements");
  }
  request.add_outputs()->set_name("y");
  return request;
}

TEST(InferDecoder, TakesEachMessageAsIfItWereNew) {
  Request typed;
  typed.add_inputs()->mutable_contents()->add_int_contents(1);
  const std::vector<std::string> messages{LargeRequest().SerializeAsString(), "", typed.SerializeAsString()};
  for (const std::string& former : messages) {
    for (const std::string& former_bytes : {former, former + kUnknownField, former + '\0'}) {
      for (const std::string& message : messages) {
        for (const std::string& bytes : {message, message + kUnknownField}) {
          InferDecoder decoder;
          {
            const CutMessage gone(former_bytes, {});
            decoder.Decode(gone.pieces()).IgnoreError();
          }
          const CutMessage whole(bytes, {});
          ASSERT_THAT(decoder.Decode(whole.pieces()), IsOk());
          EXPECT_EQ(Difference(decoder.request(), ProtobufInferReading(message).request), "");
        }
      }
    }
  }
}

TEST(InferDecoder, KeepsRawContentsWhereTheyLie) {
  Request request;
  request.add_raw_input_contents("elements");
  const std::string message = request.SerializeAsString();
  const CutMessage cut(message, std::array{message.size() - 3});
  InferDecoder decoder;
  ASSERT_THAT(decoder.Decode(cut.pieces()), IsOk());
  std::vector<const std::byte*> runs;
  ASSERT_THAT(decoder.request().raw_input_contents[0].ForEachRun([&](Bytes run) {
    runs.push_back(run.data());
    return absl::OkStatus();
  }),
              IsOk());
  EXPECT_THAT(runs, ElementsAre(cut.pieces()[0].data() + cut.pieces()[0].size() - 5, cut.pieces()[1].data()));
}

TEST(InferDecoder, SaysWhetherItHadTheMessageParsed) {
  const std::string message = LargeRequest().SerializeAsString();
  InferDecoder decoder;
  for (const bool parsed : {true, false}) {
    const CutMessage whole(parsed ? message + kUnknownField : message, {});
    ASSERT_THAT(decoder.Decode(whole.pieces()), IsOk());
    EXPECT_EQ(decoder.parsed(), parsed);
  }
}

std::string TypedRequest(int count) {
  Request request;
  request.add_inputs()->mutable_contents()->mutable_int64_contents()->Resize(count, 1);
  return request.SerializeAsString();
}

TEST(InferDecoder, HasTheBudgetAdmitWhatIsParsed) {
  TestMemory memory(1 << 20);
  const PoolFor pool(memory.pool);
  InferDecoder decoder;
  const auto decode = [&](int count) {
    const CutMessage whole(TypedRequest(count), {});
    return decoder.Decode(whole.pieces(), &pool);
  };
  ASSERT_THAT(decode(10'000), IsOk());
  EXPECT_GE(memory.budget.used(), 80'000u);
  decoder.Clear();
  EXPECT_EQ(memory.budget.used(), 0u);
  EXPECT_THAT(decode(100'000), Fails(Reason::kTensorTooLarge, HasSubstr("elements in raw form need less")));
  {
    const auto others = memory.budget.Reserve(900'000);
    EXPECT_THAT(decode(10'000), Fails(Reason::kMemoryBudget));
  }
  EXPECT_EQ(memory.budget.used(), 0u) << "a refused request holds nothing";
}

TEST(InferDecoder, RefusesWhatDoesNotParse) {
  const QuietLibraries silencer;
  InferDecoder decoder;
  const CutMessage cut("\x0A\x05id", std::array<std::size_t, 2>{1, 1});
  EXPECT_THAT(decoder.Decode(cut.pieces()),
              Fails(Reason::kBadChunk, "the message does not parse as inference.ModelInferRequest"));
}

// Each field is allowed by itself; all together are more than 1 MiB.
TEST(InferDecoder, RefusesTooMuchMetadataInPlaceAndByProtobuf) {
  Request request;
  for (int i = 0; i < 4000; ++i) request.add_inputs()->set_name(std::string(300, 'n'));
  const std::string message = request.SerializeAsString();
  const CutMessage in_place(message, {});
  ASSERT_TRUE(InPlaceInferReading(in_place.pieces()).done);
  for (const std::string& bytes : {message, message + kUnknownField}) {
    const CutMessage whole(bytes, {});
    InferDecoder decoder;
    EXPECT_THAT(decoder.Decode(whole.pieces()),
                Fails(Reason::kTensorTooLarge, HasSubstr("bytes of the message are not elements")));
  }
}

}  // namespace
}  // namespace tensorferry::rpc
