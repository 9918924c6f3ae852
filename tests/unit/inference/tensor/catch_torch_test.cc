#include "inference/tensor/catch_torch.h"

#include <ATen/Functions.h>
#include <gmock/gmock.h>

#include "testing/status_matchers.h"

namespace tensorferry::inference {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(CatchTorch, NamesOperatorAndDTypeThatHaveNoKernel) {
  const auto result = CatchTorch(Reason::kModelFailed, [] {
    const at::Tensor matrix = at::ones({2, 2}).to(at::kUInt16);
    return matrix.mm(matrix);
  });
  EXPECT_THAT(result, Fails(Reason::kOperatorUnsupported, AllOf(HasSubstr("addmm"), HasSubstr("UInt16"))));
}

TEST(CatchTorch, SaysWhatTorchSays) {
  const auto result = CatchTorch(Reason::kModelFailed, [] { return at::ones({2, 3}).mm(at::ones({2, 3})); });
  EXPECT_THAT(result, Fails(Reason::kModelFailed, HasSubstr("shapes cannot be multiplied")));
}

TEST(CatchTorch, LeavesOutAdvice) {
  EXPECT_THAT(TranslateTorchError("Error: expected size 5==7, stride 1==1 at dim=0\nThis error most often comes from a "
                                  "incorrect fake kernel.\nSee https://pytorch.org/docs/",
                                  Reason::kModelFailed),
              Fails(Reason::kModelFailed, "Error: expected size 5==7, stride 1==1 at dim=0"));
}

TEST(CatchTorch, KeepsPathsForTheLog) {
  const absl::Status status = TranslateTorchError(
      "Traceback of TorchScript (most recent call last):\n  File \"/home/author/m.py\", line 7\nRuntimeError: too "
      "small\n",
      Reason::kModelFailed);
  EXPECT_THAT(status, Fails(Reason::kModelFailed, "too small"));
  EXPECT_THAT(DescribeError(status).log_text, HasSubstr("/home/author"));
  EXPECT_THAT(TranslateTorchError("open file failed: /srv/models/m.pt", Reason::kModelNotReady),
              Fails(Reason::kModelNotReady, Not(HasSubstr("/srv"))));
}

TEST(CatchTorch, TellsMissingMemoryFromAFailure) {
  EXPECT_THAT(CatchTorch(Reason::kModelFailed, [] { return at::empty({std::int64_t{1} << 58}); }),
              Fails(Reason::kMemoryBudget));
  EXPECT_THAT(TranslateTorchError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of "
                                  "15.77 GiB",
                                  Reason::kModelFailed),
              Fails(Reason::kMemoryBudget, Not(HasSubstr("GiB"))));
}

}  // namespace
}  // namespace tensorferry::inference
