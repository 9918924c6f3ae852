#pragma once

#include <torch/csrc/jit/api/module.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace tensorferry::inference {

// TemporaryRepository is a folder for models, which goes with its test.
class TemporaryRepository {
 public:
  TemporaryRepository() {
    std::string path = std::filesystem::temp_directory_path() / "repository.XXXXXX";
    root = mkdtemp(path.data());
  }
  ~TemporaryRepository() { std::filesystem::remove_all(root); }

  // Save makes the folders of `file`, and writes a TorchScript model there whose method `forward` has this source.
  void Save(const std::string& file, const std::string& forward) const {
    torch::jit::Module module("Model");
    module.define("def forward(self, x):\n  " + forward + "\n");
    std::filesystem::create_directories((root / file).parent_path());
    module.save((root / file).string() + ".new");
    std::filesystem::rename((root / file).string() + ".new", root / file);
  }

  void Write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((root / file).parent_path());
    std::ofstream(root / file) << text;
  }

  std::filesystem::path root;
};

}  // namespace tensorferry::inference
