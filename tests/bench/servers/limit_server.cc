// limit_server is an empty gRPC server: limit_server [OPTION...] ADDRESS..., with the options of ReadArguments
#include "base/memory_upkeep.h"
#include "limit_serving.h"

int main(int argc, char** argv) {
  tensorferry::KeepMallocMemory();
  tensorferry::bench::ServeLimit(tensorferry::bench::ReadArguments(argc, argv), [] {});
}
