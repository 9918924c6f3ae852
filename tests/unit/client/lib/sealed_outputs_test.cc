// These tests hand memory for outputs over to the server's own side socket. The calls beside it are answered by a fake,
// which writes there, or does it too late, wrongly, or not at all.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/sealed_regions.h"
#include "sealed/side_server.h"
#include "tensorferry/client/client.h"
#include "testing/arrays.h"
#include "testing/fake_server.h"
#include "testing/status_matchers.h"

namespace tensorferry::client {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kNbytes = 2 * kMiB;

class SealedOutputs : public testing::Test {
 protected:
  SealedOutputs() : folder_(MakeFolder()), path_(folder_ / "socket"), server_("unix:" + path_.string()) {
    StartSide(regions_);
    server_.on_stream = [this](FakeServer::StreamCall& call) {
      for (v1::ConvertStreamRequest part; call.Read(&part);) {
        const v1::ConvertRequest request = part.request();
        for (const v1::Array& array : request.arrays()) {
          for (auto rest = array.chunked_nbytes(); rest > 0 && call.Read(&part);) rest -= part.chunk().size();
        }
        Write(call, respond(request));
      }
      return grpc::Status::OK;
    };
  }
  ~SealedOutputs() override { std::filesystem::remove_all(folder_); }

  static std::filesystem::path MakeFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "outputs-XXXXXX").string();
    return mkdtemp(pattern.data());
  }

  // Starts the side socket, anew if it was there: then all that was handed over is lost.
  void StartSide(SealedRegions& regions) {
    side_.reset();
    side_.emplace(regions, 8);
    EXPECT_THAT(side_->Listen(path_.string() + ".sealed"), IsOk());
    EXPECT_THAT(side_->Start(), IsOk());
  }

  Client Connect(Transport transport = Transport::kAuto) {
    return Client::Connect(server_.address(), {.transport = transport}).value();
  }

  // Returns the elements of the answer of that number.
  static std::string Elements(int number, std::uint64_t nbytes = kNbytes) {
    return std::string(nbytes, static_cast<char>('a' + number % 26));
  }

  // Does what a server does: writes the elements where it may, and sends them otherwise.
  v1::ConvertResponse WriteOrSend(const v1::ConvertRequest& request) {
    const std::lock_guard lock(mutex_);
    v1::ConvertResponse response = AnswerTo(request);
    if (request.has_output_memory()) offered_.push_back(request.output_memory().region());
    const std::string elements = Elements(answered_++, nbytes_);
    response.set_request_id(elements.substr(0, 1));
    v1::Tensor& output = *response.add_outputs();
    output.mutable_metadata()->set_name("y");
    output.mutable_metadata()->set_nbytes(static_cast<std::int64_t>(elements.size()));
    if (request.has_output_memory() && request.output_memory().nbytes() >= elements.size()) {
      const v1::SharedMemoryRange& place = request.output_memory();
      const auto range = regions_.FindOutput(place.region(), place.offset(), place.nbytes());
      if (!range.ok()) return Lost();
      range->Write(0, std::as_bytes(std::span(elements)));
      *output.mutable_shared_memory() = place;
      output.mutable_shared_memory()->set_nbytes(elements.size());
    } else {
      sent_ += elements.size();
      output.set_data(elements);
    }
    return response;
  }

  static v1::ConvertResponse Lost() {
    v1::ConvertResponse response;
    response.mutable_error()->set_code(grpc::NOT_FOUND);
    response.mutable_error()->set_reason("REGION_NOT_FOUND");
    response.mutable_error()->set_message("Unable to find shared memory region");
    return response;
  }

  static absl::StatusOr<TensorData> Run(Client& client) {
    auto response = client.Convert({}, {.model_name = "m"});
    if (!response.ok()) return response.status();
    return *response->outputs.at(0).data;
  }

  const std::filesystem::path folder_, path_;
  SealedRegions regions_{{.regions = 64, .nbytes = 48 * kMiB}};
  std::optional<sealed::SideServer> side_;
  std::mutex mutex_;  // Guards the members below, but for `respond`.
  int answered_ = 0;
  std::uint64_t nbytes_ = kNbytes;    // Of the elements of each answer.
  std::uint64_t sent_ = 0;            // Bytes of elements in messages.
  std::vector<std::string> offered_;  // The regions that requests named.
  std::function<v1::ConvertResponse(const v1::ConvertRequest&)> respond = [this](const auto& request) {
    return WriteOrSend(request);
  };
  FakeServer server_;
};

