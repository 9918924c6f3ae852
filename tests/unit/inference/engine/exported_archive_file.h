// Writes archives of torch.export's into files.
#pragma once

#include <caffe2/serialize/inline_container.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "exported_sample.h"

namespace tensorferry::inference {

using Members = std::map<std::string, std::string>;

// Returns the members of the sample's archive. Its weights are zeros.
inline Members SampleMembers() {
  return {{"models/model.json", kSampleProgram},
          {"data/weights/model_weights_config.json", kSampleWeights},
          {"data/weights/weight_0", std::string(128, '\0')},
          {"data/weights/weight_1", std::string(32, '\0')},
          {"data/weights/weight_2", std::string(4, '\0')},
          {"data/constants/model_constants_config.json", kSampleConstants},
          {"data/constants/tensor_0", std::string(8, '\0')},
          {"archive_format", "pt2"},
          {"archive_version", "0"}};
}

inline void WriteArchive(const std::filesystem::path& path, const Members& members) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  caffe2::serialize::PyTorchStreamWriter writer([&](const void* data, std::size_t nbytes) {
    file.write(static_cast<const char*>(data), static_cast<std::streamsize>(nbytes));
    return nbytes;
  });
  for (const auto& [name, text] : members) writer.writeRecord(name, text.data(), text.size());
  writer.writeEndOfFile();
}

}  // namespace tensorferry::inference
