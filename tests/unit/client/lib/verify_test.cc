#include "tensorferry/client/verify.h"

#include <gmock/gmock.h>

#include "files.h"
#include "outcome/outcome_json.h"
#include "tensorferry/client/array_file.h"
#include "testing/status_matchers.h"

namespace tensorferry::client {
namespace {

TEST(LocalDigest, IsThatOfPythonsXxhash) {
  const auto paths = FilesIn("digests", ".npy");
  ASSERT_GT(paths.size(), 200);
  for (const auto& path : paths) {
    const auto file = ArrayFile::Open(path);
    ASSERT_THAT(file, IsOk());
    const auto digest = LocalDigest(file->arrays()[0]);
    ASSERT_THAT(digest, IsOk()) << path;
    EXPECT_EQ(outcome::HexText(*digest), ReadFile(std::filesystem::path(path).replace_extension(".digest"))) << path;
  }
}

TEST(LocalDigest, OfBigEndianElementsThatAreNamedIsOfTheSwappedOnes) {
  const auto paths = FilesIn("named", ".npy");
  ASSERT_EQ(paths.size(), 9);
  for (const auto& path : paths) {
    auto file = ArrayFile::Open(path);
    ASSERT_THAT(file, IsOk());
    Array array = file->arrays()[0];
    array.dtype = array.name.substr(0, array.name.find('-'));
    const auto digest = LocalDigest(array);
    ASSERT_THAT(digest, IsOk()) << path;
    EXPECT_EQ(outcome::HexText(*digest), ReadFile(std::filesystem::path(path).replace_extension(".digest"))) << path;
    EXPECT_THAT(CheckArray(array, Fidelity::kStrict), Fails(Reason::kByteOrder));
  }
}

TEST(LocalDigest, RefusesWhatTheServerRefuses) {
  const std::string bytes(7, 'x');
  EXPECT_THAT(LocalDigest({.name = "x", .dtype = "<f4", .shape = {2}, .bytes = std::as_bytes(std::span(bytes))}),
              Fails(Reason::kSizeMismatch, "array 'x': float32 with shape [2] needs 8 bytes, got 7"));
}

class VerifyTest : public testing::Test {
 protected:
  const std::vector<float> values_{1, 2, 3, 4};
  const Array sent_ = Array::Of("x", {2, 2}, std::span(values_));
  Tensor received_{
      .dtype = "float32",
      .shape = {2, 2},
      .receipt = Receipt{.numpy_dtype = "float32", .dtype_equal = true, .digest = LocalDigest(sent_).value()}};
};

TEST_F(VerifyTest, FindsTheSameArrayEqual) { EXPECT_TRUE(Verify(sent_, received_)->equal()); }

TEST_F(VerifyTest, FindsOneBitDifferent) {
  received_.receipt->digest->front() ^= std::byte{1};
  EXPECT_FALSE(Verify(sent_, received_)->digest_equal);
}

TEST_F(VerifyTest, FindsOneBitDifferentInWhatCameBack) {
  std::string elements(reinterpret_cast<const char*>(values_.data()), 16);
  received_.data = elements;
  EXPECT_TRUE(Verify(sent_, received_)->equal());
  elements.back() ^= 1;
  received_.data = elements;
  EXPECT_FALSE(Verify(sent_, received_)->digest_equal);
}

TEST_F(VerifyTest, FindsAMissingDigestDifferent) {
  received_.receipt->digest.reset();
  EXPECT_FALSE(Verify(sent_, received_)->digest_equal);
}

TEST_F(VerifyTest, FindsAnotherShapeDifferent) {
  received_.shape = {4};
  EXPECT_FALSE(Verify(sent_, received_)->equal());
}

TEST_F(VerifyTest, FindsAnotherDtypeDifferentWhateverTheServerSays) {
  received_.dtype = "int32";
  EXPECT_FALSE(Verify(sent_, received_)->dtype_equal);
}

}  // namespace
}  // namespace tensorferry::client