TEST_F(SealedOutputs, OnlyTheFirstAnswerOfASizeCrossesTheSocket) {
  for (const Transport transport : {Transport::kAuto, Transport::kSealed}) {
    Client client = Connect(transport);
    answered_ = 0;
    sent_ = 0;
    offered_.clear();
    for (int i = 0; i < 6; ++i) {
      const auto data = Run(client);
      ASSERT_THAT(data, IsOk());
      EXPECT_TRUE(*data == Elements(i)) << i;
    }
    EXPECT_EQ(sent_, kNbytes);
    ASSERT_THAT(offered_, SizeIs(5));
    EXPECT_THAT(offered_, Each(offered_.front())) << "memory in which nothing lies is used again";
  }
}

TEST_F(SealedOutputs, WhatIsHeldNeverChangesAndOutlivesTheClient) {
  std::vector<TensorData> held;
  {
    Client client = Connect();
    for (int i = 0; i < 20; ++i) {
      held.push_back(Run(client).value());
      EXPECT_LE(regions_.nbytes(), 9 * kNbytes);
    }
    Stream stream = client.OpenStream();
    std::vector<Stream::Answer> answers;
    for (int i = 0; i < 12; ++i) answers.push_back(stream.Send({}, {.model_name = "m"}));
    for (Stream::Answer& each : answers) held.push_back(*each.get()->outputs.at(0).data);
    EXPECT_THAT(stream.Finish(), IsOk());
  }
  for (int i = 0; i < 32; ++i) EXPECT_TRUE(held[static_cast<std::size_t>(i)] == Elements(i)) << i;
  while (regions_.nbytes() > 0) std::this_thread::yield();  // The server lets go of what the client had there.
  EXPECT_TRUE(held.front() == Elements(0));
}

TEST_F(SealedOutputs, MemoryIsUsedAgainOnceTheLastViewIsGone) {
  Client client = Connect();
  ASSERT_THAT(Run(client), IsOk());
  TensorData first = Run(client).value();
  TensorData copy = first;
  EXPECT_EQ(copy.data(), first.data());
  EXPECT_EQ(copy.values<float>().size(), kNbytes / sizeof(float));
  first = TensorData();
  ASSERT_THAT(Run(client), IsOk());
  EXPECT_NE(offered_.at(1), offered_.at(0));
  EXPECT_TRUE(copy == Elements(1));
  copy = TensorData();
  ASSERT_THAT(Run(client), IsOk());
  EXPECT_EQ(offered_.at(2), offered_.at(0));
}

TEST_F(SealedOutputs, AFewBytesKeepNoMemory) {
  Client client = Connect();
  respond = [this](const v1::ConvertRequest& request) {
    v1::ConvertResponse response = WriteOrSend(request);
    if (!request.has_output_memory()) return response;
    v1::Tensor& small = *response.add_outputs();
    small.mutable_metadata()->set_nbytes(1000);
    *small.mutable_shared_memory() = request.output_memory();
    small.mutable_shared_memory()->set_nbytes(1000);
    return response;
  };
  ASSERT_THAT(Run(client), IsOk());
  std::vector<TensorData> held;
  for (int i = 1; i < 6; ++i) {
    held.push_back(*client.Convert({}, {.model_name = "m"})->outputs.at(1).data);
    EXPECT_TRUE(held.back() == Elements(i, 1000));
  }
  EXPECT_TRUE(held.front() == Elements(1, 1000));
  EXPECT_LE(std::set(offered_.begin(), offered_.end()).size(), 2) << "one for each size that was known";
}

TEST_F(SealedOutputs, TheSizeIsLearntWhereTheMemoryDoesNotSuffice) {
  Client client = Connect();
  for (const std::uint64_t nbytes : {kNbytes, 3 * kMiB, 5 * kMiB, kNbytes}) {
    nbytes_ = nbytes;
    sent_ = 0;
    for (int i = 0; i < 3; ++i) {
      const int number = answered_;
      ASSERT_TRUE(Run(client).value() == Elements(number, nbytes));
    }
    EXPECT_EQ(sent_, nbytes == kNbytes && answered_ > 3 ? 0 : nbytes);
  }
}

