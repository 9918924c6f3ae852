// These tests say what requests mean, from the messages that clients send.
#include "rpc/oip/infer_request.h"

#include <gmock/gmock.h>

#include <functional>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "rpc/oip/infer_decoder.h"
#include "rpc/triton_config/triton_proto.h"
#include "testing/cut_message.h"
#include "testing/shared_object.h"
#include "testing/status_matchers.h"

namespace tensorferry::rpc {
namespace {

using Message = triton::ModelInferRequest;
using std::chrono::microseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Translated is a message that a client's generated code wrote, and what it means.
class Translated {
 public:
  Translated(const Message& message, const SharedRegions& regions) : cut_(message.SerializeAsString(), {}) {
    if (!decoder_.Decode(cut_.pieces()).ok()) std::abort();
    status_ = Translate(decoder_.request(), {regions}, decoder_.memory(), request_, plans_);
  }
  Translated(const Translated&) = delete;
  Translated& operator=(const Translated&) = delete;

  const absl::Status& status() const { return status_; }
  const RequestView& request() const { return request_; }
  const std::vector<OutputPlan>& plans() const { return plans_; }

  // ElementsOf returns the elements of an input.
  std::string ElementsOf(std::size_t index) const {
    const ScatteredBytes& bytes = request_.arrays.at(index).bytes;
    return bytes.First(bytes.size());
  }

 private:
  const CutMessage cut_;
  InferDecoder decoder_;
  RequestView request_;
  std::vector<OutputPlan> plans_;
  absl::Status status_;
};

Message::InferInputTensor& AddInput(Message& message, const std::string& name, const std::string& datatype,
                                    const std::vector<std::int64_t>& shape) {
  auto& input = *message.add_inputs();
  input.set_name(name);
  input.set_datatype(datatype);
  input.mutable_shape()->Add(shape.begin(), shape.end());
  return input;
}

template <typename Tensor>
void PlaceIn(Tensor& tensor, const std::string& region, std::int64_t nbytes, std::int64_t offset = 0) {
  auto& parameters = *tensor.mutable_parameters();
  parameters["shared_memory_region"].set_string_param(region);
  parameters["shared_memory_byte_size"].set_int64_param(nbytes);
  if (offset != 0) parameters["shared_memory_offset"].set_int64_param(offset);
}

class TranslateTest : public testing::Test {
 protected:
  TranslateTest() { EXPECT_THAT(regions_.Register("region", object_.key(), 0, 16), IsOk()); }

  absl::Status StatusOf(const Message& message) { return Translated(message, regions_).status(); }

