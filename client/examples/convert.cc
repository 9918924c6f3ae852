// Converts four floats and prints the server's receipt: example_convert [ADDRESS]
#include <cstdio>
#include <vector>

#include "tensorferry/client/client.h"
#include "tensorferry/client/verify.h"

namespace client = tensorferry::client;

int main(int argc, char** argv) {
  auto server = client::Client::Connect(argc > 1 ? argv[1] : "127.0.0.1:8001");
  if (!server.ok()) return 2;
  const std::vector<float> values{1, 2, 3, 4};
  const std::vector arrays{client::Array::Of("x", {2, 2}, std::span(values))};

  const auto response = server->Convert(arrays);
  if (!response.ok()) {
    std::fprintf(stderr, "%s\n", response.status().ToString().c_str());
    return 1;
  }
  const bool equal = client::Verify(arrays[0], response->tensors[0])->equal();
  std::printf("torch.%s, %s\n", response->tensors[0].dtype.c_str(), equal ? "every bit equal" : "DIFFERENT");
  return equal ? 0 : 1;
}
