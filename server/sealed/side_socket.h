#pragma once

#include <sys/types.h>

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "base/file_descriptor.h"

namespace tensorferry::sealed {

// SidePath returns the path of the side socket beside a gRPC socket at `path`.
inline std::string SidePath(const std::string& path) { return path + ".sealed"; }

// SideSocket is a socket file that peers connect to. Its destructor removes the file.
class SideSocket {
 public:
  // Replaces a file that a server has left behind.
  // Errors: UNAVAILABLE, with the system's reason: the path is too long, another server listens there, or a file that
  //         is no socket is there.
  static absl::StatusOr<SideSocket> Listen(const std::string& path);

  SideSocket(SideSocket&& other) noexcept = default;
  SideSocket& operator=(SideSocket&& other) = delete;
  ~SideSocket();

  const std::string& path() const { return path_; }
  int get() const { return socket_.get(); }

 private:
  SideSocket(std::string path, FileDescriptor socket, ino_t inode)
      : path_(std::move(path)), socket_(std::move(socket)), inode_(inode) {}

  std::string path_;
  FileDescriptor socket_;
  ino_t inode_;  // Of the file that Listen made: a file that has replaced it stays.
};

}  // namespace tensorferry::sealed
