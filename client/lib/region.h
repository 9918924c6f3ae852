#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/file_descriptor.h"

namespace tensorferry::client {

// Region is sealed memory that a server has taken. The server forgets it when this object is destroyed; requests that
// use it go on.
class Region {
 public:
  // `socket` is the connection of the side socket that it was handed over on, without which the region is gone.
  Region(std::shared_ptr<const FileDescriptor> socket, std::string name)
      : socket_(std::move(socket)), name_(std::move(name)) {}
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  ~Region();

  const std::string& name() const { return name_; }
  bool IsOf(const std::shared_ptr<const FileDescriptor>& socket) const { return socket_ == socket; }

 private:
  const std::shared_ptr<const FileDescriptor> socket_;
  const std::string name_;
};

}  // namespace tensorferry::client