TEST_F(SealedOutputs, TheFirstAnswerGoesThereWhereItsSizeIsSaid) {
  Client client = Connect();
  const auto response = client.Convert({}, {.model_name = "m", .expected_output_bytes = kNbytes});
  ASSERT_THAT(response, IsOk());
  EXPECT_TRUE(*response->outputs.at(0).data == Elements(0));
  Client sealed = Connect(Transport::kSealed);  // It lends as much as it sends.
  const auto bytes = RandomBytes(kNbytes);
  const Array array{.name = "x", .dtype = "u1", .shape = {std::ssize(bytes)}, .bytes = bytes};
  ASSERT_THAT(sealed.Convert({&array, 1}, {.model_name = "m"}), IsOk());
  EXPECT_EQ(sent_, 0);
  nbytes_ = 100;
  for (int i = 0; i < 3; ++i) ASSERT_THAT(sealed.Convert({&array, 1}, {.model_name = "m"}), IsOk());
  EXPECT_THAT(offered_, SizeIs(3)) << "little is known to come back";
}

TEST_F(SealedOutputs, LittleComesInMessages) {
  Client client = Connect();
  nbytes_ = kMiB - 64;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Run(client).value() == Elements(i, nbytes_));
  EXPECT_THAT(offered_, IsEmpty());
}

TEST_F(SealedOutputs, AllComesInMessagesWithBytesAndWithoutASideSocket) {
  for (const Transport transport : {Transport::kBytes, Transport::kAuto, Transport::kSealed}) {
    Client client = Connect(transport);
    for (int i = 0; i < 3; ++i) ASSERT_THAT(Run(client), IsOk());
    EXPECT_THAT(offered_, IsEmpty());
    side_.reset();
  }
}

TEST_F(SealedOutputs, AConversionThatSendsBackKnowsTheSize) {
  Client client = Connect();
  respond = [this](const v1::ConvertRequest& request) {
    v1::ConvertResponse response = WriteOrSend(request);
    response.mutable_tensors(0)->Swap(response.mutable_outputs(0));
    response.clear_outputs();
    return response;
  };
  const auto bytes = RandomBytes(kNbytes);
  const Array array{.name = "x", .dtype = "u1", .shape = {std::ssize(bytes)}, .bytes = bytes};
  const auto response = client.Convert({&array, 1}, {.return_data = true});
  ASSERT_THAT(response, IsOk());
  EXPECT_TRUE(*response->tensors.at(0).data == Elements(0));
  EXPECT_EQ(sent_, 0);
}

TEST_F(SealedOutputs, MemoryThatIsRefusedCostsNoCall) {
  Client client = Connect();
  SealedRegions small({.regions = 8, .nbytes = 3 * kMiB});  // A connection may have half of it.
  StartSide(small);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Run(client).value() == Elements(i));
  EXPECT_THAT(offered_, IsEmpty());
  side_.reset();
}

TEST_F(SealedOutputs, WhatTheServerHasLostComesInMessages) {
  Client client = Connect();
  const auto bytes = RandomBytes(6 << 20);  // More than goes inside a message, and borrowed.
  const Array array{.name = "x", .dtype = "u1", .shape = {std::ssize(bytes)}, .bytes = bytes};
  respond = [this](const v1::ConvertRequest& request) {
    if (request.has_output_memory()) regions_.Remove(request.output_memory().region());
    return WriteOrSend(request);
  };
  for (int i = 0; i < 3; ++i) {
    const auto response = client.Convert({&array, 1}, {.model_name = "m"});
    ASSERT_THAT(response, IsOk());
    EXPECT_TRUE(*response->outputs.at(0).data == Elements(answered_ - 1));
  }
  ASSERT_THAT(offered_, SizeIs(2));
  EXPECT_NE(offered_[0], offered_[1]) << "it is not offered again";
  Stream stream = client.OpenStream();
  std::vector<Stream::Answer> answers;
  for (int i = 0; i < 8; ++i) {
    std::vector<std::byte> borrowed(1000);
    const Array small{.name = "x", .dtype = "u1", .shape = {1000}, .bytes = borrowed};
    answers.push_back(stream.Send({&small, 1}, {.model_name = "m"}));
  }
  for (Stream::Answer& each : answers) EXPECT_THAT(each.get(), IsOk());
  EXPECT_THAT(stream.Finish(), IsOk());
}

