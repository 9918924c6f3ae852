// Runs a model eight times, and keeps its last two outputs, which lie where a server on this machine wrote them:
// example_outputs unix:PATH MODEL
#include <cstdio>
#include <deque>
#include <vector>

#include "tensorferry/client/client.h"

namespace client = tensorferry::client;

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  auto server = client::Client::Connect(argv[1]);
  if (!server.ok()) return 2;
  std::deque<client::TensorData> kept;
  for (int i = 0; i < 8; ++i) {
    const std::vector<float> values(std::size_t{1} << 20, static_cast<float>(i));
    const std::vector arrays{client::Array::Of("x", {1 << 20}, std::span(values))};
    auto response = server->Convert(arrays, {.model_name = argv[2]});
    if (!response.ok() || response->outputs.empty() || !response->outputs[0].data) {
      std::fprintf(stderr, "%s\n", response.status().ToString().c_str());
      return 1;
    }
    kept.push_back(*response->outputs[0].data);
    if (kept.size() > 2) kept.pop_front();  // Its memory takes a later output.
    for (const client::TensorData& data : kept) std::printf("%g ", data.values<float>().back());
    std::printf("\n");
  }
  return 0;
}
