// These tests load archives of torch.export's whose JSON says what torch never writes. A file is served or refused:
// nothing in it ends the process.
#include "inference/engine/exported_model.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "exported_archive_file.h"
#include "inference/engine/exported_schema.h"
#include "testing/mutations.h"
#include "testing/status_matchers.h"

namespace tensorferry::inference {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Json = nlohmann::json;

class ExportedModel : public testing::Test {
 protected:
  ~ExportedModel() override { std::filesystem::remove(path_); }

  absl::StatusOr<Engines> Load(const Members& members) {
    WriteArchive(path_, members);
    const auto file = ModelFile::Open(path_, {});
    if (!file.ok()) return file.status();
    return LoadEngines(*file, ModelConfig{}, {.name = "sample", .version = "1"});
  }

  absl::StatusOr<Engines> LoadProgram(const std::string& json) {
    Members members = SampleMembers();
    members["models/model.json"] = json;
    return Load(members);
  }

  static absl::StatusOr<std::vector<NamedTensor>> Run(const Engines& engines) {
    std::vector<NamedTensor> inputs;
    for (const TensorSpec& spec : engines.models.front()->info().inputs) {
      inputs.push_back({spec.name, spec.dtype == "int64" ? at::arange(2) : at::ones({3, 4})});
    }
    return engines.models.front()->Run(std::move(inputs));
  }

