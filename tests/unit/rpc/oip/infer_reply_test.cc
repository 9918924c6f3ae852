#include "rpc/oip/infer_reply.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>

#include <memory>
#include <string>
#include <utility>

#include "base/buffer_pool.h"
#include "base/memory_budget.h"
#include "rpc/triton_config/triton_proto.h"
#include "testing/byte_buffers.h"
#include "testing/shared_object.h"
#include "testing/status_matchers.h"

namespace tensorferry::rpc {
namespace {

using google::protobuf::util::MessageDifferencer;
using inference::TensorResult;
using testing::HasSubstr;
using triton::ModelInferResponse;
using triton::ModelStreamInferResponse;

constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 31;

// Output borrows the elements.
TensorResult Output(std::string name, std::string dtype, Shape shape, const std::string& elements) {
  return {.metadata = {.name = std::move(name), .dtype = std::move(dtype), .shape = std::move(shape)},
          .elements = inference::TensorElements{.bytes = std::as_bytes(std::span(elements))}};
}

Response ResponseOf(std::vector<TensorResult> outputs) {
  Response response{.request_id = "id"};
  response.result.model_name = "m";
  response.result.model_version = "3";
  for (TensorResult& output : outputs) response.result.outputs.push_back(std::move(output));
  return response;
}

ModelInferResponse::InferOutputTensor& AddOutput(ModelInferResponse& response, const std::string& name,
                                                 const std::string& datatype, const std::vector<std::int64_t>& shape) {
  auto& output = *response.add_outputs();
  output.set_name(name);
  output.set_datatype(datatype);
  output.mutable_shape()->Add(shape.begin(), shape.end());
  return output;
}

std::string Difference(const google::protobuf::Message& expected, const google::protobuf::Message& actual) {
  std::string difference;
  MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&difference);
  return differencer.Compare(expected, actual) ? "" : difference;
}

struct Samples {
  const std::string large = std::string(5000, 'L'), small = "small", empty, strings = std::string("\3\0\0\0abc", 7);
  const Response response =
      ResponseOf({Output("δ", "float32", {2, 3, 1 << 20}, large), Output("", "bfloat16", {-1}, small),
                  Output("none", "int64", {0}, empty), Output("text", "string", {1}, strings)});

