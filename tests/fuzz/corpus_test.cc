// These tests replay every input that the fuzzers were given or have kept, without clang and in every build.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "fuzz/properties.h"

namespace tensorferry::fuzz {
namespace {

struct Target {
  std::string name;  // The corpus' folder has this name, too.
  std::string_view (*mistake)(std::string_view);
};

class Corpus : public testing::TestWithParam<Target> {};

TEST_P(Corpus, HoldsNoMistake) {
  const auto& [name, mistake] = GetParam();
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(TENSORFERRY_FUZZ_CORPUS) / name)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string input(std::istreambuf_iterator<char>(file), {});
    EXPECT_EQ(mistake(input), "") << entry.path().filename();
    ++files;
  }
  EXPECT_GT(files, 10);
}

INSTANTIATE_TEST_SUITE_P(
    Targets, Corpus,
    testing::Values(Target{"file_reader", &FileReaderMistake}, Target{"wire_reader", &WireReaderMistake},
                    Target{"infer_reader", &InferReaderMistake}, Target{"infer_body", &InferBodyMistake},
                    Target{"npy_header", &NpyHeaderMistake}, Target{"packed_body", &PackedBodyMistake},
                    Target{"side_message", &SideMessageMistake}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tensorferry::fuzz