  SharedObject object_{std::string(16, '.')};
  SharedRegions regions_{{.system = true}};
  Message message_;
};

TEST_F(TranslateTest, NamesWhatIsToRunOnWhat) {
  message_.set_model_name("m");
  message_.set_model_version("2");
  message_.set_id("id");
  AddInput(message_, "a", "INT32", {2, 1});
  AddInput(message_, "b", "BYTES", {1});
  message_.add_raw_input_contents("elements");
  message_.add_raw_input_contents(std::string("\1\0\0\0x", 5));
  for (const char* const output : {"y", "z", "y"}) message_.add_outputs()->set_name(output);
  const Translated translated(message_, regions_);
  ASSERT_THAT(translated.status(), IsOk());
  const RequestView& request = translated.request();
  EXPECT_EQ(request.model_name, "m");
  EXPECT_EQ(request.model_version, "2");
  EXPECT_EQ(request.request_id, "id");
  EXPECT_THAT(request.requested_outputs, ElementsAre("y", "z")) << "duplicates come once";
  EXPECT_THAT(translated.plans(), IsEmpty());
  ASSERT_EQ(request.arrays.size(), 2u);
  EXPECT_EQ(request.arrays[0].name, "a");
  EXPECT_EQ(request.arrays[0].dtype, "int32");
  EXPECT_EQ(request.arrays[0].shape, (Shape{2, 1}));
  EXPECT_EQ(request.arrays[0].payload, PayloadKind::kData);
  EXPECT_FALSE(request.arrays[0].strings);
  EXPECT_EQ(translated.ElementsOf(0), "elements");
  EXPECT_TRUE(request.arrays[1].strings);
  EXPECT_EQ(request.arrays[1].dtype, "");
  EXPECT_EQ(translated.ElementsOf(1), std::string("\1\0\0\0x", 5));
}

TEST_F(TranslateTest, TakesTypedElements) {
  AddInput(message_, "a", "INT8", {2}).mutable_contents()->add_int_contents(-1);
  message_.mutable_inputs(0)->mutable_contents()->add_int_contents(2);
  AddInput(message_, "b", "BYTES", {1}).mutable_contents()->add_bytes_contents("text");
  AddInput(message_, "c", "FP32", {0}).mutable_contents();
  AddInput(message_, "d", "FP16", {3, 0});  // Without elements, no field is needed.
  const Translated translated(message_, regions_);
  ASSERT_THAT(translated.status(), IsOk());
  EXPECT_EQ(translated.ElementsOf(0), "\xFF\2");
  EXPECT_EQ(translated.ElementsOf(1), std::string("\4\0\0\0text", 8));
  EXPECT_EQ(translated.ElementsOf(2), "");
  EXPECT_EQ(translated.ElementsOf(3), "");
}

TEST_F(TranslateTest, CountsTypedElements) {
  AddInput(message_, "a", "INT16", {3}).mutable_contents()->add_int_contents(1);
  EXPECT_THAT(StatusOf(message_),
              Fails(Reason::kSizeMismatch, "array 'a': INT16 with shape [3] needs 3 elements in contents, got 1"));
}

TEST_F(TranslateTest, GivesRawContentsToInputsThatAreNotInSharedMemory) {
  AddInput(message_, "a", "UINT8", {1});
  PlaceIn(AddInput(message_, "b", "UINT8", {4}), "region", 4, 8);
  AddInput(message_, "c", "UINT8", {1});
  message_.add_raw_input_contents("1");
  message_.add_raw_input_contents("2");
  const Translated translated(message_, regions_);
  ASSERT_THAT(translated.status(), IsOk());
  EXPECT_EQ(translated.ElementsOf(0), "1");
  EXPECT_EQ(translated.ElementsOf(2), "2");
  const ArrayView& shared = translated.request().arrays[1];
  EXPECT_EQ(shared.payload, PayloadKind::kSharedMemory);
  EXPECT_EQ(shared.region, "region");
  EXPECT_EQ(shared.shared_offset, 8u);
  EXPECT_EQ(shared.shared_nbytes, 4u);
}

TEST_F(TranslateTest, WantsOneRawContentForEach) {
  AddInput(message_, "a", "UINT8", {1});
  AddInput(message_, "b", "UINT8", {1});
  EXPECT_THAT(StatusOf(message_), Fails(Reason::kInputMismatch, HasSubstr("expected at least 1 raw_input_contents")));
  message_.add_raw_input_contents("1");
  EXPECT_THAT(StatusOf(message_), Fails(Reason::kInputMismatch,
                                        "array 'b': expected at least 2 raw_input_contents, one for each input that "
                                        "is not in shared memory, got 1"));
  message_.add_raw_input_contents("2");
  EXPECT_THAT(StatusOf(message_), IsOk());
  message_.add_raw_input_contents("3");
  EXPECT_THAT(StatusOf(message_), Fails(Reason::kInputMismatch,
                                        "expected 2 raw_input_contents, one for each input that is not in shared "
                                        "memory, got 3"));
}

// If any input has raw contents, each must have some, even one without elements.
TEST_F(TranslateTest, WantsRawContentsOfEmptyInputsBesideOthers) {
  AddInput(message_, "a", "UINT8", {0});
  AddInput(message_, "b", "UINT8", {1});
  message_.add_raw_input_contents("");
  message_.add_raw_input_contents("1");
  const Translated translated(message_, regions_);
  ASSERT_THAT(translated.status(), IsOk());
  EXPECT_EQ(translated.ElementsOf(1), "1");
}

TEST_F(TranslateTest, RefusesTypedElementsBesideOthers) {
  message_.set_model_name("simple");
  AddInput(message_, "INPUT0", "INT32", {1}).mutable_contents()->add_int_contents(1);
  message_.add_raw_input_contents("1234");
  // A test of Triton's clients looks for these words.
  EXPECT_THAT(StatusOf(message_), Fails(Reason::kConflictingFields,
                                        HasSubstr("contents field must not be specified when using raw_input_contents "
                                                  "for 'INPUT0' for model 'simple'")));
  message_.clear_raw_input_contents();
  PlaceIn(*message_.mutable_inputs(0), "region", 4);
  EXPECT_THAT(StatusOf(message_), Fails(Reason::kConflictingFields, HasSubstr("when using shared memory")));
}

TEST_F(TranslateTest, RefusesUnknownDatatypes) {
  for (const std::string datatype : {"", "int32", "FLOAT32", "TYPE_INT32"}) {
    Message message;
    AddInput(message, "a", datatype, {1});
    message.add_raw_input_contents("1234");
    EXPECT_THAT(StatusOf(message), Fails(Reason::kBadDtype, HasSubstr("array 'a': there is no datatype '" + datatype)));
  }
}

TEST_F(TranslateTest, ReadsPriorityAndTimeout) {
  const auto read = [&](const char* name, auto set) {
    Message message;
    set((*message.mutable_parameters())[name]);
    const Translated translated(message, regions_);
    EXPECT_THAT(translated.status(), IsOk());
    return std::pair(translated.request().priority, translated.request().timeout);
  };
  EXPECT_EQ(read("priority", [](auto& value) { value.set_uint64_param(7); }).first, 7u);
  EXPECT_EQ(read("priority", [](auto& value) { value.set_int64_param(7); }).first, 7u);
  EXPECT_EQ(read("timeout", [](auto& value) { value.set_int64_param(1500); }).second, microseconds(1500));
  const auto huge = read("timeout", [](auto& value) { value.set_uint64_param(~std::uint64_t{0}); }).second;
  EXPECT_GT(huge, std::chrono::hours(24)) << "and not a time long past";
  EXPECT_EQ(read("anything", [](auto& value) { value.set_double_param(1); }),
            std::pair(std::uint64_t{0}, microseconds(0)));
}

TEST_F(TranslateTest, ForgetsTheFormerRequest) {
  AddInput(message_, "a", "UINT8", {1});
  message_.add_raw_input_contents("1");
  message_.add_outputs()->set_name("y");
  PlaceIn(*message_.mutable_outputs(0), "region", 4);
  (*message_.mutable_parameters())["priority"].set_uint64_param(7);
  (*message_.mutable_parameters())["timeout"].set_int64_param(7);
  RequestView request;
  std::vector<OutputPlan> plans;
  for (const Message& message : {message_, Message()}) {
    const CutMessage cut(message.SerializeAsString(), {});
    InferDecoder decoder;
    ASSERT_THAT(decoder.Decode(cut.pieces()), IsOk());
    ASSERT_THAT(Translate(decoder.request(), {regions_}, decoder.memory(), request, plans), IsOk());
  }
  EXPECT_EQ(request.priority, 0u);
  EXPECT_EQ(request.timeout, microseconds(0));
  EXPECT_THAT(request.arrays, IsEmpty());
  EXPECT_THAT(request.requested_outputs, IsEmpty());
  EXPECT_THAT(plans, IsEmpty());
}

TEST_F(TranslateTest, PlansWhatBecomesOfOutputs) {
  message_.add_outputs()->set_name("plain");
  message_.add_outputs()->set_name("classes");
  (*message_.mutable_outputs(1)->mutable_parameters())["classification"].set_int64_param(3);
  message_.add_outputs()->set_name("shared");
  PlaceIn(*message_.mutable_outputs(2), "region", 4, 12);
  message_.add_outputs()->set_name("other");
  (*message_.mutable_outputs(3)->mutable_parameters())["binary_data"].set_bool_param(true);
  const Translated translated(message_, regions_);
  ASSERT_THAT(translated.status(), IsOk());
  EXPECT_THAT(translated.request().requested_outputs, ElementsAre("plain", "classes", "shared", "other"));
  ASSERT_EQ(translated.plans().size(), 2u);
  EXPECT_EQ(translated.plans()[0].name, "classes");
  EXPECT_EQ(translated.plans()[0].classes, 3u);
  EXPECT_FALSE(translated.plans()[0].shared);
  EXPECT_EQ(translated.plans()[1].name, "shared");
  EXPECT_EQ(translated.plans()[1].classes, 0u);
  ASSERT_TRUE(translated.plans()[1].shared);
  EXPECT_EQ(translated.plans()[1].shared->region(), "region");
  EXPECT_EQ(translated.plans()[1].shared->offset(), 12u);
  EXPECT_EQ(translated.plans()[1].shared->nbytes(), 4u);
}

// --- These parameters are refused, wherever they stand.

using Parameter = triton::InferParameter;
struct ParameterCase {
  std::string name;
  std::string parameter;
  std::function<void(Parameter&)> set;
  std::string why;
  friend void PrintTo(const ParameterCase& c, std::ostream* out) { *out << c.name; }
};

std::string ParameterName(const testing::TestParamInfo<ParameterCase>& test) { return test.param.name; }

const auto kText = [](Parameter& value) { value.set_string_param("1"); };
const auto kMinus = [](Parameter& value) { value.set_int64_param(-1); };
const auto kZero = [](Parameter& value) { value.set_int64_param(0); };
const auto kDouble = [](Parameter& value) { value.set_double_param(1); };
const auto kBool = [](Parameter& value) { value.set_bool_param(true); };
const auto kNothing = [](Parameter&) {};

class RequestParameter : public testing::TestWithParam<ParameterCase> {};

TEST_P(RequestParameter, IsRefusedSayingWhy) {
  Message message;
  GetParam().set((*message.mutable_parameters())[GetParam().parameter]);
  const SharedRegions regions({.system = true});
  EXPECT_THAT(Translated(message, regions).status(), Fails(Reason::kInputMismatch, GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(
    Wrong, RequestParameter,
    testing::ValuesIn(std::vector<ParameterCase>{
        {"PriorityAsText", "priority", kText, "parameter 'priority' must be an integer (int64_param) of 0 or more"},
        {"PriorityNegative", "priority", kMinus, "parameter 'priority' must be an integer (int64_param) of 0 or more"},
        {"PriorityNothing", "priority", kNothing, "parameter 'priority' must be an integer (int64_param) of 0 or more"},
        {"TimeoutAsDouble", "timeout", kDouble, "parameter 'timeout' must be an integer (int64_param) of 0 or more"},
        {"TimeoutNegative", "timeout", kMinus, "parameter 'timeout' must be an integer (int64_param) of 0 or more"},
        {"StartAsText", "sequence_start", kText, "parameter 'sequence_start' must be a bool (bool_param)"},
        {"EndAsNumber", "sequence_end", kZero, "parameter 'sequence_end' must be a bool (bool_param)"},
        {"FinalAsNumber", "triton_enable_empty_final_response", kZero,
         "parameter 'triton_enable_empty_final_response' must be a bool (bool_param)"},
        {"OtherOfTritons", "triton_", kBool, "parameter 'triton_' is reserved, and not known"},
    }),
    ParameterName);

TEST_F(TranslateTest, TakesWhatEveryClientSends) {
  auto& parameters = *message_.mutable_parameters();
  parameters["triton_enable_empty_final_response"].set_bool_param(true);
  parameters["sequence_start"].set_bool_param(true);
  parameters["sequence_end"].set_bool_param(false);
  parameters["my own"].set_double_param(0.5);
  EXPECT_THAT(StatusOf(message_), IsOk());
  parameters["sequence_id"].set_string_param("text");
  EXPECT_THAT(StatusOf(message_), IsOk());
  parameters["sequence_id"].set_int64_param(std::numeric_limits<std::int64_t>::min());
  EXPECT_THAT(StatusOf(message_), IsOk());
}

class OutputParameter : public testing::TestWithParam<ParameterCase> {};

TEST_P(OutputParameter, IsRefusedSayingWhy) {
  Message message;
  message.add_outputs()->set_name("y");
  GetParam().set((*message.mutable_outputs(0)->mutable_parameters())[GetParam().parameter]);
  const SharedRegions regions({.system = true});
  EXPECT_THAT(Translated(message, regions).status(), Fails(Reason::kInputMismatch, "output 'y': " + GetParam().why));
}

constexpr char kNeedsSize[] = "parameter 'shared_memory_byte_size' must be there, with the region";
constexpr char kNeedsRegion[] = "parameter 'shared_memory_region' must be there, with the others";

std::vector<ParameterCase> PlaceCases() {
  const auto name = [](Parameter& value) { value.set_string_param("region"); };
  const auto empty = [](Parameter& value) { value.set_string_param(""); };
  const auto one = [](Parameter& value) { value.set_int64_param(1); };
  return {
      {"RegionAlone", "shared_memory_region", name, kNeedsSize},
      {"SizeAlone", "shared_memory_byte_size", kZero, kNeedsRegion},
      {"OffsetAlone", "shared_memory_offset", one, kNeedsRegion},
      {"RegionAsNumber", "shared_memory_region", one,
       "parameter 'shared_memory_region' must be a region's name (string_param)"},
      {"RegionNameless", "shared_memory_region", empty,
       "parameter 'shared_memory_region' must be a region's name (string_param)"},
      {"SizeNegative", "shared_memory_byte_size", kMinus,
       "parameter 'shared_memory_byte_size' must be an integer (int64_param) of 0 or more"},
      {"OffsetNegative", "shared_memory_offset", kMinus,
       "parameter 'shared_memory_offset' must be an integer (int64_param) of 0 or more"},
  };
}

INSTANTIATE_TEST_SUITE_P(Places, OutputParameter, testing::ValuesIn(PlaceCases()), ParameterName);
INSTANTIATE_TEST_SUITE_P(
    Classes, OutputParameter,
    testing::ValuesIn(std::vector<ParameterCase>{
        {"Zero", "classification", kZero, "parameter 'classification' must be an integer (int64_param) of 1 or more"},
        {"Minus", "classification", kMinus, "parameter 'classification' must be an integer (int64_param) of 1 or more"},
        {"Text", "classification", kText, "parameter 'classification' must be an integer (int64_param) of 1 or more"},
        {"UnsignedZero", "classification", [](Parameter& value) { value.set_uint64_param(0); },
         "parameter 'classification' must be 1 or more"},
    }),
    ParameterName);

class InputParameter : public testing::TestWithParam<ParameterCase> {};

TEST_P(InputParameter, IsRefusedSayingWhy) {
  Message message;
  AddInput(message, "x", "UINT8", {1});
  message.add_raw_input_contents("1");
  GetParam().set((*message.mutable_inputs(0)->mutable_parameters())[GetParam().parameter]);
  const SharedRegions regions({.system = true});
  EXPECT_THAT(Translated(message, regions).status(), Fails(Reason::kInputMismatch, "array 'x': " + GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(Places, InputParameter, testing::ValuesIn(PlaceCases()), ParameterName);

TEST_F(TranslateTest, RefusesPlacesOfOutputsThatThereAreNot) {
  auto& output = *message_.add_outputs();
  output.set_name("y");
  PlaceIn(output, "nowhere", 4);
  EXPECT_THAT(StatusOf(message_),
              Fails(Reason::kRegionNotFound, HasSubstr("output 'y': Unable to find shared memory")));
  PlaceIn(output, "region", 17);
  EXPECT_THAT(StatusOf(message_), Fails(Reason::kBadSharedMemory, HasSubstr("has 16 bytes, not 17 from 0 on")));
  PlaceIn(output, "region", 16, 1);
  EXPECT_THAT(StatusOf(message_), Fails(Reason::kBadSharedMemory, HasSubstr("has 16 bytes, not 16 from 1 on")));
  PlaceIn(output, "region", 16);
  output.mutable_parameters()->erase("shared_memory_offset");
  EXPECT_THAT(StatusOf(message_), IsOk());
  (*output.mutable_parameters())["classification"].set_int64_param(1);
  EXPECT_THAT(StatusOf(message_), Fails(Reason::kConflictingFields));
}

}  // namespace
}  // namespace tensorferry::rpc