  static ModelInferResponse Expected() {
    const Samples samples;
    ModelInferResponse response;
    response.set_model_name("m");
    response.set_model_version("3");
    response.set_id("id");
    AddOutput(response, "δ", "FP32", {2, 3, 1 << 20});
    AddOutput(response, "", "BF16", {-1});
    AddOutput(response, "none", "INT64", {0});
    AddOutput(response, "text", "BYTES", {1});
    for (const auto& raw : {samples.large, samples.small, samples.empty, samples.strings})
      response.add_raw_output_contents(raw);
    return response;
  }
};

TEST(EncodeInferResponse, IsReadByGeneratedCode) {
  const Samples samples;
  WireWriter writer;
  const auto bytes = EncodeInferResponse(samples.response, kNoLimit, writer);
  ASSERT_THAT(bytes, IsOk());
  const ModelInferResponse expected = Samples::Expected();
  EXPECT_EQ(Difference(expected, Parse<ModelInferResponse>(*bytes)), "");
  EXPECT_EQ(bytes->bytes().Length(), expected.ByteSizeLong()) << "and nothing that generated code would not write";
}

TEST(EncodeInferResponse, OfNothingIsNothing) {
  WireWriter writer;
  const auto bytes = EncodeInferResponse(Response{}, kNoLimit, writer);
  ASSERT_THAT(bytes, IsOk());
  EXPECT_EQ(bytes->bytes().Length(), 0u);
}

TEST(EncodeStreamInferResponse, SaysThatItIsTheLast) {
  const Samples samples;
  WireWriter writer;
  const auto bytes = EncodeStreamInferResponse(samples.response, kNoLimit, writer);
  ASSERT_THAT(bytes, IsOk());
  ModelStreamInferResponse expected;
  *expected.mutable_infer_response() = Samples::Expected();
  (*expected.mutable_infer_response()->mutable_parameters())["triton_final_response"].set_bool_param(true);
  EXPECT_EQ(Difference(expected, Parse<ModelStreamInferResponse>(*bytes)), "");
  EXPECT_EQ(bytes->bytes().Length(), expected.ByteSizeLong());
}

TEST(EncodeStreamInferError, SaysWhoseItIs) {
  const auto message = Parse<ModelStreamInferResponse>(EncodeStreamInferError("id", "why"));
  ModelStreamInferResponse expected;
  expected.set_error_message("why");
  expected.mutable_infer_response()->set_id("id");
  EXPECT_EQ(Difference(expected, message), "");
}

TEST(EncodeInferResponse, FitsTheLimitOrIsRefused) {
  WireWriter writer;
  for (const std::size_t nbytes : {0u, 1u, 900u, 950u, 990u, 1000u, 1024u, 5000u}) {
    const std::string elements(nbytes, 'x');
    const Response response = ResponseOf({Output("x", "uint8", {1}, elements)});
    for (const auto& encode : {EncodeInferResponse, EncodeStreamInferResponse}) {
      const std::size_t size = encode(response, kNoLimit, writer)->bytes().Length();
      EXPECT_THAT(encode(response, size, writer), IsOk()) << nbytes;
      EXPECT_THAT(encode(response, size - 1, writer), Fails(Reason::kTensorTooLarge, HasSubstr("shared memory")))
          << nbytes;
    }
  }
}

TEST(EncodeInferResponse, SendsElementsFromWhereTheyAreAndKeepsThemSoLong) {
  auto elements = std::make_shared<const std::string>(100'000, 'x');
  Response response = ResponseOf({Output("x", "uint8", {100'000}, *elements)});
  response.result.outputs[0].elements->owner = elements;
  WireWriter writer;
  auto message = std::make_unique<OutgoingMessage>(EncodeInferResponse(response, kNoLimit, writer).value());
  EXPECT_TRUE(RefersTo(message->bytes(), reinterpret_cast<const std::byte*>(elements->data())));
  response = {};
  writer.Clear();
  const std::weak_ptr<const std::string> watch = std::exchange(elements, nullptr);
  EXPECT_FALSE(watch.expired()) << "gRPC still has to send it";
  message.reset();
  EXPECT_TRUE(watch.expired());
}

TEST(EncodeInferResponse, WritesOneAnswerAfterAnother) {
  WireWriter writer;
  const std::string large(5000, 'x');
  for (const std::string& elements : {large, std::string("small"), large}) {
    const auto bytes = EncodeInferResponse(ResponseOf({Output("x", "uint8", {1}, elements)}), kNoLimit, writer);
    ASSERT_THAT(bytes, IsOk());
    EXPECT_EQ(Parse<ModelInferResponse>(*bytes).raw_output_contents(0), elements);
  }
}

class ApplyPlansTest : public testing::Test {
 protected:
  ApplyPlansTest() { EXPECT_THAT(regions_.Register("r", object_.key(), 2, 8), IsOk()); }

  OutputPlan Into(std::string name, std::uint64_t offset, std::uint64_t nbytes) const {
    return {.name = std::move(name), .shared = OutputPlace::Find({"r", offset, nbytes}, {regions_}).value()};
  }

  SharedObject object_{std::string(10, '.')};
  SharedRegions regions_{{.system = true}};
  MemoryBudget budget_{1 << 20};
  BufferPool pool_{budget_, 0};
  const std::string ab_ = "ab", cd_ = "cd";
  Response response_ = ResponseOf({Output("x", "uint8", {2}, ab_), Output("y", "uint8", {2}, cd_)});
};

TEST_F(ApplyPlansTest, SendsNothingOfWhatGoesIntoSharedMemory) {
  ASSERT_THAT(ApplyPlans({Into("y", 3, 4)}, {}, pool_, response_.result), IsOk());
  EXPECT_EQ(object_.Read(), ".....cd...") << "2 from the region's offset, 3 from the output's, and no byte more";
  WireWriter writer;
  const auto message = Parse<ModelInferResponse>(EncodeInferResponse(response_, kNoLimit, writer).value());
  ASSERT_EQ(message.outputs_size(), 2);
  EXPECT_EQ(message.outputs(1).name(), "y");
  EXPECT_THAT(message.outputs(1).shape(), testing::ElementsAre(2));
  EXPECT_THAT(message.raw_output_contents(), testing::ElementsAre("ab", "")) << "an entry for each, clients count them";
}

TEST_F(ApplyPlansTest, RefusesAPlaceThatIsTooSmall) {
  EXPECT_THAT(ApplyPlans({Into("y", 7, 1)}, {}, pool_, response_.result),
              Fails(Reason::kBadSharedMemory,
                    "output 'y': UINT8 with shape [2] needs 2 bytes, the place in shared memory region 'r' has 1"));
  EXPECT_EQ(object_.Read(), std::string(10, '.'));
}

TEST_F(ApplyPlansTest, RefusesARegionThatBecameSmaller) {
  const OutputPlan plan = Into("y", 0, 2);
  object_.Resize(4);
  EXPECT_THAT(ApplyPlans({plan}, {}, pool_, response_.result),
              Fails(Reason::kBadSharedMemory, HasSubstr("output 'y'")));
  EXPECT_EQ(object_.Read(), "....") << "and does not make it larger";
}

TEST_F(ApplyPlansTest, LooksForLabelsOfTheOutputAndForBatchesOfTheModel) {
  inference::ModelInfo model{.outputs = {{.name = "x", .labels = {"cat", "dog"}}}, .max_batch_size = 4};
  ASSERT_THAT(ApplyPlans({{.name = "x", .classes = 1}, {.name = "y", .classes = 5}}, model, pool_, response_.result),
              IsOk());
  WireWriter writer;
  const auto message = Parse<ModelInferResponse>(EncodeInferResponse(response_, kNoLimit, writer).value());
  EXPECT_EQ(message.outputs(0).datatype(), "BYTES");
  EXPECT_THAT(message.outputs(0).shape(), testing::ElementsAre(2, 1)) << "rows of one element";
  EXPECT_EQ(message.raw_output_contents(0), std::string("\x08\0\0\0"
                                                        "97:0:cat"
                                                        "\x08\0\0\0"
                                                        "98:0:cat",
                                                        24));
  EXPECT_EQ(message.raw_output_contents(1), std::string("\4\0\0\0"
                                                        "99:0"
                                                        "\5\0\0\0"
                                                        "100:0",
                                                        17));
}

TEST_F(ApplyPlansTest, CountsClassesInTheMemoryBudget) {
  const std::vector<OutputPlan> plans{{.name = "x", .classes = 2}, {.name = "y", .classes = 2}};
  ASSERT_THAT(ApplyPlans(plans, {}, pool_, response_.result), IsOk());
  EXPECT_EQ(budget_.used(), 33u) << "98:1, 97:0, 100:1 and 99:0, each behind four bytes";
  response_ = {};
  EXPECT_EQ(budget_.used(), 0u);

  MemoryBudget small(20);
  BufferPool pool(small, 0);
  response_ = ResponseOf({Output("x", "uint8", {2}, ab_), Output("y", "uint8", {2}, cd_)});
  EXPECT_THAT(ApplyPlans(plans, {}, pool, response_.result), Fails(Reason::kMemoryBudget, HasSubstr("output 'y'")));
}

}  // namespace
}  // namespace tensorferry::rpc
