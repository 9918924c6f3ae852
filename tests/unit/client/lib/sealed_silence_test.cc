// A server that takes calls, beside a side socket that takes everything and never answers.
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file_descriptor.h"
#include "tensorferry/client/client.h"
#include "testing/arrays.h"
#include "testing/fake_server.h"
#include "testing/status_matchers.h"

namespace tensorferry::client {
namespace {

constexpr std::int64_t kSilentBytes = 1 << 20;  // They travel in sealed memory by any rule.

// The client waits for the side socket for two seconds, unless a call has less time.
constexpr std::chrono::milliseconds kTimeout(1900);

class SilentSideSocket : public testing::Test {
 protected:
  SilentSideSocket() {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    (path_.string() + ".sealed").copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(side_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(side_.get(), 8), 0);
    server_.on_convert = [](const v1::ConvertRequest& request, v1::ConvertResponse* response) {
      *response = AnswerTo(request);
      return grpc::Status::OK;
    };
    server_.on_stream = [](FakeServer::StreamCall& call) {
      for (v1::ConvertStreamRequest part; call.Read(&part);) Write(call, AnswerTo(part.request()));
      return grpc::Status::OK;
    };
  }
  ~SilentSideSocket() override { std::filesystem::remove_all(folder_); }

  static std::filesystem::path MakeFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "silent-XXXXXX").string();
    return mkdtemp(pattern.data());
  }

  const std::filesystem::path folder_ = MakeFolder(), path_ = folder_ / "socket";
  const FileDescriptor side_{socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
  FakeServer server_{"unix:" + path_.string()};
  Client client_ = Client::Connect(server_.address()).value();
  const std::vector<std::byte> elements_ = RandomBytes(kSilentBytes);
  const Array array_{.name = "x", .dtype = "|u1", .shape = {kSilentBytes}, .bytes = elements_};
};

TEST_F(SilentSideSocket, CostsNoCallTheTimeThatItHas) {
  EXPECT_THAT(client_.Convert({&array_, 1}, {.timeout = kTimeout}), IsOk());
}

TEST_F(SilentSideSocket, CostsNoStreamTheTimeThatItHas) {
  EXPECT_THAT(client_.Convert({&array_, 1},
                              {.model_name = "model", .expected_output_bytes = kSilentBytes, .timeout = kTimeout}),
              IsOk());
}

}  // namespace
}  // namespace tensorferry::client
