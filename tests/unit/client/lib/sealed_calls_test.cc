// These tests hand sealed memory over to the server's own side socket. The calls beside it are answered by a fake, which
// reads what lies in regions, and loses them as a test wants.
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/sealed_regions.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "sealed/side_server.h"
#include "tensorferry/client/client.h"
#include "testing/arrays.h"
#include "testing/fake_server.h"
#include "testing/status_matchers.h"

namespace tensorferry::client {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

constexpr std::int64_t kLength = 1 << 18;  // Floats: 1 MiB, which travels in sealed memory by any rule.

class SealedCalls : public testing::Test {
 protected:
  SealedCalls() : folder_(MakeFolder()), path_(folder_ / "socket"), server_("unix:" + path_.string()) {
    EXPECT_THAT(side_.Listen(path_.string() + ".sealed"), IsOk());
    EXPECT_THAT(side_.Start(), IsOk());
    server_.on_convert = [this](const v1::ConvertRequest& request, v1::ConvertResponse* response) {
      *response = Answer(request, Elements(request));
      return response->has_error() ? Status(response->error()) : grpc::Status::OK;
    };
    server_.on_stream = [this](FakeServer::StreamCall& call) {
      for (v1::ConvertStreamRequest part; call.Read(&part);) {
        std::string elements = Elements(part.request());
        const v1::ConvertRequest request = part.request();
        for (const v1::Array& array : request.arrays()) {
          std::uint64_t missing = array.chunked_nbytes();
          for (; missing > 0 && call.Read(&part); missing -= part.chunk().size()) elements += part.chunk();
        }
        Write(call, Answer(request, elements));
      }
      return grpc::Status::OK;
    };
  }
  ~SealedCalls() override { std::filesystem::remove_all(folder_); }

  Client Connect(Transport transport = Transport::kAuto) {
    return Client::Connect(server_.address(), {.transport = transport}).value();
  }

  static std::filesystem::path MakeFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sealed-XXXXXX").string();
    return mkdtemp(pattern.data());
  }

  static grpc::Status Status(const v1::Error& error) {
    google::rpc::ErrorInfo info;
    info.set_domain("tensorferry");
    info.set_reason(error.reason());
    google::rpc::Status details;
    details.add_details()->PackFrom(info);
    return {static_cast<grpc::StatusCode>(error.code()), error.message(), details.SerializeAsString()};
  }

  // Returns the elements that are in the message and in regions, those of one array after the other.
  std::string Elements(const v1::ConvertRequest& request) {
    std::string all;
    for (const v1::Array& array : request.arrays()) {
      const std::lock_guard lock(mutex_);
      if (!array.has_shared_memory()) {
        all += array.data();
        continue;
      }
      const v1::SharedMemoryRange& place = array.shared_memory();
      names_.push_back(place.region());
      if (losses_ > 0) {
        --losses_;
        regions_.Remove(place.region());
      }
      const auto range = regions_.Find(place.region(), place.offset(), place.nbytes());
      if (!range.ok()) return "lost";
      all.append(reinterpret_cast<const char*>(range->Map({})->get()), place.nbytes());
    }
    return all;
  }

  v1::ConvertResponse Answer(const v1::ConvertRequest& request, const std::string& elements) {
    const std::lock_guard lock(mutex_);
    if (elements != "lost") {
      received_.push_back(elements);
      return AnswerTo(request);
    }
    v1::ConvertResponse response;
    response.mutable_error()->set_code(grpc::NOT_FOUND);
    response.mutable_error()->set_reason("REGION_NOT_FOUND");
    response.mutable_error()->set_message("Unable to find shared memory region");
    return response;
  }

  const std::filesystem::path folder_, path_;
  SealedRegions regions_{{.regions = 64, .nbytes = 64 << 20}};
  sealed::SideServer side_{regions_, 8};
  std::mutex mutex_;                   // Guards the members below.
  int losses_ = 0;                     // How often a region is gone before a request that names it is read.
  std::vector<std::string> names_;     // The regions that requests have named.
  std::vector<std::string> received_;  // The elements of the requests that were not refused.
  FakeServer server_;
};

std::string Text(std::span<const std::byte> bytes) { return std::string(AsText(bytes)); }

void Fill(const WritableArray& array, float first) {
  for (float& value : array.values<float>()) value = first++;
}

