// These tests count how often a request allocates. They replace operator new for the whole program.
#include <dlfcn.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <new>
#include <string>
#include <string_view>

#include "inference/repository/torch_pipeline.h"
#include "rpc/access_log_step.h"
#include "rpc/call/intake.h"
#include "rpc/call/record.h"
#include "rpc/call_steps.h"
#include "rpc/metrics_step.h"
#include "rpc/native/reply.h"
#include "rpc/native/request_decoder.h"
#include "rpc/serve/method.h"
#include "tensorferry/v1/tensor_service.pb.h"
#include "testing/byte_buffers.h"
#include "testing/captured_log.h"
#include "testing/test_memory.h"
#include "testing/waiting_caller.h"

namespace {

thread_local bool counting = false;
thread_local int allocations = 0;

// IsTorch: what torch allocates for its tensors does not count.
bool IsTorch(void* caller) {
  Dl_info info{};
  if (dladdr(caller, &info) == 0 || info.dli_fname == nullptr) return false;
  const std::string_view file = info.dli_fname;
  return file.find("libtorch") != std::string_view::npos || file.find("libc10") != std::string_view::npos;
}

void* Allocate(std::size_t nbytes, std::size_t alignment, void* caller) {
  if (counting && !IsTorch(caller)) ++allocations;
  void* const memory = std::aligned_alloc(alignment, (nbytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t nbytes) { return Allocate(nbytes, 16, __builtin_return_address(0)); }
void* operator new(std::size_t nbytes, std::align_val_t alignment) {
  return Allocate(nbytes, static_cast<std::size_t>(alignment), __builtin_return_address(0));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace tensorferry::rpc {
namespace {

struct WarmRequest {
  std::string name, dtype;
  std::int64_t numel;
  std::size_t itemsize;
  bool digest;
  friend void PrintTo(const WarmRequest& request, std::ostream* out) { *out << request.name; }
};

class WarmConvert : public testing::TestWithParam<WarmRequest> {
 protected:
  // ConvertOnce takes one request through the server and the steps of every call, as the handler of Convert does.
  void ConvertOnce(std::span<const Bytes> message) {
    Admission admission(chain_, {method_, caller_, CallKind::kTensors});
    ASSERT_TRUE(decoder_.Decode(message).ok());
    auto call = Intake::Start(decoder_.request(), {}, environment_, /*peer=*/nullptr);
    ASSERT_TRUE(call.ok());
    const auto response = (*std::move(call)).Finish();
    ASSERT_TRUE(response.ok());
    const Few<ReceivedTensor> tensors = TensorsOf(*response);
    admission.record().tensors = tensors;
    RecordStages(*response, admission.record());
    ASSERT_TRUE(EncodeResponse(*response, 1 << 20, writer_).ok());
    admission.Finish(absl::OkStatus());
  }

  TestMemory memory_;
  CallGate gate_;
  std::unique_ptr<inference::Pipeline> pipeline_ =
      inference::MakeTorchPipeline({.loader = {.max_tensor_bytes = 1 << 24}}, memory_.pool).value();
  SharedRegions regions_{RegionKinds{}};
  const std::unique_ptr<metrics::RequestCounts> counts_ = MakeRequestCounts();
  CallChain chain_{MakeCallSteps(gate_, nullptr, {.counts = counts_.get()})};
  WaitingCaller caller_;
  const google::protobuf::MethodDescriptor& method_ =
      FindMethod(*v1::ConvertRequest::descriptor(), *v1::ConvertResponse::descriptor(), Streams::kNone);
  CallEnvironment environment_{*pipeline_, *pipeline_, memory_.pool, chain_, regions_, {.max_tensor_bytes = 1 << 24},
                               1 << 24};
  ConvertDecoder decoder_;
  WireWriter writer_;
};

TEST_P(WarmConvert, TakesNoMemoryButForTheResultsAndTheReply) {
  const WarmRequest& row = GetParam();
  v1::ConvertRequest request;
  v1::Array& array = *request.add_arrays();
  array.set_name("x");
  array.set_dtype(row.dtype);
  array.add_shape(row.numel);
  array.set_data(std::string(static_cast<std::size_t>(row.numel) * row.itemsize, 'x'));
  if (row.digest) request.set_digest(v1::DIGEST_ALGORITHM_XXH3_128);
  const std::string message = request.SerializeAsString();

  // gRPC hands large messages over in pieces.
  std::vector<Bytes> pieces;
  for (Bytes rest = std::as_bytes(std::span(message)); !rest.empty(); rest = rest.subspan(pieces.back().size())) {
    pieces.push_back(rest.first(std::min<std::size_t>(rest.size(), 65'536)));
  }
  for (int i = 0; i < 10; ++i) ConvertOnce(pieces);
  allocations = 0;
  counting = true;
  constexpr int kRequests = 100;
  for (int i = 0; i < kRequests; ++i) ConvertOnce(pieces);
  counting = false;
  EXPECT_EQ(allocations, 2 * kRequests) << "two each: the list of results, which is cheaper to allocate than to move, "
                                           "and gRPC's slice, which it frees when the reply is sent";
}

INSTANTIATE_TEST_SUITE_P(Arrays, WarmConvert,
                         testing::Values(WarmRequest{"Small", "<f4", 16, 4, false},
                                         WarmRequest{"SmallWithDigest", "<f4", 16, 4, true},
                                         WarmRequest{"Swapped", ">f8", 512, 8, false},
                                         WarmRequest{"ByName", "bfloat16", 512, 2, false},
                                         WarmRequest{"Large", "<f4", 1 << 18, 4, false}),
                         [](const auto& test) { return test.param.name; });

TEST(AccessLogStep, TakesNoMemoryWithoutALine) {
  CapturedLog log;
  WaitingCaller caller;
  const AccessLogStep step(AccessLog::kSampled);
  CallInfo call{FindMethod(*v1::ConvertRequest::descriptor(), *v1::ConvertResponse::descriptor(), Streams::kNone),
                caller, CallKind::kTensors};
  call.record.start = CallRecord::Clock::time_point(std::chrono::hours(1));  // The second of all calls.
  for (int i = 0; i < 20; ++i) step.End(call, absl::OkStatus());
  EXPECT_EQ(log.Take().size(), SampleLimit::kMostInASecond);
  allocations = 0;
  counting = true;
  for (int i = 0; i < 100; ++i) step.End(call, absl::OkStatus());
  counting = false;
  EXPECT_EQ(allocations, 0);
}

TEST(Allocations, AreCounted) {
  allocations = 0;
  counting = true;
  const auto text = std::make_unique<std::string>(100, 'x');
  counting = false;
  EXPECT_EQ(allocations, 2) << *text;
}

}  // namespace
}  // namespace tensorferry::rpc
