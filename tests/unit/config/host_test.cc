#include "config/host.h"

#include <gtest/gtest.h>

#include <string>

#include "temporary_folder.h"

namespace tensorferry::config {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

// All limits in these tests are far below those of any machine, so that the one that runs them does not matter.
class Host : public testing::Test {
 protected:
  // Put writes a file below the folder that stands for the root of the file system.
  void Put(const std::string& name, const std::string& content) { root_.Write(name, content + "\n"); }
  std::uint64_t Memory() const { return UsableMemoryBytes(root_.path()); }
  int Cores() const { return UsableCores(root_.path()); }

 private:
  TemporaryFolder root_;
};

TEST_F(Host, WithoutControlGroupsIsTheMachine) {
  EXPECT_GT(Memory(), 64 * kMiB);
  EXPECT_GE(Cores(), 1);
}

TEST_F(Host, Version2LimitOfTheGroup) {
  Put("proc/self/cgroup", "0::/pod/container");
  Put("sys/fs/cgroup/pod/container/memory.max", "33554432");
  Put("sys/fs/cgroup/pod/container/cpu.max", "100000 100000");
  EXPECT_EQ(Memory(), 32 * kMiB);
  EXPECT_EQ(Cores(), 1);
}

TEST_F(Host, TheTightestLimitAboveCounts) {
  Put("proc/self/cgroup", "0::/pod/container");
  Put("sys/fs/cgroup/memory.max", "67108864");
  Put("sys/fs/cgroup/pod/memory.max", "16777216");
  Put("sys/fs/cgroup/pod/container/memory.max", "33554432");
  EXPECT_EQ(Memory(), 16 * kMiB);
}

TEST_F(Host, InAContainerTheLimitsAreAtTheMount) {
  Put("proc/self/cgroup", "0::/");
  Put("sys/fs/cgroup/memory.max", "33554432");
  Put("sys/fs/cgroup/cpu.max", "50000 100000");
  EXPECT_EQ(Memory(), 32 * kMiB);
  EXPECT_EQ(Cores(), 1);
}

TEST_F(Host, Version1LimitOfTheGroup) {
  Put("proc/self/cgroup", "5:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n0::/");
  Put("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "33554432");
  Put("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "100000");
  Put("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000");
  EXPECT_EQ(Memory(), 32 * kMiB);
  EXPECT_EQ(Cores(), 1);
}

TEST_F(Host, Version1SeenFromInsideAContainer) {
  Put("proc/self/cgroup", "5:memory:/docker/abc");
  Put("sys/fs/cgroup/memory/memory.limit_in_bytes", "33554432");
  EXPECT_EQ(Memory(), 32 * kMiB);
}

TEST_F(Host, OtherControllersDoNotMatter) {
  const std::uint64_t unlimited = Memory();
  Put("proc/self/cgroup", "5:hugetlb:/\n4:memory_recursiveprot:/");
  Put("sys/fs/cgroup/memory/memory.limit_in_bytes", "33554432");
  EXPECT_EQ(Memory(), unlimited);
}

TEST_F(Host, NoLimitIsNone) {
  const std::uint64_t memory = Memory();
  const int cores = Cores();
  Put("proc/self/cgroup", "0::/\n5:memory:/\n3:cpu:/");
  Put("sys/fs/cgroup/memory.max", "max");
  Put("sys/fs/cgroup/cpu.max", "max 100000");
  Put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
  Put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1");
  Put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000");
  EXPECT_EQ(Memory(), memory);
  EXPECT_EQ(Cores(), cores);
}

TEST_F(Host, NonsenseSetsNoLimit) {
  const std::uint64_t memory = Memory();
  const int cores = Cores();
  Put("proc/self/cgroup", "nonsense\n0::/");
  Put("sys/fs/cgroup/memory.max", "lots");
  Put("sys/fs/cgroup/cpu.max", "100000 0");
  EXPECT_EQ(Memory(), memory);
  EXPECT_EQ(Cores(), cores);
}

TEST_F(Host, PartsOfACoreAreRoundedUp) {
  Put("proc/self/cgroup", "0::/");
  Put("sys/fs/cgroup/cpu.max", "1000 100000");
  EXPECT_EQ(Cores(), 1);
}

}  // namespace
}  // namespace tensorferry::config
