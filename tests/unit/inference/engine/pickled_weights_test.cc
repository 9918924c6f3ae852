#include "inference/engine/pickled_weights.h"

#include <gmock/gmock.h>

#include <string>
#include <string_view>
#include <vector>

#include "testing/mutations.h"
#include "testing/status_matchers.h"

namespace tensorferry::inference {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::string_view_literals;

// What torch.save(module.state_dict()) writes for a weight of two rows of three float32, and for a bias that is the
// second half of storage 1.
constexpr std::string_view kPickle =
    "\x80\x02}q\0(X\x06\0\0\0weightq\x01"
    "ctorch._utils\n_rebuild_parameter\nq\x02"
    "ctorch._utils\n_rebuild_tensor_v2\nq\x03"
    "((X\x07\0\0\0storageq\x04"
    "ctorch\nFloatStorage\nq\x05X\x01\0\0\0000q\x06X\x03\0\0\0cpuq\x07K\x06tq\x08QK\0K\x02K\x03\x86q\x09K\x03K\x01"
    "\x86q\x0a\x89"
    "ccollections\nOrderedDict\nq\x0b)Rq\x0ctq\x0dRq\x0e\x88h\x0b)R\x87q\x0fRq\x10X\x04\0\0\0biasq\x11h\x03((h\x04"
    "ctorch\nLongStorage\nq\x12X\x01\0\0\0001q\x13h\x07K\x04tq\x14QK\x02K\x02\x85q\x15K\x01\x85q\x16\x89h\x0b)Rtq\x17"
    "Rq\x18u."sv;

TEST(PickledWeights, AreWhatTorchSaved) {
  const auto weights = ReadPickledWeights(kPickle);
  ASSERT_THAT(weights, IsOk());
  ASSERT_EQ(weights->size(), 2U);
  const ExportedWeight& weight = weights->at("weight");
  EXPECT_EQ(weight.member, "data/0");
  EXPECT_EQ(weight.dtype, c10::kFloat);
  EXPECT_THAT(weight.sizes, ElementsAre(2, 3));
  EXPECT_THAT(weight.strides, ElementsAre(3, 1));
  EXPECT_EQ(weight.offset, 0);
  EXPECT_TRUE(weight.requires_grad);
  const ExportedWeight& bias = weights->at("bias");
  EXPECT_EQ(bias.member, "data/1");
  EXPECT_EQ(bias.dtype, c10::kLong);
  EXPECT_EQ(bias.offset, 2);
  EXPECT_FALSE(bias.requires_grad);
}

TEST(PickledWeights, OfNoTensorsAreNone) {
  const auto weights = ReadPickledWeights("\x80\x02}q\0."sv);
  ASSERT_THAT(weights, IsOk());
  EXPECT_TRUE(weights->empty());
}

TEST(PickledWeights, OfAnotherFormAreRefused) {
  struct Form {
    std::string_view pickle, words;
  };
  std::string many_dims(
      "ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0000"
      "X\x03\0\0\0cpuK\x06tQK\0("sv);
  for (int i = 0; i < 65; ++i) many_dims += "K\x01";
  many_dims += "t)\x89)tR.";
  const std::string deep = ")" + std::string(100'000, '\x85') + ".";
  for (const Form& wrong : std::vector<Form>{
           {"", "it ends too early"},
           {"}", "it ends too early"},
           {"X\xff\xff\xff\xffshort"sv, "it ends too early"},
           {"cos", "it ends too early"},
           {".", "it takes more than there is"},
           {"t", "it takes more than there is"},
           {"\x87", "it takes more than there is"},
           {"}q\0s"sv, "it takes more than there is"},
           {"h\x07"sv, "it recalls what it has not stored"},
           {"K\x01.", "what should be a dictionary is something else"},
           {"\x8a\x09", "a whole number does not fit 64 bits"},
           {"cos\nsystem\nX\x02\0\0\0id\x85R."sv, "it calls 'os system'"},
           {"cposix\nsystem\n)b.", "what should be a dictionary is something else"},
           {"}X\x01\0\0\0aK\x01s."sv, "'a' is no tensor"},
           {"}(X\x01\0\0\0au."sv, "a name stands without a value"},
           {"(Q", "what should be a tuple is something else"},
           {")Q", "it refers to what is no storage"},
           {"ctorch._utils\n_rebuild_tensor_v2\n)R", "another number of fields"},
           {"I1\n.", "the instruction 0x49 is not one of tensors"},
           {many_dims, "a tensor has 65 dimensions, at most 64 are read"},
           {deep, "tuples are nested more than 8 deep"},
       }) {
    const auto weights = ReadPickledWeights(wrong.pickle);
    ASSERT_THAT(weights, Fails(Reason::kModelNotReady)) << wrong.words;
    EXPECT_THAT(DescribeError(weights.status()).message, HasSubstr(wrong.words));
  }
}

TEST(PickledWeights, ThatWereChangedAtRandomAreReadOrRefused) {
  Random random;
  for (int i = 0; i < 20'000; ++i) {
    std::string pickle(kPickle);
    for (std::size_t changes = 1 + random.Below(3); changes > 0 && !pickle.empty(); --changes) Mutate(pickle, random);
    const auto weights = ReadPickledWeights(pickle);
    if (!weights.ok()) {
      EXPECT_THAT(weights, Fails(Reason::kModelNotReady));
    }
  }
}

}  // namespace
}  // namespace tensorferry::inference