  const std::filesystem::path path_ = std::filesystem::temp_directory_path() / ("exported-" + std::to_string(getpid()));
};

std::vector<std::string> Names(const std::vector<NamedTensor>& tensors) {
  std::vector<std::string> names;
  for (const NamedTensor& tensor : tensors) names.push_back(tensor.name);
  return names;
}

TEST_F(ExportedModel, RunsAndForgetsWhatARunChanges) {
  const auto engines = Load(SampleMembers());
  ASSERT_THAT(engines, IsOk());
  for (int run = 0; run < 2; ++run) {
    const auto outputs = Run(*engines);
    ASSERT_THAT(outputs, IsOk());
    EXPECT_THAT(Names(*outputs), ElementsAre("RESULT[r]", "RESULT[parts][0]", "RESULT[parts][1]", "RESULT[shift]",
                                             "RESULT[picked]", "RESULT[rows]"));
    EXPECT_TRUE(outputs->front().tensor.equal(at::ones({3, 8}))) << "the buffer counts from 0 in each run";
    EXPECT_EQ(outputs->back().tensor.item<std::int64_t>(), 6);
  }
}

TEST_F(ExportedModel, WithJsonOfAnotherFormIsRefused) {
  std::string deep(100'000, '[');
  for (const std::string& json : {std::string(), std::string("{}"), std::string("[]"), std::string("3"), deep,
                                  std::string(R"({"schema_version": {"major": 8, "minor": 1}})"),
                                  std::string(R"({"schema_version": {"major": 1e99, "minor": true}})")}) {
    EXPECT_THAT(LoadProgram(json), Fails(Reason::kModelNotReady)) << json.substr(0, 80);
  }
  Json newer = Json::parse(kSampleProgram);
  newer["schema_version"] = {{"major", 9}, {"minor", 3}};
  EXPECT_THAT(LoadProgram(newer.dump()), Fails(Reason::kModelNotReady, HasSubstr("schema version is 9.3")));
}

TEST_F(ExportedModel, BeyondItsBoundsIsRefusedBeforeAnythingIsBuilt) {
  const std::string deep = std::string(1000, '[') + std::string(1000, ']');
  EXPECT_THAT(LoadProgram(deep), Fails(Reason::kModelNotReady, HasSubstr("the JSON is nested more than 256 deep")));
  std::string many = "[0";
  for (std::size_t i = 0; i <= kMaxProgramValues; ++i) many += ",0";
  EXPECT_THAT(LoadProgram(many + "]"), Fails(Reason::kModelNotReady, HasSubstr("more than 16000000 values")));
  Json named = Json::parse(kSampleProgram);
  named["graph_module"]["graph"]["inputs"][0]["as_tensor"]["name"] = std::string(2000, 'n');
  EXPECT_THAT(LoadProgram(named.dump()), Fails(Reason::kModelNotReady, HasSubstr("a name has 2000 bytes")));
}

TEST_F(ExportedModel, WhoseWeightsLieOutsideOfTheirFileIsRefused) {
  for (const char* pointer : {"/sizes/0/as_int", "/strides/0/as_int", "/storage_offset/as_int"}) {
    for (const std::int64_t number : {std::int64_t{9}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::max()}) {
      Members members = SampleMembers();
      Json weights = Json::parse(kSampleWeights);
      weights["config"]["l.weight"]["tensor_meta"][Json::json_pointer(pointer)] = number;
      members["data/weights/model_weights_config.json"] = weights.dump();
      EXPECT_THAT(Load(members), Fails(Reason::kModelNotReady, HasSubstr("'l.weight'"))) << pointer << " " << number;
    }
  }
  Members members = SampleMembers();
  members.erase("data/weights/weight_0");
  EXPECT_THAT(Load(members), Fails(Reason::kModelNotReady, HasSubstr("no member 'data/weights/weight_0'")));
}

// Changer puts into a program what may stand in another place of it, or nowhere.
class Changer {
 public:
  Json Changed(Json program, Random& random) {
    std::vector<Json*> places;
    Collect(program, places);
    for (std::size_t changes = 1 + random.Below(3); changes > 0; --changes) {
      Json& place = *places[random.Below(places.size())];
      const Json other = *places[random.Below(places.size())];
      places.clear();
      Change(place, other, random);
      Collect(program, places);
    }
    return program;
  }

 private:
  static void Collect(Json& json, std::vector<Json*>& places) {
    places.push_back(&json);
    if (!json.is_structured()) return;
    for (Json& child : json) Collect(child, places);
  }

  static void Change(Json& place, const Json& other, Random& random) {
    static const std::vector<Json> kValues = {nullptr,
                                              true,
                                              -1,
                                              0,
                                              1,
                                              2,
                                              7,
                                              1e300,
                                              "",
                                              "x",
                                              Json::array(),
                                              Json::object(),
                                              std::numeric_limits<std::int64_t>::max(),
                                              std::numeric_limits<std::int64_t>::min(),
                                              std::numeric_limits<std::uint64_t>::max()};
    switch (random.Below(4)) {
      case 0: place = other; break;
      case 1:
        if (place.is_structured() && !place.empty()) {
          place.erase(std::next(place.begin(), static_cast<std::ptrdiff_t>(random.Below(place.size()))));
        }
        break;
      case 2:
        if (place.is_array()) place.push_back(other);
        break;
      default: place = kValues[random.Below(kValues.size())];
    }
  }
};

TEST_F(ExportedModel, ThatWasChangedAnywhereIsServedOrRefused) {
  constexpr int kCases = 2000;
  Random random;
  Changer changer;
  std::set<Reason> reasons;
  int ready = 0;
  for (int i = 0; i < kCases; ++i) {
    Members members = SampleMembers();
    std::string& json = members[random.OneIn(5) ? "data/weights/model_weights_config.json" : "models/model.json"];
    if (random.OneIn(4)) {
      Mutate(json, random);
    } else {
      json = changer.Changed(Json::parse(json), random).dump();
    }
    const auto engines = Load(members);
    if (!engines.ok()) {
      EXPECT_THAT(engines, Fails(Reason::kModelNotReady));
      continue;
    }
    ++ready;
    if (const auto outputs = Run(*engines); !outputs.ok()) reasons.insert(DescribeError(outputs.status()).reason);
  }
  EXPECT_GT(ready, kCases / 20) << "some changes leave a program that can be served";
  EXPECT_THAT(reasons, testing::Not(testing::Contains(Reason::kInternal)));
}

}  // namespace
}  // namespace tensorferry::inference
