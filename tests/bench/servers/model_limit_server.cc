// model_limit_server is an empty gRPC server that runs a model for each call, on a tensor made beforehand:
// model_limit_server [--tuned] FILE ROWS,… ADDRESS...
#include <cstdlib>
#include <string>
#include <vector>

#include "base/memory_upkeep.h"
#include "limit_serving.h"
#include "model_work.h"

int main(int argc, char** argv) {
  tensorferry::KeepMallocMemory();
  auto arguments = tensorferry::bench::ReadArguments(argc, argv);
  const std::string file = arguments.addresses.at(0);
  std::vector<std::int64_t> shape;
  for (std::size_t at = 0; at < arguments.addresses.at(1).size();) {
    shape.push_back(std::strtoll(arguments.addresses[1].c_str() + at, nullptr, 10));
    const std::size_t comma = arguments.addresses[1].find(',', at);
    at = comma == std::string::npos ? comma : comma + 1;
  }
  arguments.addresses.erase(arguments.addresses.begin(), arguments.addresses.begin() + 2);
  tensorferry::bench::ServeLimit(arguments, tensorferry::bench::LoadModelWork(file, shape));
}
