// These tests use real objects, which are made as clients on the same machine make them.
#include "base/shared_memory.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "testing/shared_object.h"
#include "testing/status_matchers.h"

namespace tensorferry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

std::string TextOf(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class SharedMemoryTest : public testing::Test {
 protected:
  // Read returns the bytes of a region as they are now.
  std::string Read(const std::string& name, std::uint64_t offset, std::uint64_t nbytes) {
    const auto range = regions_.Find(name, offset, nbytes);
    EXPECT_THAT(range, IsOk());
    EXPECT_THAT(range->region->CheckWhole(), IsOk());
    return TextOf(range->bytes());
  }

  // Region registers a whole object.
  std::shared_ptr<const SharedRegion> Region(const std::string& name, const SharedObject& object,
                                             std::uint64_t nbytes) {
    EXPECT_THAT(regions_.Register(name, object.key(), 0, nbytes), IsOk());
    return regions_.Find(name, 0, nbytes).value().region;
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& region : regions_.List<SystemRegion>()) names.push_back(region->name());
    return names;
  }

  const BusErrorHandler bus_errors_;
  SharedRegions regions_{{.system = true}};
};

TEST_F(SharedMemoryTest, ReadsWhatTheOwnerWrote) {
  SharedObject object("0123456789");
  ASSERT_THAT(regions_.Register("r", object.key(), 2, 7), IsOk());
  EXPECT_EQ(Read("r", 0, 7), "2345678") << "from the region's offset on";
  EXPECT_EQ(Read("r", 3, 2), "56") << "the offset is added once";
  EXPECT_EQ(Read("r", 7, 0), "");
  object.Write(2, "AB");
  EXPECT_EQ(Read("r", 0, 3), "AB4");
}

// The system maps whole pages, but regions begin and end anywhere.
TEST_F(SharedMemoryTest, MapsWhatLiesAcrossPages) {
  const std::size_t page = PageBytes();
  std::string bytes(3 * page, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7 + i / 256);
  SharedObject object(bytes);
  ASSERT_THAT(regions_.Register("r", object.key(), page - 3, page + 7), IsOk());
  EXPECT_EQ(Read("r", 0, page + 7), bytes.substr(page - 3, page + 7));
  EXPECT_EQ(Read("r", page + 1, 6), bytes.substr(2 * page - 2, 6));
}

TEST_F(SharedMemoryTest, WritesWhatItIsToldAndNothingElse) {
  SharedObject object("0123456789");
  ASSERT_THAT(regions_.Register("r", object.key(), 1, 8), IsOk());
  const SharedRange range = regions_.Find("r", 2, 4).value();
  EXPECT_THAT(range.Write(BytesOf("abc")), IsOk());
  EXPECT_EQ(object.Read(), "012abc6789");
  EXPECT_THAT(range.Write({}), IsOk());
  EXPECT_THAT(range.Write(range.bytes()), IsOk()) << "of itself";
  EXPECT_EQ(object.Read(), "012abc6789");
  std::string read(4, '\0');
  EXPECT_THAT(range.Read(std::as_writable_bytes(std::span(read))), IsOk());
  EXPECT_EQ(read, "abc6");
}

TEST_F(SharedMemoryTest, SaysWhatIsRegistered) {
  SharedObject object("0123456789");
  ASSERT_THAT(regions_.Register("b", object.key(), 1, 2), IsOk());
  ASSERT_THAT(regions_.Register("a", object.key(), 3, 4), IsOk());
  EXPECT_THAT(Names(), ElementsAre("a", "b"));
  const auto region = regions_.List<SystemRegion>()[1];
  EXPECT_EQ(region->key(), object.key());
  EXPECT_EQ(region->offset(), 1u);
  EXPECT_EQ(region->nbytes(), 2u);
}

TEST_F(SharedMemoryTest, KeepsTheFirstOfAName) {
  SharedObject first("first"), second("second");
  ASSERT_TRUE(regions_.Register("r", first.key(), 0, 5).value());
  EXPECT_FALSE(regions_.Register("r", second.key(), 0, 6).value()) << "the name is taken";
  EXPECT_EQ(Read("r", 0, 5), "first");
  regions_.Unregister<SystemRegion>("r");
  EXPECT_TRUE(regions_.Register("r", second.key(), 0, 6).value());
  EXPECT_EQ(Read("r", 0, 6), "second");
}

