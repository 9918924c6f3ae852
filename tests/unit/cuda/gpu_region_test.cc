// These tests run on a stand-in for NVIDIA's driver (testing/cuda_stand_in.cc), for which an object of POSIX shared memory
// is memory of a GPU, and its name the handle.
#include "cuda/gpu_region.h"

#include <gmock/gmock.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "testing/shared_object.h"
#include "testing/status_matchers.h"

namespace tensorferry::cuda {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// Variable is a variable of the environment, for as long as it exists.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) { setenv(name, value.c_str(), /*replace=*/1); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() { unsetenv(name_); }

 private:
  const char* const name_;
};

Variable Failing(const std::string& function) { return {"TENSORFERRY_STAND_IN_FAILS", function}; }

std::string HandleOf(const SharedObject& object) {
  std::string handle = object.key();
  handle.resize(sizeof(IpcHandle));
  return handle;
}

// Returns whether this process has the object open.
bool IsOpen(const SharedObject& object) {
  std::ifstream maps("/proc/self/maps");
  return std::string(std::istreambuf_iterator<char>(maps), {}).find(object.key()) != std::string::npos;
}

class GpuRegionTest : public testing::Test {
 protected:
  auto Open(const std::string& name, const SharedObject& object, std::uint64_t nbytes, std::int64_t device = 0) {
    return GpuRegion::Open(*driver_, {.name = name, .handle = HandleOf(object), .device = device, .nbytes = nbytes});
  }

  // Read returns bytes of a region as they are now.
  static std::string Read(const GpuRegion& region, std::uint64_t offset, std::size_t nbytes) {
    std::string bytes(nbytes, '\0');
    EXPECT_THAT(region.Read(offset, std::as_writable_bytes(std::span(bytes))), IsOk());
    return bytes;
  }

  const std::unique_ptr<const Driver> driver_ = Driver::Load(CUDA_STAND_IN).value();
};

TEST_F(GpuRegionTest, ReadsAndWritesWhatItsOwnerSees) {
  SharedObject object("0123456789");
  const auto region = Open("r", object, 8, 1).value();
  EXPECT_EQ(region->name(), "r");
  EXPECT_EQ(region->nbytes(), 8U);
  EXPECT_EQ(region->device(), 1);
  EXPECT_FALSE(region->has_bytes());
  EXPECT_THAT(region->bytes(), IsEmpty()) << "which no processor reaches";
  EXPECT_THAT(region->CheckWhole(), IsOk());

  EXPECT_EQ(Read(*region, 0, 8), "01234567");
  EXPECT_EQ(Read(*region, 3, 2), "34");
  EXPECT_EQ(Read(*region, 8, 0), "");
  object.Write(3, "AB");
  EXPECT_EQ(Read(*region, 2, 4), "2AB5");

  EXPECT_THAT(region->Write(6, BytesOf("xy")), IsOk());
  EXPECT_EQ(object.Read(), "012AB5xy89") << "at once, and nothing else";
  EXPECT_THAT(region->Write(0, {}), IsOk());
}

TEST_F(GpuRegionTest, IsClosedWithItsLastUser) {
  const SharedObject object("0123");
  {
    auto first = Open("a", object, 4).value();
    const auto second = Open("b", object, 2).value();
    EXPECT_TRUE(IsOpen(object));
    first.reset();
    EXPECT_EQ(Read(*second, 0, 2), "01") << "one is open yet";
  }
  EXPECT_FALSE(IsOpen(object));
}

TEST_F(GpuRegionTest, IsUsedOnAnyThread) {
  const SharedObject object("0123");
  auto region = Open("r", object, 4).value();
  std::thread([region = std::move(region)]() mutable {
    EXPECT_EQ(Read(*region, 0, 4), "0123");
    region.reset();
  }).join();
  EXPECT_FALSE(IsOpen(object));
}