TEST_F(SealedCalls, AnEmptyArrayIsSentFromWhereItLies) {
  Client client = Connect();
  const auto array = client.Empty<float>("x", {2, kLength / 2});
  ASSERT_THAT(array, IsOk());
  EXPECT_EQ(array->array().dtype, "float32");
  EXPECT_THAT(array->array().shape, ElementsAre(2, kLength / 2));
  EXPECT_EQ(std::ranges::count(array->values<float>(), 0.0F), kLength);
  Fill(*array, 1);
  const std::string first = Text(array->bytes());
  ASSERT_THAT(client.Convert({&array->array(), 1}), IsOk());
  Array part = array->array();
  part.shape = {kLength / 2};
  part.bytes = part.bytes.subspan(part.bytes.size() / 2);
  ASSERT_THAT(client.Convert({&part, 1}), IsOk());
  EXPECT_THAT(received_, ElementsAre(first, first.substr(first.size() / 2)));
  ASSERT_THAT(names_, SizeIs(2));
  EXPECT_EQ(names_[0], names_[1]) << "the server has it still";
}

TEST_F(SealedCalls, AnEmptyArrayCanBeUsedOnAndIsSentAsItIsAtTheTime) {
  for (const Transport transport : {Transport::kAuto, Transport::kSealed}) {
    Client client = Connect(transport);
    const auto array = client.Empty<float>("x", {kLength});
    ASSERT_THAT(array, IsOk());
    std::vector<std::string> expected;
    for (const float first : {1.0F, 2.0F, 3.0F}) {
      Fill(*array, first);
      expected.push_back(Text(array->bytes()));
      ASSERT_THAT(client.Convert({&array->array(), 1}), IsOk());
    }
    EXPECT_THAT(received_, testing::ElementsAreArray(expected));
    received_.clear();
  }
}

TEST_F(SealedCalls, ARegionStaysAsLongAsItsArray) {
  Client client = Connect();
  {
    const auto array = client.Empty<float>("x", {kLength});
    ASSERT_THAT(client.Convert({&array->array(), 1}), IsOk());
    EXPECT_EQ(regions_.nbytes(), array->bytes().size());
  }
  // Messages of the side socket are served in their order: what comes after has to wait for the release.
  const auto other = client.Empty<float>("x", {kLength});
  ASSERT_THAT(client.Convert({&other->array(), 1}), IsOk());
  EXPECT_EQ(regions_.nbytes(), other->bytes().size());
}

TEST_F(SealedCalls, ManyArraysTakeTurns) {
  Client client = Connect(Transport::kSealed);
  std::vector<WritableArray> arrays;
  for (int i = 0; i < 40; ++i) {  // The server takes no more than 32 regions of one connection.
    arrays.push_back(*client.Empty<float>("x", {16}));
    Fill(arrays.back(), static_cast<float>(i));
  }
  for (int round = 0; round < 2; ++round) {
    for (const WritableArray& array : arrays) {
      ASSERT_THAT(client.Convert({&array.array(), 1}), IsOk());
      EXPECT_EQ(received_.back(), Text(array.bytes()));
    }
  }
}