TEST_F(SealedOutputs, AServerThatHasStartedAnewIsHandedOverOtherMemory) {
  Client client = Connect();
  for (int i = 0; i < 3; ++i) ASSERT_THAT(Run(client), IsOk());
  const TensorData held = Run(client).value();
  StartSide(regions_);
  for (int i = 4; i < 6; ++i) EXPECT_TRUE(Run(client).value() == Elements(i));
  EXPECT_EQ(sent_, kNbytes) << "the client notices before it sends";
  EXPECT_NE(offered_.back(), offered_.front());
  EXPECT_TRUE(held == Elements(3));
}

TEST_F(SealedOutputs, PlacesThatWereNotOfferedAreRefused) {
  Client client = Connect();
  ASSERT_THAT(Run(client), IsOk());
  const std::vector<std::function<void(v1::SharedMemoryRange&)>> changes{
      [](auto& range) { range.set_region("other"); },
      [](auto& range) { range.set_offset(1); },
      [](auto& range) { range.set_offset(~std::uint64_t{0}); },
      [](auto& range) { range.set_nbytes(~std::uint64_t{0}); },
  };
  for (const auto& change : changes) {
    respond = [&](const v1::ConvertRequest& request) {
      v1::ConvertResponse response = WriteOrSend(request);
      change(*response.mutable_outputs(0)->mutable_shared_memory());
      return response;
    };
    const absl::Status refused = Run(client).status();
    EXPECT_TRUE(absl::IsInternal(refused)) << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("of another memory than was offered"));
  }
  Client other = Connect(Transport::kBytes);
  respond = [](const v1::ConvertRequest& request) {
    v1::ConvertResponse response = AnswerTo(request);
    response.add_outputs()->mutable_shared_memory()->set_region("sealed:0");
    return response;
  };
  EXPECT_THAT(std::string(Run(other).status().message()), HasSubstr("memory that was not offered"));
}

TEST_F(SealedOutputs, WhatIsWrittenTooLateNobodySees) {
  Client client = Connect();
  for (int i = 0; i < 2; ++i) ASSERT_THAT(Run(client), IsOk());
  std::promise<std::string> begun;
  std::promise<void> given_up, written;
  std::atomic<bool> is_late = true;
  respond = [&](const v1::ConvertRequest& request) {
    if (!is_late.exchange(false)) return WriteOrSend(request);
    const v1::SharedMemoryRange& place = request.output_memory();
    const auto range = regions_.FindOutput(place.region(), 0, place.nbytes());
    begun.set_value(place.region());
    given_up.get_future().wait();
    const std::string elements = Elements(25);
    range->Write(0, std::as_bytes(std::span(elements)));
    written.set_value();
    return Lost();
  };
  std::string region;
  {
    Stream stream = client.OpenStream();
    const auto dropped = stream.Send({}, {.model_name = "m"});
    region = begun.get_future().get();
  }
  std::vector<TensorData> held;
  for (int i = 0; i < 5; ++i) held.push_back(Run(client).value());
  given_up.set_value();
  written.get_future().wait();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(held[static_cast<std::size_t>(i)] == Elements(i + 2)) << i;
  EXPECT_EQ(std::ranges::count(offered_, region), 1) << "to the request before";
}

TEST_F(SealedOutputs, ManyThreadsShareAClient) {
  Client client = Connect();
  const auto work = [&] {
    std::vector<Response> held;
    for (int i = 0; i < 10; ++i) {
      held.push_back(client.Convert({}, {.model_name = "m"}).value());
      if (i % 3 == 0) held.erase(held.begin());
    }
    return std::ranges::all_of(held, [](const Response& response) {
      return *response.outputs.at(0).data == std::string(kNbytes, response.request_id.at(0));
    });
  };
  std::vector<std::future<bool>> all;
  for (int i = 0; i < 4; ++i) all.push_back(std::async(std::launch::async, work));
  for (std::future<bool>& one : all) EXPECT_TRUE(one.get());
}

TEST_F(SealedOutputs, WhatAForkedProcessHasIsNotUsedAgain) {
  Client client = Connect();
  ASSERT_THAT(Run(client), IsOk());
  TensorData data = Run(client).value();
  const std::string expected = Elements(1);
  const pid_t child = fork();
  if (child == 0) _exit(std::memcmp(data.data(), expected.data(), expected.size()) == 0 ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  data = TensorData();
  ASSERT_THAT(Run(client), IsOk());
  EXPECT_NE(offered_.at(0), offered_.at(1));
}

}  // namespace
}  // namespace tensorferry::client
