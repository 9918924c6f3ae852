#pragma once

#include <filesystem>

namespace tensorferry::inference {

// ScratchFolder is a folder for the temporary files of this process, inside the folder that TMPDIR names, or /tmp.
// torch unpacks packages there, and does not remove them when the process ends. Only this user can access the folder,
// because the server runs what is unpacked.
class ScratchFolder {
 public:
  // Makes the folder, and makes TMPDIR name it. Call it before the first thread is started. If the folder cannot be
  // made, nothing changes.
  ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() { Remove(); }

  // Removes the folder with all files in it, even while code from it runs.
  void Remove();

 private:
  std::filesystem::path path_;  // Empty: there is no folder.
};

}  // namespace tensorferry::inference
