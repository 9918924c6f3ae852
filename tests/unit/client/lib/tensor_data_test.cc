#include "tensorferry/client/tensor_data.h"

#include <gtest/gtest.h>

#include <vector>

namespace tensorferry::client {
namespace {

TEST(TensorData, HasTheBytesOfAString) {
  const TensorData data = std::string("bytes");
  EXPECT_EQ(std::string(data), "bytes");
  EXPECT_EQ(data.size(), 5);
  EXPECT_TRUE(data == std::string("bytes") && data == "bytes" && data != "other");
  EXPECT_TRUE(TensorData().empty());
  EXPECT_TRUE(TensorData() == "");
}

TEST(TensorData, KeepsWhatItViewsAsLongAsAnyCopy) {
  auto values = std::make_shared<const std::vector<float>>(std::vector<float>{1, 2, 3});
  const std::weak_ptr<const std::vector<float>> watched = values;
  const std::span<const std::byte> bytes = std::as_bytes(std::span(*values));
  TensorData data(bytes, std::move(values));
  TensorData copy = data;
  EXPECT_TRUE(copy == data);
  EXPECT_EQ(copy.data(), data.data());
  data = TensorData();
  ASSERT_FALSE(watched.expired());
  EXPECT_EQ(copy.values<float>().size(), 3);
  EXPECT_EQ(copy.values<float>()[2], 3);
  copy = TensorData();
  EXPECT_TRUE(watched.expired());
}

}  // namespace
}  // namespace tensorferry::client
