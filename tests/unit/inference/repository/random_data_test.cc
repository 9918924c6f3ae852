#include "inference/repository/random_data.h"

#include <ATen/Functions.h>
#include <ATen/record_function.h>
#include <gmock/gmock.h>

#include <atomic>
#include <cstring>

#include "inference/tensor/torch_dtype.h"
#include "payload/dtype.h"

namespace tensorferry::inference {
namespace {

at::Tensor Random(at::ScalarType dtype, std::int64_t numel) {
  at::Tensor tensor = at::zeros({numel}, dtype);
  FillRandom(tensor);
  return tensor;
}

// Returns the numbers, parts of complex ones, in a dtype that holds them all and can be compared.
at::Tensor Numbers(const at::Tensor& tensor) {
  return (tensor.is_complex() ? at::view_as_real(tensor) : tensor).to(at::kDouble).flatten();
}

class RandomData : public testing::TestWithParam<DTypeInfo> {};

TEST_P(RandomData, AreFromZeroToOneForEveryDType) {
  const at::ScalarType dtype = ToTorch(GetParam().dtype);
  const at::Tensor tensor = Random(dtype, 10'000);
  const at::Tensor numbers = Numbers(tensor);
  EXPECT_TRUE(numbers.ge(0).all().item<bool>());
  EXPECT_TRUE(numbers.le(1).all().item<bool>());
  EXPECT_NEAR(numbers.mean().item<double>(), 0.5, 0.05) << "they are spread";
  const auto distinct = std::get<0>(at::_unique(numbers)).numel();
  if (at::isFloatingType(dtype) || at::isComplexType(dtype)) {
    EXPECT_GT(distinct, 8);
  } else {
    EXPECT_EQ(distinct, 2);
  }
  const at::Tensor again = Random(dtype, 10'000);
  EXPECT_EQ(std::memcmp(tensor.const_data_ptr(), again.const_data_ptr(), tensor.nbytes()), 0);
}

INSTANTIATE_TEST_SUITE_P(DTypes, RandomData, testing::ValuesIn(kDTypes),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(RandomData, FillTensorsOfAnyShape) {
  for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{}, {0, 3}, {1}, {3, 100'001}}) {
    at::Tensor tensor = at::full(shape, -1.0);
    FillRandom(tensor);
    EXPECT_TRUE(tensor.ge(0).all().item<bool>()) << tensor.sizes();
  }
}

std::atomic<int> operators = 0;

TEST(RandomData, TakeNoOperatorForEachElement) {
  const auto count = [](std::int64_t numel) {
    operators = 0;
    const auto handle = at::addGlobalCallback(at::RecordFunctionCallback([](const at::RecordFunction&) {
                                                ++operators;
                                                return std::unique_ptr<at::ObserverContext>();
                                              }).scopes({at::RecordScope::FUNCTION}));
    Random(at::kFloat, numel);
    at::removeCallback(handle);
    return operators.load();
  };
  EXPECT_GT(count(100), 0) << "they are counted";
  EXPECT_LE(count(100'000), count(100) + 5);
}

}  // namespace
}  // namespace tensorferry::inference