TEST_F(SealedCalls, AnEmptyArrayBesideOthers) {
  Client client = Connect();
  const auto own = client.Empty<float>("own", {kLength});
  ASSERT_THAT(own, IsOk());
  Fill(*own, 7);
  const auto small = RandomBytes(5'000), large = RandomBytes(6 << 20);
  for (const auto& other : {small, large}) {
    const std::vector arrays{Array{.name = "x", .dtype = "u1", .shape = {std::ssize(other)}, .bytes = other},
                             own->array()};
    ASSERT_THAT(client.Convert(arrays), IsOk());
    // The fake puts what comes in chunks behind the others.
    const std::string inside = Text(other), sealed = Text(own->bytes());
    EXPECT_EQ(received_.back(), other.size() > small.size() ? sealed + inside : inside + sealed);
  }
}

TEST_F(SealedCalls, EmptyRefusesWhatTheServerWould) {
  const Client client = Connect();
  EXPECT_THAT(client.Empty("x", {2}, "float33"), Fails(Reason::kBadDtype, StartsWith("array 'x': ")));
  EXPECT_THAT(client.Empty("x", {-1}, "<f4"), Fails(Reason::kBadShape));
  EXPECT_THAT(client.Empty("x", {1LL << 62}, "<f8"), Fails(Reason::kSizeOverflow));
  const auto none = client.Empty("x", {3, 0}, "<f4");
  ASSERT_THAT(none, IsOk());
  EXPECT_THAT(none->bytes(), IsEmpty());
  EXPECT_THAT(client.Empty<float>("x", {}), IsOk());
}

TEST_F(SealedCalls, EmptyIsOrdinaryMemoryWhereNothingIsSealed) {
  Client client = Connect(Transport::kBytes);
  const auto array = client.Empty<float>("x", {kLength});
  ASSERT_THAT(array, IsOk());
  Fill(*array, 1);
  ASSERT_THAT(client.Convert({&array->array(), 1}), IsOk());
  EXPECT_THAT(names_, IsEmpty());
  EXPECT_THAT(received_, ElementsAre(Text(array->bytes())));
}

// What Send has borrowed is gone when the server says that it does not have it.
TEST_F(SealedCalls, AStreamSendsAgainWhatTheServerHasLost) {
  for (const int losses : {1, 2}) {
    Client client = Connect();
    losses_ = losses;
    const auto bytes = RandomBytes(1 << 20);
    std::vector<std::byte> borrowed = bytes;
    Stream stream = client.OpenStream();
    const Array array{.name = "x", .dtype = "u1", .shape = {1 << 20}, .bytes = borrowed};
    auto first = stream.Send({&array, 1}, {.request_id = "1"});
    std::ranges::fill(borrowed, std::byte{0});
    auto second = stream.Send({}, {.request_id = "2"});
    EXPECT_THAT(stream.Finish(), IsOk());
    const auto answer = first.get();
    ASSERT_THAT(answer, IsOk()) << losses;
    EXPECT_EQ(answer->request_id, "1");
    EXPECT_EQ(second.get()->request_id, "2");
    EXPECT_THAT(received_, testing::Contains(Text(bytes)));
    received_.clear();
  }
}

TEST_F(SealedCalls, WithSealedItIsSentAgainOnceAndFailsThen) {
  Client client = Connect(Transport::kSealed);
  const auto array = client.Empty<float>("x", {kLength});
  ASSERT_THAT(array, IsOk());
  Stream stream = client.OpenStream();
  losses_ = 1;
  EXPECT_THAT(stream.Send({&array->array(), 1}).get(), IsOk());
  losses_ = 100;
  EXPECT_THAT(stream.Send({&array->array(), 1}).get(), Fails(Reason::kRegionNotFound));
  EXPECT_THAT(client.Convert({&array->array(), 1}), Fails(Reason::kRegionNotFound));
  losses_ = 0;
  EXPECT_THAT(stream.Send({&array->array(), 1}).get(), IsOk());
  EXPECT_THAT(stream.Finish(), IsOk());
}

TEST_F(SealedCalls, ACallSendsAgainWhatTheServerHasLost) {
  Client client = Connect();
  const auto array = client.Empty<float>("x", {kLength});
  for (const int losses : {0, 1, 2, 100}) {
    losses_ = losses;
    ASSERT_THAT(client.Convert({&array->array(), 1}), IsOk()) << losses;
    ASSERT_THAT(client.Convert({&array->array(), 1}, {.model_name = "m"}), IsOk()) << losses;
    EXPECT_THAT(received_, AllOf(SizeIs(2), Each(Text(array->bytes()))));
    received_.clear();
  }
}

TEST_F(SealedCalls, AStreamThatIsDroppedWhileItSendsAgainEnds) {
  Client client = Connect();
  losses_ = 100;
  const auto bytes = RandomBytes(1 << 20);
  const Array array{.name = "x", .dtype = "u1", .shape = {1 << 20}, .bytes = bytes};
  std::vector<Stream::Answer> answers;
  {
    Stream stream = client.OpenStream();
    for (int i = 0; i < 8; ++i) answers.push_back(stream.Send({&array, 1}));
    answers.front().wait();
  }
  for (Stream::Answer& answer : answers) {
    const absl::Status status = answer.get().status();
    EXPECT_TRUE(status.ok() || absl::IsCancelled(status)) << status;
  }
}

}  // namespace
}  // namespace tensorferry::client