TEST_F(SharedMemoryTest, LetsGoOfOneOrOfAll) {
  SharedObject object("0123");
  for (const char* const name : {"a", "b", "c"}) ASSERT_THAT(regions_.Register(name, object.key(), 0, 4), IsOk());
  regions_.Unregister<SystemRegion>("b");
  regions_.Unregister<SystemRegion>("what was never there");
  EXPECT_THAT(Names(), ElementsAre("a", "c"));
  EXPECT_THAT(regions_.Find("b", 0, 1), Fails(Reason::kRegionNotFound, HasSubstr("'b'")));
  regions_.Unregister<SystemRegion>("");
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(SharedMemoryTest, LeavesARegionToWhoUsesIt) {
  auto object = std::make_unique<SharedObject>("0123");
  ASSERT_THAT(regions_.Register("r", object->key(), 0, 4), IsOk());
  SharedRange range = regions_.Find("r", 1, 2).value();
  regions_.Unregister<SystemRegion>("r");
  EXPECT_THAT(range.Write(BytesOf("ab")), IsOk());
  EXPECT_EQ(object->Read(), "0ab3");
  object.reset();  // The owner removes the object; its memory stays until nobody maps it.
  EXPECT_EQ(TextOf(range.bytes()), "ab");
  EXPECT_THAT(range.region->CheckWhole(), IsOk());
  const std::weak_ptr<const SharedRegion> watch = range.region;
  range = {};
  EXPECT_TRUE(watch.expired());
}

// Files and mappings of regions are given back, and so are those of refused registrations.
TEST_F(SharedMemoryTest, TakesNoMoreThanWhatIsRegistered) {
  SharedObject object("0123");
  for (int i = 0; i < 10'000; ++i) {  // More than may be open at once.
    ASSERT_THAT(regions_.Register("r", object.key(), 0, 4), IsOk());
    ASSERT_THAT(regions_.Register("r", object.key(), 0, 4), IsOk()) << "which is taken";
    ASSERT_FALSE(regions_.Register("s", object.key(), 0, 5).ok());
    regions_.Unregister<SystemRegion>("r");
  }
}

struct BoundsCase {
  std::string name;
  std::uint64_t offset, nbytes;
  bool lies_within;  // 10 bytes.
  friend void PrintTo(const BoundsCase& c, std::ostream* out) { *out << c.name; }
};
class SharedMemoryBounds : public SharedMemoryTest, public testing::WithParamInterface<BoundsCase> {};

TEST_P(SharedMemoryBounds, OfTheObjectHold) {
  const auto& [name, offset, nbytes, lies_within] = GetParam();
  SharedObject object("0123456789");
  const auto registered = regions_.Register("r", object.key(), offset, nbytes);
  if (lies_within && nbytes > 0) {
    EXPECT_THAT(registered, IsOk());
  } else {
    EXPECT_THAT(registered, Fails(Reason::kBadSharedMemory, StartsWith("shared memory region 'r' ")));
    EXPECT_THAT(Names(), IsEmpty());
  }
}

TEST_P(SharedMemoryBounds, OfTheRegionHold) {
  const auto& [name, offset, nbytes, lies_within] = GetParam();
  SharedObject object("-0123456789-");
  ASSERT_THAT(regions_.Register("r", object.key(), 1, 10), IsOk());
  const auto found = regions_.Find("r", offset, nbytes);
  EXPECT_EQ(found.ok(), lies_within) << found.status();
  if (!lies_within) {
    EXPECT_THAT(found, Fails(Reason::kBadSharedMemory, HasSubstr("has 10 bytes, not")));
  }
}

INSTANTIATE_TEST_SUITE_P(Bounds, SharedMemoryBounds,
                         testing::ValuesIn(std::vector<BoundsCase>{
                             {"All", 0, 10, true},
                             {"First", 0, 1, true},
                             {"Last", 9, 1, true},
                             {"NothingAtTheEnd", 10, 0, true},
                             {"OneTooMany", 0, 11, false},
                             {"OneBehind", 10, 1, false},
                             {"NothingBehind", 11, 0, false},
                             {"LargestSize", 0, kMax, false},
                             {"SizeThatWraps", 5, kMax - 4, false},
                             {"SizeThatWrapsToAll", 1, kMax, false},
                             {"LargestOffset", kMax, 1, false},
                             {"BothLargest", kMax, kMax, false},
                             {"NegativeAsSigned", std::uint64_t{1} << 63, 1, false},
                             {"SizeNegativeAsSigned", 1, std::uint64_t{1} << 63, false},
                         }),
                         [](const auto& test) { return test.param.name; });

TEST_F(SharedMemoryTest, SaysHowMuchTheObjectHas) {
  SharedObject object("0123456789");
  EXPECT_THAT(regions_.Register("r", object.key(), 4, 7),
              Fails(Reason::kBadSharedMemory, "shared memory region 'r' is 7 bytes from 4 on, but the object has 10"));
}

TEST_F(SharedMemoryTest, TakesOnlyKeysOfObjects) {
  SharedObject object("0123");
  const std::string zero = object.key() + std::string(1, '\0');
  for (const std::string& key : {std::string(), std::string("/"), object.key() + "/", object.key() + "/../x",
                                 std::string("/../etc/passwd"), zero, std::string("//"), "/" + std::string(254, 'k')}) {
    EXPECT_THAT(regions_.Register("r", key, 0, 1), Fails(Reason::kBadSharedMemory, HasSubstr("keys look like '/name'")))
        << key;
  }
  for (const std::string key : {"/.", "/.."}) {  // These are folders.
    EXPECT_THAT(regions_.Register("r", key, 0, 1), Fails(Reason::kBadSharedMemory)) << key;
  }
  // A client that is not ours tests for these words.
  EXPECT_THAT(regions_.Register("r", SharedObject::UniqueKey(), 0, 1),
              Fails(Reason::kBadSharedMemory, HasSubstr("Unable to open shared memory region: '/")));
  EXPECT_THAT(regions_.Register("", object.key(), 0, 1), Fails(Reason::kBadSharedMemory, HasSubstr("needs a name")));
  EXPECT_THAT(Names(), IsEmpty());
}

// As shm_open does. Python's multiprocessing.shared_memory gives names without a slash.
TEST_F(SharedMemoryTest, TakesKeysWithAnyNumberOfSlashes) {
  SharedObject object("0123");
  const std::string name = object.key().substr(1);
  for (const std::string& key : {name, "/" + name, "//" + name, "///" + name}) {
    const int file = shm_open(key.c_str(), O_RDWR, 0);
    EXPECT_GE(file, 0) << key;
    close(file);
    ASSERT_THAT(regions_.Register(key, key, 1, 2), IsOk());
    EXPECT_EQ(regions_.List<SystemRegion>().front()->key(), key) << "as its caller knows it";
  }
}

TEST_F(SharedMemoryTest, TakesKeysAsLongAsTheSystemDoes) {
  std::string key = SharedObject::UniqueKey();
  key.resize(254, 'k');
  const int file = shm_open(key.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
  ASSERT_GE(file, 0);
  EXPECT_EQ(ftruncate(file, 1), 0);
  EXPECT_THAT(regions_.Register("r", key, 0, 1), IsOk());
  close(file);
  shm_unlink(key.c_str());
}

TEST(SharedMemory, IsRefusedWhereItIsOff) {
  SharedRegions regions(RegionKinds{}, "the operator says so");
  SharedObject object("0123");
  EXPECT_FALSE(regions.kinds().any());
  for (const absl::Status& status :
       {regions.CheckEnabled(), regions.Register("r", object.key(), 0, 1).status(), regions.Find("r", 0, 1).status()}) {
    EXPECT_THAT(status, Fails(Reason::kSharedMemoryDisabled,
                              "this server takes nothing from shared memory: the operator says so"));
  }
  EXPECT_THAT(SharedRegions(RegionKinds{}).CheckEnabled(),
              Fails(Reason::kSharedMemoryDisabled, "this server takes nothing from shared memory"));
  regions.Unregister<SystemRegion>("r");
  EXPECT_THAT(regions.List<SystemRegion>(), IsEmpty());
}

// --- Owners make their object smaller while it is used.

constexpr char kSmaller[] = "shared memory region 'r' has become smaller since it was registered";

TEST_F(SharedMemoryTest, ReadsZerosWhereTheOwnerCutItOff) {
  const std::size_t page = PageBytes();
  SharedObject object(std::string(4 * page, 'x'));
  const auto region = Region("r", object, 4 * page);
  object.Resize(2 * page);
  const std::string text = TextOf(region->bytes());  // This would end the process without a handler of SIGBUS.
  EXPECT_EQ(text, std::string(2 * page, 'x') + std::string(2 * page, '\0'));
  EXPECT_THAT(region->CheckWhole(), Fails(Reason::kBadSharedMemory, kSmaller));
  object.Resize(4 * page);
  EXPECT_THAT(region->CheckWhole(), Fails(Reason::kBadSharedMemory, kSmaller)) << "its pages are no longer the owner's";
  regions_.Unregister<SystemRegion>("r");
  EXPECT_THAT(Region("r", object, 4 * page)->CheckWhole(), IsOk()) << "registered again it is";
}

// The system does not report accesses behind the end that are still within its page.
TEST_F(SharedMemoryTest, SeesThatTheOwnerCutOffAByte) {
  SharedObject object("0123456789");
  ASSERT_THAT(regions_.Register("r", object.key(), 2, 8), IsOk());
  object.Resize(9);
  const SharedRange range = regions_.Find("r", 0, 1).value();
  EXPECT_EQ(TextOf(range.region->bytes()), std::string("2345678\0", 8));
  EXPECT_THAT(range.region->CheckWhole(), Fails(Reason::kBadSharedMemory, kSmaller));
  EXPECT_THAT(range.Write(BytesOf("a")), Fails(Reason::kBadSharedMemory, kSmaller));
  EXPECT_THAT(range.Read({}), Fails(Reason::kBadSharedMemory, kSmaller));
  EXPECT_EQ(object.Read(), "012345678");
  object.Resize(20);
  EXPECT_THAT(range.region->CheckWhole(), IsOk()) << "larger is no harm";
}

TEST_F(SharedMemoryTest, TakesWritesIntoWhatIsNotThere) {
  const std::size_t page = PageBytes();
  SharedObject object(std::string(2 * page, 'x'));
  const auto region = Region("r", object, 2 * page);
  object.Resize(0);
  std::ranges::fill(region->bytes(), std::byte{'y'});
  EXPECT_EQ(TextOf(region->bytes()), std::string(2 * page, 'y'));
  EXPECT_FALSE(region->CheckWhole().ok());
  EXPECT_EQ(object.Read(), "") << "and does not make the object larger";
}

// A region that was cut off does not disturb another.
TEST_F(SharedMemoryTest, BlamesTheRegionThatWasCutOffAlone) {
  const std::size_t page = PageBytes();
  SharedObject cut(std::string(page, 'x')), whole(std::string(page, 'y'));
  const auto of_cut = Region("r", cut, page);
  const auto of_whole = Region("whole", whole, page);
  cut.Resize(0);
  EXPECT_EQ(TextOf(of_cut->bytes()), std::string(page, '\0'));
  EXPECT_EQ(TextOf(of_whole->bytes()), std::string(page, 'y'));
  EXPECT_FALSE(of_cut->CheckWhole().ok());
  EXPECT_THAT(of_whole->CheckWhole(), IsOk());
  regions_.Unregister<SystemRegion>("r");
  EXPECT_THAT(Region("another", whole, page)->CheckWhole(), IsOk()) << "though it may be in its place";
}

TEST_F(SharedMemoryTest, SurvivesOwnersThatCutOffWhileManyRead) {
  const std::size_t page = PageBytes();
  SharedObject object(std::string(8 * page, 'x'));
  std::atomic<int> zeros = 0;
  std::atomic<bool> over = false;
  std::vector<std::jthread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&, name = std::to_string(i)] {
      while (!over) {
        if (!regions_.Register(name, object.key(), 0, 8 * page).ok()) continue;  // It was small just then.
        const SharedRange range = regions_.Find(name, 0, 8 * page).value();
        const std::string text = TextOf(range.bytes());
        // If the owner makes it larger again, the new part reads as zeros, too.
        EXPECT_TRUE(std::ranges::all_of(text, [](char c) { return c == 'x' || c == '\0'; }));
        zeros += text.back() == '\0' ? 1 : 0;
        regions_.Unregister<SystemRegion>(name);
      }
    });
  }
  for (int round = 0; round < 2000 || zeros == 0; ++round) {  // On a busy machine readers meet zeros late.
    object.Resize(page);
    object.Resize(8 * page);
  }
  over = true;
}

}  // namespace
}  // namespace tensorferry
