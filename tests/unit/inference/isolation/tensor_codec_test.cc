#include "inference/isolation/tensor_codec.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/complex.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/imag.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "base/status.h"
#include "inference/tensor/tensor.h"
#include "inference/tensor/torch_dtype.h"
#include "testing/status_matchers.h"

namespace tensorferry::inference {
namespace {

using testing::Contains;

// Two ends of one arena, as two processes have them.
class TensorCodecTest : public testing::Test {
 protected:
  absl::StatusOr<std::vector<NamedTensor>> Carry(const std::vector<NamedTensor>& tensors) {
    MessageWriter message;
    TensorLender sending(*lender);
    TENSORFERRY_RETURN_IF_ERROR(sending.Put(tensors, message));
    sending.Sent();
    MessageReader reader(message.bytes());
    auto received = GetTensors(reader, borrower);
    if (!received.ok()) return received;
    EXPECT_THAT(reader.Finish(), IsOk());
    return received;
  }

  const c10::InferenceMode guard;
  const std::shared_ptr<SharedArena> lender = *SharedArena::Create(1 << 20);
  const std::shared_ptr<SharedArena> borrower = *SharedArena::Open(dup(lender->descriptor()), 0);
};

TEST_F(TensorCodecTest, CarriesEveryDTypeBitByBit) {
  for (const DTypeInfo& dtype : kDTypes) {
    const auto itemsize = static_cast<std::int64_t>(dtype.itemsize);
    const at::Tensor bytes = at::randint(0, dtype.dtype == DType::kBool ? 2 : 256, {4, 6 * itemsize}, at::kByte);
    const at::Tensor tensor = bytes.view(ToTorch(dtype.dtype));
    const auto carried = Carry({{"x", tensor}});
    ASSERT_THAT(carried, IsOk()) << dtype.name;
    EXPECT_EQ(carried->front().name, "x");
    EXPECT_EQ(carried->front().tensor.scalar_type(), tensor.scalar_type());
    EXPECT_TRUE(carried->front().tensor.view(at::kByte).equal(bytes)) << dtype.name;
  }
}

TEST_F(TensorCodecTest, KeepsShapeAndStrides) {
  const at::Tensor x = at::arange(24, at::kFloat).view({2, 3, 4});
  for (const at::Tensor& tensor : {x, x.transpose(0, 2), x.select(1, 2), x.slice(2, 1, 4, 2), x[0][0][0].expand({5, 7}),
                                   x.slice(0, 0, 0), x[1][2][3], at::empty({0, 3}), at::empty({0}).expand({4, 0})}) {
    const auto carried = Carry({{"x", tensor}});
    ASSERT_THAT(carried, IsOk());
    EXPECT_EQ(carried->front().tensor.sizes(), tensor.sizes());
    EXPECT_EQ(carried->front().tensor.strides(), tensor.strides());
    EXPECT_TRUE(carried->front().tensor.equal(tensor));
  }
}

TEST_F(TensorCodecTest, CarriesConjugatesAsTheirValues) {
  const at::Tensor x = at::complex(at::arange(3, at::kFloat), at::arange(3, at::kFloat)).conj();
  EXPECT_TRUE(Carry({{"x", x}})->front().tensor.equal(x.resolve_conj()));
  EXPECT_TRUE(Carry({{"x", at::imag(x)}})->front().tensor.equal(at::imag(x).resolve_neg()));
}

TEST_F(TensorCodecTest, CarriesStringsWithTheirShape) {
  const auto carried = Carry({{"x", at::arange(5, at::kByte), Shape{2, 1}}, {"y", at::arange(2)}});
  ASSERT_THAT(carried, IsOk());
  EXPECT_EQ((*carried)[0].strings, (Shape{2, 1}));
  EXPECT_EQ((*carried)[1].strings, std::nullopt);
}

TEST_F(TensorCodecTest, RefusesWhatNoArrayHolds) {
  EXPECT_THAT(Carry({{"x", at::Tensor()}}), Fails(Reason::kModelFailed));
  EXPECT_THAT(Carry({{"x", at::arange(4, at::kFloat).to_sparse()}}), Fails(Reason::kModelFailed));
}

TEST_F(TensorCodecTest, ATensorKeepsItsMemoryUntilItIsGone) {
  auto first = Carry({{"x", at::arange(1000, at::kFloat)}});
  for (int i = 0; i < 100; ++i) EXPECT_THAT(Carry({{"x", at::zeros({1000})}}), IsOk());
  EXPECT_TRUE(first->front().tensor.equal(at::arange(1000, at::kFloat)));
  const void* const place = first->front().tensor.const_data_ptr();
  first = absl::UnknownError("");
  const auto second = Carry({{"x", at::zeros({1000})}, {"y", at::zeros({1000})}});
  EXPECT_THAT((std::array{second->front().tensor.const_data_ptr(), second->back().tensor.const_data_ptr()}),
              Contains(place))
      << "the memory is used again";
}

struct Numbers {
  std::uint8_t dtype = static_cast<std::uint8_t>(DType::kFloat32);
  std::vector<std::int64_t> sizes{4}, strides{1};
  std::uint64_t block = 64, place = 64;
};

TEST_F(TensorCodecTest, RefusesNumbersThatPointElsewhere) {
  const auto read = [&](const Numbers& numbers) {
    MessageWriter message;
    message.Put(std::uint64_t{1});
    message.Put(std::string_view("x"));
    message.Put(numbers.dtype);
    message.Put(numbers.sizes);
    message.Put(numbers.strides);
    message.Put(false);
    message.Put(std::vector<std::int64_t>());
    message.Put(numbers.block);
    message.Put(numbers.place);
    MessageReader reader(message.bytes());
    return GetTensors(reader, borrower);
  };
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  *lender->Take(16);
  EXPECT_THAT(read({}), IsOk());
  for (const Numbers& numbers : std::vector<Numbers>{
           {.dtype = 200},
           {.sizes = {4, 4}},
           {.sizes = {-4}},
           {.strides = {-1}},
           {.sizes = {kHuge}},
           {.sizes = {kHuge, kHuge}, .strides = {kHuge, kHuge}},
           {.sizes = {2}, .strides = {kHuge}},
           {.block = 0, .place = 0},
           {.block = 64, .place = 0},
           {.block = 65, .place = 65},
           {.place = ~std::uint64_t{0}},
           {.block = ~std::uint64_t{63}, .place = ~std::uint64_t{63}},
       }) {
    EXPECT_THAT(read(numbers), Fails(Reason::kInternal));
  }
}

}  // namespace
}  // namespace tensorferry::inference