TEST_F(GpuRegionTest, LeavesTheContextOfItsThreadAsItWas) {
  const SharedObject object("0123");
  const Context other = driver_->ContextOf(1).value();
  const CurrentContext current(*driver_, other);
  Open("r", object, 4, 0).value().reset();
  Context now = nullptr;
  ASSERT_EQ(driver_->api().context_pop(&now), kSuccess);
  EXPECT_EQ(now, other);
  driver_->api().context_push(other);
}

TEST_F(GpuRegionTest, SharesItsNamesWithTheOtherKinds) {
  const SharedObject object("0123");
  SharedRegions regions({.system = true, .cuda = true});
  const BusErrorHandler bus_errors;
  ASSERT_TRUE(regions.Register("system", object.key(), 0, 4).value());
  ASSERT_TRUE(regions.Add(Open("gpu", object, 4).value()).value());
  EXPECT_FALSE(regions.Add(Open("system", object, 4).value()).value());
  EXPECT_FALSE(regions.Register("gpu", object.key(), 0, 4).value());
  ASSERT_EQ(regions.List<GpuRegion>().size(), 1U);
  EXPECT_EQ(regions.List<GpuRegion>()[0]->name(), "gpu");
  EXPECT_EQ(regions.List<SystemRegion>().size(), 1U);

  regions.Unregister<SystemRegion>("gpu");
  regions.Unregister<GpuRegion>("system");
  EXPECT_THAT(regions.Find("gpu", 0, 4), IsOk()) << "each kind is unregistered by itself";
  EXPECT_THAT(regions.Find("system", 0, 4), IsOk());
  regions.Unregister<SystemRegion>("");
  EXPECT_THAT(regions.Find("gpu", 0, 4), IsOk());
  EXPECT_THAT(regions.Find("gpu", 1, 4), Fails(Reason::kBadSharedMemory, HasSubstr("has 4 bytes, not 4 from 1 on")));
  regions.Unregister<GpuRegion>("");
  EXPECT_THAT(regions.Find("gpu", 0, 4), Fails(Reason::kRegionNotFound));
}

TEST_F(GpuRegionTest, OfOneKindAloneLeavesTheOtherRefused) {
  const SharedObject object("0123");
  SharedRegions regions({.cuda = true}, "the operator says so");
  EXPECT_THAT(regions.CheckEnabled(), IsOk());
  EXPECT_THAT(regions.Register("r", object.key(), 0, 4),
              Fails(Reason::kSharedMemoryDisabled, "this server takes no POSIX shared memory: the operator says so"));
}

struct Refused {
  std::string name;
  std::string handle;  // "": that of the object.
  std::int64_t device;
  std::uint64_t nbytes;
  std::string why;
  friend void PrintTo(const Refused& c, std::ostream* out) { *out << c.name; }
};
class GpuRegionRefuses : public GpuRegionTest, public testing::WithParamInterface<Refused> {};

TEST_P(GpuRegionRefuses, SayingWhy) {
  const SharedObject object("0123456789");
  const auto& [name, handle, device, nbytes, why] = GetParam();
  const auto region = GpuRegion::Open(*driver_, {.name = name == "NoName" ? "" : "r",
                                                 .handle = handle.empty() ? HandleOf(object) : handle,
                                                 .device = device,
                                                 .nbytes = nbytes});
  EXPECT_THAT(region, Fails(Reason::kBadSharedMemory, HasSubstr(why)));
  EXPECT_FALSE(IsOpen(object)) << "what was refused is closed";
}

constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
INSTANTIATE_TEST_SUITE_P(
    Malformed, GpuRegionRefuses,
    testing::ValuesIn(std::vector<Refused>{
        {"NoName", "", 0, 1, "region '' needs a name"},
        {"NoBytes", "", 0, 0, "region 'r' has no bytes"},
        {"TooLarge", "", 0, 11, "is 11 bytes, but the memory has 10"},
        {"FarTooLarge", "", 0, kMost, "is 18446744073709551615 bytes, but the memory has 10"},
        {"ShortHandle", std::string(63, 'x'), 0, 1, "has a raw_handle of 63 bytes; one of cuIpcGetMemHandle has 64"},
        {"LongHandle", std::string(65, 'x'), 0, 1, "has a raw_handle of 65 bytes"},
        {"HandleOfNothing", std::string(64, 'x'), 0, 1,
         "its raw_handle cannot be opened: invalid argument (CUDA error 1)"},
        {"ZeroHandle", std::string(64, '\0'), 0, 1, "its raw_handle cannot be opened: invalid argument"},
        {"NoSuchGpu", "", 2, 1, "device_id 2 names no GPU of this server, which sees 2"},
        {"NegativeGpu", "", -1, 1, "device_id -1 names no GPU"},
        {"HugeGpu", "", std::int64_t{1} << 32, 1, "device_id 4294967296 names no GPU"},
    }),
    [](const auto& test) { return test.param.name; });

// An error of the driver is one of the request, in the driver's own words.
TEST_F(GpuRegionTest, PassesOnWhatTheDriverSays) {
  const SharedObject object("0123");
  for (const char* const function : {"cuDeviceGetCount", "cuDevicePrimaryCtxRetain", "cuCtxPushCurrent_v2",
                                     "cuIpcOpenMemHandle_v2", "cuMemGetAddressRange_v2"}) {
    const auto fresh = Driver::Load(CUDA_STAND_IN).value();
    const auto failing = Failing(std::string(function) + "=2");
    EXPECT_THAT(GpuRegion::Open(*fresh, {.name = "r", .handle = HandleOf(object), .nbytes = 4}),
                Fails(Reason::kBadSharedMemory, HasSubstr("out of memory (CUDA error 2)")))
        << function;
    EXPECT_FALSE(IsOpen(object)) << function;
  }
  const auto region = Open("r", object, 4).value();
  std::array<std::byte, 4> bytes{};
  {
    const auto failing = Failing("cuMemcpyDtoH_v2=700");
    EXPECT_THAT(region->Read(0, bytes), Fails(Reason::kBadSharedMemory,
                                              "CUDA shared memory region 'r' cannot be read: an illegal memory access "
                                              "was encountered (CUDA error 700)"));
  }
  for (const char* const function : {"cuMemcpyHtoD_v2", "cuStreamSynchronize", "cuCtxPushCurrent_v2"}) {
    const auto failing = Failing(std::string(function) + "=12345");
    EXPECT_THAT(
        region->Write(0, bytes),
        Fails(Reason::kBadSharedMemory,
              "CUDA shared memory region 'r' cannot be written: unknown to the driver itself (CUDA error 12345)"))
        << function;
  }
  EXPECT_THAT(region->Write(0, BytesOf("4567")), IsOk()) << "what has failed once may go well later";
  EXPECT_EQ(object.Read(), "4567");
}

TEST(DriverTest, SaysWhyThereIsNone) {
  EXPECT_THAT(Driver::Load("libno-such-driver.so.1"),
              Fails(Reason::kBadSharedMemory,
                    "there is no CUDA driver: libcuda.so.1, which comes with NVIDIA's driver, cannot be loaded"));
  EXPECT_THAT(DescribeError(Driver::Load("libno-such-driver.so.1").status()).log_text,
              HasSubstr("libno-such-driver.so.1"));
  EXPECT_THAT(Driver::Load("libm.so.6"),
              Fails(Reason::kBadSharedMemory,
                    "the CUDA driver is too old: libcuda.so.1 has no cuInit, which CUDA 11 and newer have"));
  const Variable none("CUDA_VISIBLE_DEVICES", "");
  EXPECT_THAT(Driver::Load(CUDA_STAND_IN),
              Fails(Reason::kBadSharedMemory,
                    "the CUDA driver cannot be used: no CUDA-capable device is detected (CUDA error 100)"));
}

}  // namespace
}  // namespace tensorferry::cuda
