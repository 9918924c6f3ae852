#include "inference/repository/scratch_folder.h"

#include <cstdlib>
#include <string>
#include <system_error>

namespace tensorferry::inference {

ScratchFolder::ScratchFolder() {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::temp_directory_path(error);
  std::string name = (parent / "tensorferry-XXXXXX").string();
  if (error || mkdtemp(name.data()) == nullptr) return;
  path_ = name;
  setenv("TMPDIR", name.c_str(), /*overwrite=*/1);
}

void ScratchFolder::Remove() {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
  path_.clear();
}

}  // namespace tensorferry::inference
