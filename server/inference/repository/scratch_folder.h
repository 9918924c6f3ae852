#pragma once

#include <filesystem>

namespace tensorferry::inference {

// A folder of this process's own for temporary files, below the one that the environment names (TMPDIR) or /tmp: torch
// unpacks packages there, and leaves them when the process ends. For this user alone: what is unpacked is run.
class ScratchFolder {
 public:
  // Makes TMPDIR name the folder: to be called before the first thread is started. Where none can be made, nothing
  // changes.
  ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() { Remove(); }

  // Removes the folder, whatever is in it, also while code from it runs.
  void Remove();

 private:
  std::filesystem::path path_;  // Empty: there is none.
};

}  // namespace tensorferry::inference
